"""Slow, obvious counts of days, to compare the columns with."""

import datetime as dt
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from sales.calendar import Calendar

Event = Callable[[int], bool]


def random_calendar(stores: int = 3, days: int = 150, seed: int = 0, first: dt.date = dt.date(2013, 12, 1)) -> Calendar:
    """Return a calendar with random plans, and a long stretch without rows for the first store."""
    rng = np.random.default_rng(seed)

    def often(share: float) -> NDArray[np.uint8]:
        return (rng.random((stores, days)) < share).astype(np.uint8)

    gap = np.zeros((stores, days), dtype=np.uint8)
    gap[0, 40:60] = 1
    open_ = often(0.85)
    open_[1, 70:79] = 0
    return Calendar(
        stores=np.arange(1, stores + 1, dtype=np.int32),
        first_day=(first - dt.date(1970, 1, 1)).days,
        open=open_,
        promo=often(0.3),
        state_holiday=rng.choice(4, (stores, days), p=[0.9, 0.05, 0.03, 0.02]).astype(np.uint8),
        school_holiday=often(0.2),
        assumed=np.zeros((stores, days), dtype=np.uint8),
        gap=gap,
    )


def count(event: Event, days: range, calendar_days: int) -> int:
    """Count the days of the calendar with an event."""
    return sum(event(day) for day in days if 0 <= day < calendar_days)


def since(event: Event, day: int, longest: int) -> int:
    """Return the number of days since the last event, at most ``longest``."""
    return next((n for n in range(longest) if day - n >= 0 and event(day - n)), longest)


def until(event: Event, day: int, longest: int, calendar_days: int) -> int:
    """Return the number of days until the next event, at most ``longest``."""
    return next((n for n in range(longest) if day + n < calendar_days and event(day + n)), longest)
