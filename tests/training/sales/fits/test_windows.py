"""training.sales.fits.windows: cutoffs, and tables without what was not known yet."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from training.sales.data.files import Source
from training.sales.data.panel import panel_from_tables
from training.sales.data.tables import Tables
from training.sales.fits.windows import (
    WindowError,
    calibration_cutoffs,
    checked_cutoffs,
    first_sale,
    last_sale,
    rolling_cutoffs,
    tables_until,
)

CUTOFF, END = np.datetime64("2015-05-31"), np.datetime64("2015-06-14")


def every_day(tables: Tables, days: int) -> Tables:
    """The tables with sales of one store on a number of days, to 2015-07-31."""
    dates = pd.date_range(end="2015-07-31", periods=days).astype("datetime64[s]")
    return replace(tables, train=pd.DataFrame({"Store": 1, "Date": dates, "Sales": 1.0}))


def test_tables_until_a_day_have_neither_later_sales_nor_a_later_plan(tables: Tables) -> None:
    known = tables_until(tables, CUTOFF, END)
    assert known.train["Date"].max() == pd.Timestamp(CUTOFF)
    assert (known.test["Date"].min(), known.test["Date"].max()) == (pd.Timestamp("2015-06-01"), pd.Timestamp(END))
    assert not {"Sales", "Customers"} & {*known.test.columns}
    window = tables.train[(tables.train["Date"] > "2015-05-31") & (tables.train["Date"] <= "2015-06-14")]
    for column in ("Store", "Date", "Open", "Promo", "StateHoliday", "SchoolHoliday"):
        assert known.test[column].tolist() == window[column].tolist()
    assert len(known.train) == (tables.train["Date"] <= "2015-05-31").sum()


@pytest.mark.parametrize(("observed", "last"), [(False, CUTOFF), (True, END)])
def test_weather_and_trend_end_with_the_cutoff_unless_they_are_observed(
    tables: Tables, observed: bool, last: np.datetime64
) -> None:
    known = tables_until(tables, CUTOFF, END, observed=observed)
    assert known.weather["Date"].max() == pd.Timestamp(last)
    assert pd.Timestamp(last) - pd.Timedelta(days=7) < known.googletrend["Date"].max() <= pd.Timestamp(last)


def test_the_plan_of_the_test_table_is_kept_as_far_as_it_lies_in_the_window(tables: Tables) -> None:
    last = last_sale(tables)
    known = tables_until(tables, last, last + 10)
    assert len(known.train) == len(tables.train)
    expected = tables.test[tables.test["Date"] <= pd.Timestamp(last + 10)].reset_index(drop=True)
    pd.testing.assert_frame_equal(known.test, expected, check_dtype=False, check_like=True)


def test_only_stated_facts_are_a_plan(tables: Tables) -> None:
    """Without a column Open, a store is open on the days with sales, which nobody knows beforehand."""
    read = replace(
        tables, sources={"train": Source("sales.csv", dict.fromkeys(["Store", "Date", "Sales", "Promo"], ""), ())}
    )
    plan = tables_until(read, CUTOFF, END).test
    assert plan["Open"].isna().all()
    assert plan["StateHoliday"].isna().all()
    assert plan["Promo"].tolist() == tables_until(tables, CUTOFF, END).test["Promo"].tolist()
    assert panel_from_tables(tables_until(read, CUTOFF, END), cutoff=CUTOFF).cutoff


def test_tables_of_sales_alone_have_no_plan(tables: Tables) -> None:
    read = replace(tables, sources={"train": Source("sales.csv", dict.fromkeys(["Store", "Date", "Sales"], ""), ())})
    assert tables_until(read, CUTOFF, END).test.empty
    assert panel_from_tables(tables_until(read, CUTOFF, END), cutoff=CUTOFF).cutoff


def test_rows_have_the_same_places_in_the_panel_of_a_window(tables: Tables) -> None:
    whole, window = panel_from_tables(tables), panel_from_tables(tables_until(tables, CUTOFF, END), cutoff=CUTOFF)
    assert window.first_day == whole.first_day
    assert window.calendar.date(window.cutoff) == CUTOFF.astype(object)
    days = slice(window.calendar.day(END.astype(object)) + 1)
    for grid in ("promo", "state_holiday", "school_holiday", "open"):
        ours, theirs = (getattr(panel.calendar, grid)[:, days] for panel in (window, whole))
        np.testing.assert_array_equal(ours, theirs)


def test_four_windows_are_spread_over_a_year_and_end_with_the_sales(tables: Tables) -> None:
    cutoffs = rolling_cutoffs(tables, windows=4, days=49)
    assert cutoffs[-1] + 49 == last_sale(tables)
    assert np.diff(cutoffs).astype(int).tolist() == [91, 91, 91]


def test_windows_lie_closer_together_if_there_are_few_sales(tables: Tables) -> None:
    short = every_day(tables, 98 + 49 + 3 * 14 + 20)
    cutoffs = rolling_cutoffs(short, windows=4, days=49)
    assert np.diff(cutoffs).astype(int).tolist() == [14, 14, 14]
    assert (cutoffs[0] - first_sale(short)).astype(int) + 1 >= 98


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (
            lambda tables: rolling_cutoffs(tables, windows=4, days=49),
            "4 windows of 49 days, 7 days apart, need 168 days",
        ),
        (
            lambda tables: rolling_cutoffs(tables, windows=1, days=60),
            "fewer --windows, a smaller --step or fewer --days",
        ),
        (
            lambda tables: checked_cutoffs(tables, [np.datetime64("2015-06-13")], days=49),
            r"after 2015-06-13, .* cutoffs can lie from 2015-06-09 to 2015-06-12",
        ),
        (lambda tables: checked_cutoffs(tables, [np.datetime64("2015-06-08")], days=49), "after 2015-06-08"),
        (lambda tables: checked_cutoffs(tables, [np.datetime64("2015-06-10")], days=60), "give fewer --days"),
    ],
)
def test_windows_without_room_are_rejected_with_a_remedy(
    tables: Tables, wrong: Callable[[Tables], object], named: str
) -> None:
    with pytest.raises(WindowError, match=named):
        wrong(every_day(tables, 150))


def test_given_cutoffs_are_sorted_and_used_once(tables: Tables) -> None:
    early, late = np.datetime64("2014-03-01"), np.datetime64("2015-01-01")
    assert checked_cutoffs(tables, [late, early, late], days=49) == [early, late]


@pytest.mark.parametrize(
    ("n_days", "days", "steps"),
    [
        (900, 49, [91, 91, 91]),
        (600, 49, [77, 77, 77]),  # half of the days stay for the first fit
        (400, 49, [49, 49, 49]),
        (300, 49, [49, 49]),
        (200, 49, [49]),
        (150, 49, []),
        (900, 366, []),
        (900, 180, [182]),
    ],
)
def test_calibration_windows_do_not_overlap_and_leave_enough_to_learn_from(
    tables: Tables, n_days: int, days: int, steps: list[int]
) -> None:
    last = np.datetime64("2015-07-31")
    holdout = last - days
    cutoffs = calibration_cutoffs(every_day(tables, n_days), holdout, windows=4, days=days)
    assert cutoffs[-1] == holdout
    assert np.diff(np.array(cutoffs)).astype(int).tolist() == steps
    assert not steps or int((cutoffs[0] - (last - n_days)).astype(int)) >= max(2 * days, n_days // 2)
