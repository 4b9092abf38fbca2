"""State holidays of days that no table states, from the country's calendar and from earlier years."""

import datetime as dt

import numpy as np

from sales.arrays import Bool, Int32, Int64, UInt8
from sales.calendar import datepart
from sales.columns.events import easter
from training.sales.data.plan.country import CHRISTMAS, EASTER, Holiday, state_holidays
from training.sales.data.plan.grids import Grids, Place, in_state

EVERYWHERE = 0.95  # share of the chain's rows that must have a holiday to make it one of all states
AFTER_EASTER = range(-60, 71)  # days around Easter on which holidays move with it: carnival to Corpus Christi


def fill_holidays(grids: Grids, place: Place, date: Int64) -> Int32:
    """Fill the state holidays that no table states; all of them if the tables have none and the country is known.

    Returns:
        ``[store, day]``, the same number for all days of one official holiday, such as Thanksgiving; 0 on other days.
    """
    names: dict[str, int] = {}
    numbers = np.zeros(grids.holiday.shape, dtype=np.int32)
    known = grids.stated("state_holiday")
    if place.country is not None and not (grids.holiday[known] > 0).any():
        known = np.zeros_like(known)
    everywhere = in_state(grids.holiday, known, share=EVERYWHERE)[1]  # a state may have no row on such a day
    for state, stores in place.groups():
        listed, value = in_state(grids.holiday[stores], known[stores])
        value = np.where(listed, value, everywhere)
        listed |= everywhere > 0
        holiday = np.where(known[stores], grids.holiday[stores], value)
        certain = known[stores] | listed
        assumed = recurring(holiday, certain, date)
        if place.country is not None:
            official, numbers[stores] = _official(place.country, state, date, listed, value, names)
            assumed = np.where(official > 0, official, assumed)
        grids.holiday[stores] = np.where(certain, holiday, assumed)
    return numbers


def _official(
    country: str, state: str | None, date: Int64, listed: Bool, value: UInt8, names: dict[str, int]
) -> tuple[UInt8, Int32]:
    """Return the kind and the number of the state's official holidays, without those that the tables do not have.

    Args:
        country: the country's code.
        state: the state's code; None if unknown.
        date: ``[day]``, days since 1970-01-01.
        listed: ``[day]``, true where the tables list the state's holidays.
        value: ``[day]``, the tables' holiday.
        names: numbers of the holidays by name, from 1; new names are added. Several days of one name, such as a feast
            of three days, have a number each.

    Returns:
        Kinds and numbers, each ``[day]``; 0 on other days.
    """
    years = datepart(date[[0, -1]])["Year"].tolist()
    by_name: dict[str, list[tuple[int, Holiday]]] = {}
    for holiday in state_holidays(country, state, range(years[0], years[-1] + 1)):
        day = (holiday.date - dt.date(1970, 1, 1)).days - int(date[0])
        if 0 <= day < len(date):
            by_name.setdefault(holiday.name.removesuffix(" (estimated)"), []).append((day, holiday))
    kinds, numbers = np.zeros(len(date), dtype=np.uint8), np.zeros(len(date), dtype=np.int32)
    for name, occurrences in by_name.items():
        found = [value[day] > 0 for day, _ in occurrences if listed[day]]
        if not found or sum(found) * 2 >= len(found):
            for day, holiday in occurrences:
                kinds[day] = holiday.kind
            place = 0
            for index, (day, _) in enumerate(occurrences):
                place = place + 1 if index and day == occurrences[index - 1][0] + 1 else 0
                numbers[day] = names.setdefault(f"{name}, day {place}", len(names) + 1)
    return kinds, numbers


def recurrence_keys(date: Int64) -> list[Int64]:
    """Return four keys of each day, each ``[day]``.

    Days of different years with the same key are the same event; -1 means no key. The keys are the date in the year,
    the days from Easter, and the weekday of the month counted from its first and from its last day.
    """
    parts = datepart(date)
    month, day, weekday = parts["Month"], parts["Day"], parts["Dayofweek"]
    offset = date - easter(parts["Year"])
    near = (offset >= AFTER_EASTER.start) & (offset < AFTER_EASTER.stop)
    in_month = month * 100 + weekday * 10
    last_week = datepart(date + 7)["Month"] != month
    return [
        month * 100 + day,
        np.where(near, offset - AFTER_EASTER.start, -1),
        in_month + (day - 1) // 7,
        np.where(last_week, in_month, -1),
    ]


def recurring(holiday: UInt8, known: Bool, date: Int64) -> UInt8:
    """Return the holidays that recur, ``[store, day]``.

    A holiday recurs if at least two thirds of the known years have it on the same key. At least two years are needed;
    one is enough for Christmas, which has a fixed date, and for Easter. Not all years have to agree, because tables
    have gaps: Rossmann's do not mark 1 January 2015 in Thuringia. A holiday that recurs on one key does not count for
    the next key: 26 December 2013 and 25 December 2014 are both a fourth Thursday.
    """
    recurring = np.zeros_like(holiday)
    happened = np.flatnonzero((holiday > 0).any(axis=0))
    for key, enough in zip(recurrence_keys(date), (CHRISTMAS, EASTER, 0, 0), strict=True):
        sure = known & (recurring == 0)
        for value in np.unique(key[happened]).tolist():
            if value < 0:
                continue
            days = np.flatnonzero(key == value)
            kinds = np.where(sure[:, days], holiday[:, days], 0)
            seen, met = sure[:, days].sum(axis=1), (kinds > 0).sum(axis=1)
            kind = kinds.max(axis=1)
            recurs = (met * 3 >= seen * 2) & (met >= np.where(kind == enough, 1, 2)) & (kind > 0)
            recurring[np.ix_(recurs, days)] = kind[recurs, None]
    return recurring
