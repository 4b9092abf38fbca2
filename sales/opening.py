"""Opening of stores: usual weekdays, and closures on state holidays."""

import numpy as np

from sales.arrays import Bool, Int64, UInt8
from sales.calendar import STATE_HOLIDAYS
from sales.panel import YEAR

Facts = tuple[UInt8, UInt8]  # open and state_holiday, both [store, day]


def weekdays(first_day: int, days: int) -> Int64:
    """Return the weekday of each day, ``[day]``; 0 is Monday.

    Args:
        first_day: date of day 0, in days since 1970-01-01.
        days: number of days.
    """
    return (first_day + np.arange(days) + 3) % 7  # 1970-01-01 was a Thursday


def usual_weekdays(facts: Facts, known: Bool, weekday: Int64) -> Bool:
    """Return the weekdays on which each store usually opens.

    A store opens on a weekday if it was open on most of them in the last year of its known days, holidays aside. On
    weekdays without a known day it opens if most stores do: a new store would count as closed otherwise, and its
    forecast would be 0 without a warning. Tables may leave out closed days. So a store without rows on this weekday
    counts as closed in that majority; otherwise a few stores that open on Sundays would open all.

    Args:
        facts: open and state_holiday, ``[store, day]``.
        known: ``[store, day]``, days that count.
        weekday: ``[day]``, 0 is Monday.

    Returns:
        ``[store, weekday]``.
    """
    open_, holiday = facts
    has_rows = known.any(axis=1)
    last = np.where(has_rows, known.shape[1] - 1 - np.argmax(known[:, ::-1], axis=1), -1)
    recent = known & (holiday == 0) & (np.arange(known.shape[1]) > last[:, None] - YEAR)
    usual = np.zeros((len(open_), 7), dtype=np.bool_)
    for day in range(7):
        counts = recent[:, weekday == day]
        opened = ((open_[:, weekday == day] > 0) & counts).sum(axis=1)
        usually = opened * 2 > counts.sum(axis=1)
        most = usually[has_rows].sum() * 2 > has_rows.sum()
        usual[:, day] = np.where(counts.any(axis=1), usually, most)
    return usual


def closed_on_kinds(closed: Bool, counts: Bool, holiday: UInt8) -> Bool:
    """Return the kinds of state holidays on most of which each store is closed.

    A store without such a day does as most stores do. No store closes on a kind that no store has met.

    Args:
        closed: ``[store, day]``, days on which the store was closed.
        counts: ``[store, day]``, days that count: known days on which the store would be open without a holiday.
        holiday: ``[store, day]``, index into ``STATE_HOLIDAYS``.

    Returns:
        ``[store, kind]``; kind 0, no holiday, is false.
    """
    result = np.zeros((len(closed), len(STATE_HOLIDAYS)), dtype=np.bool_)
    for kind in range(1, len(STATE_HOLIDAYS)):
        days = np.flatnonzero((holiday == kind).any(axis=0))  # few
        met = counts[:, days] & (holiday[:, days] == kind)
        seen, shut = met.sum(axis=1), (met & closed[:, days]).sum(axis=1)
        result[:, kind] = np.where(seen > 0, shut * 2 > seen, shut.sum() * 2 > seen.sum())
    return result
