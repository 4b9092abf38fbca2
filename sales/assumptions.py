"""Assumptions about facts that nobody states: the opening of stores, and the forecasts that an assumption affects."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sales.arrays import Bool, Int8, Int32, Int64, Integers, UInt8
from sales.calendar import FIELDS, STATE_HOLIDAYS, Calendar, days_since, days_until
from sales.columns.distance import UNTIL
from sales.columns.opening import LONG_CLOSURE
from sales.columns.stretches import BREAK, WEEKEND
from sales.panel import YEAR

AHEAD = UNTIL + max(LONG_CLOSURE, BREAK + WEEKEND)  # days after a day that its columns can depend on, at most
RECENT = 13 * 7  # days whose opening shows on which weekdays a store opens now
ENOUGH = 4  # of these days on a weekday; with fewer, the last year decides
LONG = 14  # days of a closure that shows nothing about weekdays
WEEK = 7  # days that the columns named ``_fw`` count, the day itself included

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

    A store opens on a weekday if it was open on most of them in the last 13 weeks of its known days. Holidays and long
    closures do not count. A year would be too long, because closing days change, but it counts if there are few. On
    weekdays without a known day it opens if most stores do: a new store would count as closed otherwise, and its
    forecast would be 0 without a warning. Tables may leave out closed days. A store without rows on a weekday therefore
    counts as closed in the majority. Otherwise a few stores with Sunday rows would open every store on Sundays.

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
    year = known & (holiday == 0) & (np.arange(known.shape[1]) > last[:, None] - YEAR)
    newest = year & (np.arange(known.shape[1]) > last[:, None] - RECENT) & ~_long_closures(known & (open_ > 0), last)
    usual = np.zeros((len(open_), 7), dtype=np.bool_)
    for day in range(7):
        same = weekday == day
        counts = np.where((newest[:, same].sum(axis=1) >= ENOUGH)[:, None], newest[:, same], year[:, same])
        opened = ((open_[:, same] > 0) & counts).sum(axis=1)
        usually = opened * 2 > counts.sum(axis=1)
        most = usually[has_rows].sum() * 2 > has_rows.sum()
        usual[:, day] = np.where(counts.any(axis=1), usually, most)
    return usual


def _long_closures(opened: Bool, last: Int64) -> Bool:
    """Return the days in closures of ``LONG`` days and more, up to each store's last known day, ``[store, day]``.

    Args:
        opened: ``[store, day]``, known days on which the store was open.
        last: ``[store]``, last known day.
    """
    day = np.arange(opened.shape[1])
    before = np.maximum.accumulate(np.where(opened, day, -1), axis=1)
    after = np.minimum.accumulate(np.where(opened, day, last[:, None] + 1)[:, ::-1], axis=1)[:, ::-1]
    return np.asarray(~opened & (after - before - 1 >= LONG))


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


class OpeningRules(NamedTuple):
    """Rules for the opening of a store on a day about which a client states the state holiday alone.

    Attributes:
        usual: ``[store, weekday]``, true on the weekdays on which the store usually opens; 0 is Monday.
        closed_on: ``[store, kind]``, kinds of state holidays on most of which the store is closed.
    """

    usual: Bool
    closed_on: Bool

    @classmethod
    def of(cls, calendar: Calendar, cutoff: int) -> OpeningRules:
        """Return the rules that follow from the days up to the cutoff.

        Args:
            calendar: the planned calendar.
            cutoff: index of the last day whose sales are known.
        """
        past = calendar.between(0, cutoff + 1)
        weekday = weekdays(past.first_day, past.days)
        usual = usual_weekdays((past.open, past.state_holiday), np.ones(past.open.shape, dtype=np.bool_), weekday)
        closed_on = closed_on_kinds(past.open == 0, usual[:, weekday], past.state_holiday)
        return cls(usual, closed_on)

    def opening(self, calendar: Calendar, store: Int64, day: Int64, holiday: Integers) -> Int8:
        """Return the opening on days with a stated state holiday: 1 open, 0 closed, -1 as the calendar has it.

        Args:
            calendar: the panel's calendar.
            store: ``[row]``, index of the store.
            day: ``[row]``, index of the day.
            holiday: ``[row]``, stated holiday, an index into ``STATE_HOLIDAYS``.
        """
        planned = calendar.state_holiday[store, day]
        assumed = calendar.assumed[store, day] >> FIELDS.index("open") & 1 > 0
        weekday = (calendar.first_day + day + 3) % 7  # 1970-01-01 was a Thursday
        usual = np.where((planned > 0) & assumed, self.usual[store, weekday].astype(np.int8), np.int8(-1))
        opening = np.where(self.closed_on[store, holiday], np.int8(0), usual)
        return np.where(holiday == planned, np.int8(-1), opening)


def assumed_ahead(calendar: Calendar) -> UInt8:
    """Return, for each day, the fields whose assumed values on later days affect its columns.

    The columns count the events of a week, today included, and the days until the next event, up to ``UNTIL``. The
    days until the next promotion do not depend on the days after it. Closed days just before an assumed day may begin a
    long closure, and school holidays a school break.

    Returns:
        ``[store, day]``, bits as in ``Calendar.assumed``.
    """
    bits = np.zeros_like(calendar.assumed)
    if not calendar.assumed[:, 1:].any():  # as in most requests
        return bits
    for bit, field in enumerate(FIELDS):
        assumed = (calendar.assumed >> bit & 1) > 0
        if not assumed[:, 1:].any():
            continue
        ahead = np.full(assumed.shape, -1, dtype=np.int32)  # days until the next assumed day after today; -1: none
        ahead[:, :-1] = days_until(assumed[:, 1:])
        ahead[:, :-1] += ahead[:, :-1] >= 0
        reads = (ahead > 0) & (ahead - _days_of_stretch(calendar, field, ahead) < UNTIL)
        if field == "promo":
            until = days_until(calendar.promo > 0)
            reads &= (ahead < WEEK) | (until < 0) | (until >= ahead)
        bits |= reads.astype(np.uint8) << np.uint8(bit)
    return bits


def _days_of_stretch(calendar: Calendar, field: str, ahead: Int32) -> Int32:
    """Return the days just before the next assumed day that may begin a long closure or a school break with it.

    Args:
        calendar: the planned calendar.
        field: field that is assumed; the others than ``open`` and ``school_holiday`` have no such columns.
        ahead: ``[store, day]``, days until the next assumed day.
    """
    if field == "open":
        days, most = days_since(calendar.open > 0), LONG_CLOSURE - 1
    elif field == "school_holiday":
        since = days_since(calendar.school_holiday > 0)
        days, most = days_since((since < 0) | (since > WEEKEND)), BREAK - 1 + WEEKEND
    else:
        return np.zeros_like(ahead)
    last = np.clip(np.arange(calendar.days) + ahead - 1, 0, calendar.days - 1)
    # -1: the stretch began before the calendar
    return np.take_along_axis(np.where(days < 0, most, np.minimum(days, most)), last, axis=1)
