"""Declarations of columns: each has one place, and names a field that a request has."""

import pytest

from sales.columns.column import Mode
from sales.features import COLUMNS, FEATURE_SETS
from schemas.sales.request import DayFacts, Weather


@pytest.mark.parametrize("mode", COLUMNS)
def test_no_column_is_declared_twice(mode: Mode) -> None:
    names = FEATURE_SETS[mode].names
    assert len(names) == len(set(names)) == len(COLUMNS[mode])


@pytest.mark.parametrize("mode", COLUMNS)
def test_fields_are_those_of_a_request(mode: Mode) -> None:
    fields = {*DayFacts.model_fields, *Weather.model_fields} - {"weather"}
    assert {column.field for column in COLUMNS[mode].values() if column.field} <= fields


def test_a_column_of_both_modes_has_one_group() -> None:
    production, parity = COLUMNS["production"], COLUMNS["parity"]
    for name in production.keys() & parity.keys():
        assert production[name].group == parity[name].group
