"""Assumptions of the panel about days without a row in the tables."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from sales.panel import Panel, decade
from training.sales.data.panel import panel_from_tables
from training.sales.data.tables import Tables


def with_rows(tables: Tables, keep: pd.Series, keep_planned: pd.Series) -> Panel:
    """Return the panel of tables with only some of the rows."""
    return panel_from_tables(replace(tables, train=tables.train[keep], test=tables.test[keep_planned]))


def opens(panel: Panel) -> NDArray[np.bool_]:
    """Return the opening by weekday in the calendar's last, assumed weeks: ``[store, weekday]``."""
    last = panel.calendar.open[:, -28:].reshape(-1, 4, 7)
    assert (last == last[:, :1]).all()
    return last[:, 0][:, np.argsort((panel.date[-28:][:7] + 3) % 7)] > 0


@pytest.fixture(scope="module")
def whole(demo_tables: Tables) -> Panel:
    return panel_from_tables(demo_tables)


def test_a_store_without_any_row_opens_as_most_do(demo_tables: Tables, whole: Panel) -> None:
    train, test = demo_tables.train, demo_tables.test
    panel = with_rows(demo_tables, train["Store"] != 3, test["Store"] != 3)
    assert opens(panel)[2].tolist() == [True] * 6 + [False]
    assert np.isnan(panel.sales[2]).all()
    calendar = panel.calendar
    np.testing.assert_array_equal(calendar.open[2], ((panel.date + 3) % 7 < 6) & (calendar.state_holiday[2] == 0))
    assert (calendar.assumed[2] == 15).all()
    assert not calendar.gap[2].any()  # a gap is before a row
    others = np.arange(len(calendar.stores)) != 2
    for name in ("open", "promo", "state_holiday", "school_holiday", "assumed", "gap"):
        np.testing.assert_array_equal(getattr(calendar, name)[others], getattr(whole.calendar, name)[others])


def test_a_new_store_opens_as_most_do_on_weekdays_without_its_rows(demo_tables: Tables) -> None:
    """Three days are known, one of them closed: what is its own counts for its weekday, the rest is as elsewhere."""
    train, test = demo_tables.train, demo_tables.test
    new = train["Date"] >= "2015-07-29"  # Wednesday to Friday
    closed = train.assign(Open=train["Open"].where(train["Store"].ne(3) | train["Date"].ne("2015-07-30"), 0))
    panel = with_rows(replace(demo_tables, train=closed), train["Store"].ne(3) | new, test["Store"] != 3)
    assert opens(panel)[2].tolist() == [True, True, True, False, True, True, False]


def test_tables_without_closed_days_open_no_more_stores_on_sundays(demo_tables: Tables, whole: Panel) -> None:
    """Only a store that opens on Sundays has rows there, and it is not representative."""
    panel = with_rows(demo_tables, demo_tables.train["Open"] == 1, demo_tables.test["Open"] == 1)
    assert opens(whole)[:, 6].sum() == 1
    np.testing.assert_array_equal(opens(panel), opens(whole))


def test_a_weekday_that_no_store_has_is_closed(demo_tables: Tables) -> None:
    past, plan = (table["Date"].dt.day_name() != "Tuesday" for table in (demo_tables.train, demo_tables.test))
    panel = with_rows(demo_tables, past, plan)
    assert not opens(panel)[:, 1].any()


@pytest.mark.parametrize(
    ("median", "expected"), [(5263.0, 1e3), (1000.0, 1e3), (999.9, 1e2), (0.5263, 1e-1), (1e-6, 1e-6), (1.0, 1.0)]
)
def test_the_unit_of_a_panel_is_the_decade_of_its_median(median: float, expected: float) -> None:
    assert decade(np.array([[median, np.nan, 1e-9], [1e12, np.nan, np.nan]])) == expected
