"""sales.assumptions: the opening of stores, and the forecasts that an assumed day affects."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sales.assumptions import OpeningRules, assumed_ahead, closed_on_kinds, usual_weekdays
from sales.calendar import FIELDS, GRIDS, Calendar
from sales.columns import production

MONDAY = 16_643  # 2015-07-27, in days since 1970-01-01


def calendar_of(stores: int, days: int, **grids: Any) -> Calendar:
    zero = {name: np.zeros((stores, days), np.uint8) for name in GRIDS}
    return Calendar(np.arange(stores, dtype=np.int32), MONDAY, **{**zero, **grids})


@pytest.mark.parametrize("field", FIELDS)
def test_days_that_read_no_assumed_day_do_not_depend_on_one(field: str) -> None:
    """The columns of such days stay the same for any values of the assumed days. Some other days' change."""
    rng = np.random.default_rng(0)
    shape, planned = (200, 60), 40
    density = np.array([0.02, 0.1, 0.3, 0.6])[rng.integers(0, 4, (shape[0], 1))]
    grids = {name: (rng.random(shape) < density).astype(np.uint8) for name in FIELDS}
    bit = FIELDS.index(field)
    assumed = np.zeros(shape, np.uint8)
    assumed[:, planned:] = 1 << bit
    calendar = calendar_of(*shape, **grids, assumed=assumed)
    reads = assumed_ahead(calendar)
    assert not (reads & ~np.uint8(1 << bit)).any()
    before = production.plan_columns(calendar, -1)
    changed = np.zeros(shape, np.bool_)
    for density in (0, 0.05, 0.2, 0.5, 1):
        other = grids[field].copy()
        other[:, planned:] = (rng.random((shape[0], shape[1] - planned)) < density) * rng.integers(
            1, 4 if field == "state_holiday" else 2
        )
        after = production.plan_columns(replace(calendar, **{field: other}), -1)
        changed |= np.any([before[name] != after[name] for name in before], axis=0)
    past = slice(0, planned)
    assert not (changed & (reads == 0))[:, past].any()
    if field == "promo":  # exactly the days that can change
        np.testing.assert_array_equal(changed[:, past], (reads > 0)[:, past])
    assert (reads[:, : planned - {"open": 17, "school_holiday": 19}.get(field, 13)] == 0).all()
    assert (reads[:, planned - 1] > 0).all()


def test_usual_weekdays_are_those_of_the_last_year() -> None:
    days, stores = 800, 4
    weekday = np.arange(days) % 7
    open_ = np.tile(weekday < 6, (stores, 1)).astype(np.uint8)
    open_[0, :400] = weekday[:400] < 5  # closed on Saturdays, long ago
    open_[1, weekday == 2] = 0
    holiday = np.zeros_like(open_)
    known = np.ones(open_.shape, np.bool_)
    known[2, weekday == 4] = False  # no row: as in most stores
    known[3] = False
    usual = usual_weekdays((open_, holiday), known, weekday)
    week = [True] * 6 + [False]
    assert usual.tolist() == [week, [True, True, False, True, True, True, False], week, week]


def test_closures_on_holidays_are_those_of_most_of_the_kind() -> None:
    """Store 0 closes on all, store 1 on one of three public holidays, and store 2 has met none."""
    holiday = np.array([[1, 1, 1, 2, 0, 3]] * 2 + [[0] * 6], np.uint8)
    closed = np.array([[True, True, True, True, False, False], [True, False, False, True, True, True], [False] * 6])
    counts = holiday > 0
    counts[:, 5] = False  # a Sunday
    kinds = closed_on_kinds(closed, counts, holiday)
    assert kinds.tolist() == [[False, True, True, False], [False, False, True, False], [False, True, True, False]]


def test_opening_rules_follow_the_calendar() -> None:
    """A store that closes on Sundays and on its two public holidays; the third, on day 30, is assumed."""
    open_, holiday, assumed = np.ones((3, 1, 42), np.uint8)
    open_[0, 6::7] = 0
    holiday[0] = assumed[0] = 0
    holiday[0, [2, 9, 30]] = 1
    open_[0, [2, 9, 30]] = 0
    assumed[0, 28:] = 15
    calendar = calendar_of(1, 42, open=open_, state_holiday=holiday, assumed=assumed)
    rules = OpeningRules.of(calendar, cutoff=27)
    assert rules.usual.tolist() == [[True] * 6 + [False]]
    assert rules.closed_on.tolist() == [[False, True, False, False]]
    days_and_holidays = {
        (31, 1): 0,
        (31, 2): -1,  # no evidence
        (31, 0): -1,  # what the calendar has already
        (30, 1): -1,
        (30, 0): 1,  # the assumed holiday is none
        (9, 0): -1,  # the tables state that it was closed
    }
    day, stated = np.array([*days_and_holidays]).T
    opening = rules.opening(calendar, np.zeros_like(day), day, stated)
    assert opening.tolist() == [*days_and_holidays.values()]
