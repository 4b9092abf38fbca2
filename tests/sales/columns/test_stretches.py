"""Columns about stretches of days: equal to slow counts."""

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from sales.columns import stretches
from sales.columns.stretches import closure_columns, run_lengths, school_columns

Grid = NDArray[np.bool_]


def grids(*, most: int) -> Any:
    """Return a strategy of events in long stretches."""

    def stretch(lengths: list[int]) -> Grid:
        return np.repeat(np.arange(len(lengths)) % 2 == 0, lengths)[None]

    return st.lists(st.integers(1, most), min_size=1, max_size=12).map(stretch)


def before(event: Grid, day: int) -> int:
    """Count the days with the event that end just before a day."""
    n = 0
    while day - n - 1 >= 0 and event[0, day - n - 1]:
        n += 1
    return n


def after(event: Grid, day: int) -> int:
    """Count the days with the event that begin just after a day."""
    return before(event[:, ::-1], event.shape[1] - 1 - day)


@given(arrays(np.bool_, st.tuples(st.integers(1, 4), st.integers(1, 30))))
def test_run_lengths_equal_a_loop(event: Grid) -> None:
    up_to, left = run_lengths(event)
    for store, day in np.ndindex(event.shape):
        row = event[store : store + 1]
        assert up_to[store, day] == (before(row, day) + 1 if event[store, day] else 0)
        assert left[store, day] == (after(row, day) + 1 if event[store, day] else 0)


@settings(deadline=None)  # slow on a busy machine
@given(grids(most=50))
def test_closure_columns_equal_a_loop(closed: Grid) -> None:
    columns = closure_columns(closed, 5)
    for day in range(closed.shape[1]):
        assert columns["ClosedBefore"][0, day] == min(before(closed, day), 5)
        assert columns["ClosedAfter"][0, day] == min(after(closed, day), 5)
        ends = [d for d in range(day + 1) if closed[0, d] and before(closed, d) + 1 >= 5]
        days = before(closed, ends[-1]) + 1 if ends and day - ends[-1] <= 30 else 0
        assert columns["LongClosureDays"][0, day] == min(days, 30)


@settings(deadline=None)
@given(grids(most=12))
def test_school_columns_equal_a_loop(holiday: Grid) -> None:
    days = holiday.shape[1]
    joined = holiday.copy()
    for day in range(days):  # up to two days between two holidays
        gap = [d for d in range(days) if not holiday[0, d]]
        if day in gap:
            run = before(~holiday, day) + 1 + after(~holiday, day)
            first, last = day - before(~holiday, day), day + after(~holiday, day)
            joined[0, day] = run <= 2 and first > 0 and last < days - 1
    in_break = joined.copy()
    for day in range(days):
        in_break[0, day] = joined[0, day] and before(joined, day) + 1 + after(joined, day) >= 5
    columns = school_columns(holiday)
    for day in range(days):
        inside = in_break[0, day]
        assert columns["SchoolBreakDay"][0, day] == (min(before(in_break, day) + 1, 45) if inside else 0)
        assert columns["SchoolBreakLeft"][0, day] == (min(after(in_break, day) + 1, 14) if inside else 0)
        past = [day - d for d in range(day + 1) if in_break[0, d]]
        ahead = [d - day for d in range(day, days) if in_break[0, d]]
        assert columns["SinceSchoolBreak"][0, day] == min(min(past, default=30), 30)
        assert columns["UntilSchoolBreak"][0, day] == min(min(ahead, default=14), 14)


def test_a_refurbishment_is_remembered_with_its_length() -> None:
    """20 days closed, then open; a Sunday is no long closure."""
    closed = np.zeros((1, 80), np.bool_)
    closed[0, 10:30] = True
    closed[0, 36] = True
    days = closure_columns(closed, 5)["LongClosureDays"][0]
    assert days[[9, 12, 14, 29, 30, 36, 59, 60]].tolist() == [0, 0, 5, 20, 20, 20, 20, 0]


def test_declared_columns_are_computed() -> None:
    event = np.zeros((1, 3), np.bool_)
    computed = {**closure_columns(event, 5), **school_columns(event)}
    assert {*computed} == {column.name for column in stretches.COLUMNS}
