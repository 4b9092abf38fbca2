"""Columns are found by their names and aliases."""

import pytest

from schemas.sales.column_names import (
    IGNORED,
    REQUEST_COLUMNS,
    WEATHER_FIELDS,
    match_columns,
    names_of,
    plain_name,
    public_name,
)
from schemas.sales.request import StoreDay, Weather
from training.sales.data.columns import COLUMNS


@pytest.mark.parametrize("table", COLUMNS)
def test_no_name_fits_two_columns_of_a_table(table: str) -> None:
    names = [name for column in COLUMNS[table] for name in {*names_of(column)}]
    assert len(names) == len({*names})


@pytest.mark.parametrize("table", COLUMNS)
def test_every_column_is_found_by_its_name_and_its_public_name(table: str) -> None:
    for header in ([*COLUMNS[table]], [*map(public_name, COLUMNS[table])], [name.upper() for name in COLUMNS[table]]):
        matched = match_columns(header, COLUMNS[table])
        assert matched.headers == dict(zip(COLUMNS[table], header, strict=True))
        assert not matched.ambiguous
        assert not matched.unused


def test_unknown_columns_are_unused_except_those_of_the_lesson() -> None:
    matched = match_columns(["store", "DayOfWeek", "price"], COLUMNS["train"])
    assert matched.unused == ["price"]


def test_ignored_columns_are_plain_names_that_no_column_has() -> None:
    known = {name for table in COLUMNS.values() for column in table for name in names_of(column)}
    assert not IGNORED & known
    assert {*map(plain_name, IGNORED)} == IGNORED


def test_every_field_of_a_request_has_one_column() -> None:
    fields = ({*StoreDay.model_fields} - {"weather", "columns"}) | {*Weather.model_fields}
    assert {*REQUEST_COLUMNS} == fields
    assert {*WEATHER_FIELDS} == {*Weather.model_fields}
    assert {*REQUEST_COLUMNS.values()} <= {*COLUMNS["test"], *COLUMNS["weather"]}
    names = [name for column in REQUEST_COLUMNS.values() for name in {*names_of(column)}]
    assert len(names) == len({*names})
