"""Stores whose sales end before the last day are found; closed days are no delay."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.training.sales.data.own_tables import FIRST, chain, write
from training.sales.data.late_stores import LateStores
from training.sales.data.tables import read_tables

LAST = FIRST + 61  # a Saturday


def late_stores(folder: Path, sales: pd.DataFrame) -> LateStores:
    return read_tables(write(folder, sales=sales)).late_stores()


def test_stores_that_report_on_the_same_last_day_are_not_late(tmp_path: Path) -> None:
    found = late_stores(tmp_path, chain(days=62))
    assert found == (LAST, LAST, 5, {}, {})
    assert found.warnings() == []


def test_a_half_reported_last_day_is_a_warning_that_names_stores(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    frame = chain(stores=9, days=62)
    found = late_stores(tmp_path, frame[(frame["date"] < LAST) | (frame["store"] == 4)])
    assert found.late == dict.fromkeys((1, 2, 3, 5, 6, 7, 8, 9), LAST - 1)
    (warning,) = found.warnings()
    assert "8 of 9 stores have no sales on the last days up to 2023-03-04" in warning
    assert "1 (2023-03-03), 2 (2023-03-03), 3 (2023-03-03), 5 (2023-03-03), 6 (2023-03-03), and 3 more" in warning
    assert f"WARNING: sales.csv: {warning}" in caplog.messages  # training logs it


def test_stores_that_are_closed_on_the_last_weekday_are_not_late(tmp_path: Path) -> None:
    """The last day is a Sunday, and one store of five opens on Sundays."""
    frame = chain(days=63, sundays=True)
    sunday = frame["date"].dt.day_of_week == 6
    assert late_stores(tmp_path / "a", frame[~sunday | (frame["store"] == 2)]).late == {}
    listed = frame.assign(sales=frame["sales"].where(~sunday | (frame["store"] == 2), 0))
    assert late_stores(tmp_path / "b", listed).late == {}


def test_rows_after_the_last_sales_are_a_warning_unless_they_are_a_few_closed_days(tmp_path: Path) -> None:
    frame = chain(days=62)
    for days, expected in ((2, []), (30, ["no store has sales after 2023-03-04, yet rows follow up to 2023-04-03"])):
        rows = pd.DataFrame({"store": 1, "date": [LAST + 1 + day for day in range(days)], "sales": 0.0})
        found = late_stores(tmp_path, pd.concat([frame, rows]))
        assert [warning.partition(", and")[0] for warning in found.warnings()] == expected


def test_a_stated_closure_is_no_delay(tmp_path: Path) -> None:
    """Without a column open, a 0 on the last days may stand for sales that were not reported."""
    frame = chain(days=62)
    unsold = (frame["store"] == 3) & (frame["date"] > LAST - 3)
    zeros = frame.assign(sales=frame["sales"].mask(unsold, 0))
    assert late_stores(tmp_path / "zeros", zeros).late == {3: LAST - 3}
    assert late_stores(tmp_path / "stated", zeros.assign(open=(~unsold).astype(int))).late == {}


def test_a_store_without_sales_for_a_month_is_reported_apart(tmp_path: Path) -> None:
    frame = chain(days=62)
    found = late_stores(tmp_path, frame[(frame["store"] != 5) | (frame["date"] < LAST - 40)])
    assert (found.late, found.gone) == ({}, {5: np.datetime64("2023-01-21")})
    (warning,) = found.warnings()
    assert "1 of 5 stores have no sales in the last 28 days up to 2023-03-04: 5 (2023-01-21)" in warning
