"""sales.calendar: date parts equal those of fastai, and the grids equal simple loops."""

from datetime import date

import numpy as np
import pandas as pd
import pytest
from fastai.tabular.core import add_datepart
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from sales.calendar import (
    EPOCH,
    CalendarError,
    count_last,
    count_last_listed,
    date_of,
    datepart,
    days_since,
    days_until,
    iso_monday,
)

DATES = np.arange(np.datetime64("1990-01-01"), np.datetime64("2041-01-01"))
EVENTS = arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=20))


def days_of(dates: NDArray[np.datetime64]) -> NDArray[np.int64]:
    return (dates - EPOCH).astype(np.int64)


def test_datepart_equals_fastais_add_datepart() -> None:
    # In nanoseconds, which fastai's Elapsed assumes (see the next test).
    theirs = add_datepart(pd.DataFrame({"Date": DATES.astype("datetime64[ns]")}), "Date")
    ours = datepart(days_of(DATES))
    assert {*ours} - {*theirs.columns} == {"IsoYear"}
    for name in theirs:
        np.testing.assert_array_equal(ours[name], theirs[name].to_numpy(np.int64), err_msg=name)
    np.testing.assert_array_equal(ours["IsoYear"], pd.Series(DATES).dt.isocalendar().year)


def test_elapsed_equals_the_lessons_output() -> None:
    """The fast.ai lesson shows 1438300800 for 2015-07-31.

    fastai divides the dates' integers by 1e9, which makes seconds of nanoseconds; pandas 3 reads dates in microseconds,
    so that fastai 2.8.12 gives a thousandth of it there.
    """
    assert datepart(np.array([16647]))["Elapsed"].tolist() == [1438300800]
    assert date(2015, 7, 31).toordinal() - date(1970, 1, 1).toordinal() == 16647
    theirs = add_datepart(pd.DataFrame({"Date": pd.to_datetime(["2015-07-31"])}), "Date")["Elapsed"]
    assert theirs.tolist() == ([1438300] if pd.__version__ >= "3" else [1438300800])


def test_the_iso_year_belongs_to_the_iso_week() -> None:
    """The last days of December 2014 are in week 1 of 2015, the first of January 2016 in week 53 of 2015."""
    days = days_of(np.array(["2014-12-28", "2014-12-29", "2015-12-31", "2016-01-03", "2016-01-04"], "datetime64[D]"))
    columns = datepart(days)
    weeks = list(zip(columns["IsoYear"], columns["Week"], columns["Year"], strict=True))
    assert weeks == [(2014, 52, 2014), (2015, 1, 2014), (2015, 53, 2015), (2015, 53, 2016), (2016, 1, 2016)]


@given(arrays(np.int64, st.integers(0, 20), elements=st.integers(-300_000, 300_000)))
def test_datepart_agrees_with_the_standard_library(day: NDArray[np.int64]) -> None:
    columns = datepart(day)
    for row, number in enumerate(day.tolist()):
        expected_date = date.fromordinal(number + date(1970, 1, 1).toordinal())
        year, week, weekday = expected_date.isocalendar()
        expected = {
            "Year": expected_date.year,
            "Month": expected_date.month,
            "Day": expected_date.day,
            "Week": week,
            "IsoYear": year,
            "Dayofweek": weekday - 1,
            "Dayofyear": expected_date.timetuple().tm_yday,
        }
        assert {name: columns[name][row] for name in expected} == expected


def test_date_of_and_iso_monday_agree_with_the_standard_library() -> None:
    start = date(1970, 1, 1).toordinal()
    months = [(year, month) for year in (1900, 1969, 1970, 2012, 2100) for month in range(1, 13)]
    expected = [date(*month, 15).toordinal() - start for month in months]
    year, month = np.array(months).T
    assert date_of(year, month, 15).tolist() == expected
    weeks = [(year, week) for year in range(1900, 2100) for week in range(1, 53)] + [(2009, 53), (2015, 53)]
    expected = [date.fromisocalendar(*week, 1).toordinal() - start for week in weeks]
    year, week = np.array(weeks).T
    assert iso_monday(year, week).tolist() == expected


@given(EVENTS)
def test_days_since_and_until_equal_a_loop(event: NDArray[np.bool_]) -> None:
    since, until = days_since(event), days_until(event)
    assert since.shape == until.shape == event.shape
    for store, day in np.ndindex(event.shape):
        before = [day - other for other in range(day + 1) if event[store, other]]
        after = [other - day for other in range(day, event.shape[1]) if event[store, other]]
        assert since[store, day] == min(before, default=-1)
        assert until[store, day] == min(after, default=-1)


@given(EVENTS, st.integers(1, 25))
def test_count_last_equals_a_loop(event: NDArray[np.bool_], days: int) -> None:
    count = count_last(event, days)
    for store, day in np.ndindex(event.shape):
        assert count[store, day] == sum(event[store, max(0, day - days + 1) : day + 1])


@given(EVENTS.flatmap(lambda event: st.tuples(st.just(event), arrays(np.bool_, event.shape))), st.integers(1, 9))
def test_count_last_listed_equals_a_loop(grids: tuple[NDArray[np.bool_], NDArray[np.bool_]], days: int) -> None:
    event, listed = grids
    untouched = event.copy()
    count = count_last_listed(event, listed, days)
    for store, day in np.ndindex(event.shape):
        rows = [other for other in range(day + 1) if listed[store, other]][-days:]
        assert count[store, day] == (sum(event[store, other] for other in rows) if listed[store, day] else 0)
    np.testing.assert_array_equal(event, untouched)


def test_an_event_grid_without_two_axes_is_rejected() -> None:
    with pytest.raises(CalendarError, match=r"\(5,\).*\[store, day\]"):
        days_since(np.zeros(5, dtype=np.bool_))
