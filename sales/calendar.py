"""The store x day grid: what is planned for each store and day, and the columns that follow from it.

A calendar is dense, ``[store, day]``, so that the lesson's elapsed days and rolling counts are cumulative maxima and
differences of cumulative sums along one axis: milliseconds for a thousand stores, and a look-up when serving.
"""

import datetime as dt
from dataclasses import dataclass, replace

import numpy as np

from sales.arrays import Bool, Int32, Int64, Integers, UInt8

EPOCH = np.datetime64("1970-01-01", "D")
FIELDS = ("open", "promo", "state_holiday", "school_holiday")  # what a table or a client states of a day
GRIDS = (*FIELDS, "assumed", "gap")
STATE_HOLIDAYS = ("0", "a", "b", "c")  # none, public holiday, Easter, Christmas: Kaggle's codes, stored as 0 to 3


class CalendarError(ValueError):
    """A calendar that can't be read; the message names what, where and what is allowed."""


@dataclass(frozen=True)
class Calendar:
    """What is known of each store and day. All arrays are ``[store, day]`` and ``uint8``.

    Attributes:
        stores: ``[store]``, the store ids in ascending order.
        first_day: the date of column 0, in days since 1970-01-01.
        open: 1 if the store is open.
        promo: 1 if the store runs a promotion.
        state_holiday: index into ``STATE_HOLIDAYS``.
        school_holiday: 1 if schools are closed.
        assumed: bit ``i`` is set where no table states ``FIELDS[i]``.
        gap: 1 where the tables have no row for the store and day but have later ones: the days of long closures that
            the tables leave out, which the lesson's rolling counts pass over.
    """

    stores: Int32
    first_day: int
    open: UInt8
    promo: UInt8
    state_holiday: UInt8
    school_holiday: UInt8
    assumed: UInt8
    gap: UInt8

    @property
    def days(self) -> int:
        """How many days the calendar has."""
        return int(self.open.shape[1])

    def date(self, day: int) -> dt.date:
        """The date of a day."""
        return dt.date(1970, 1, 1) + dt.timedelta(days=self.first_day + day)

    def day(self, date: dt.date) -> int:
        """The day of a date; it may lie outside the calendar."""
        return (date - dt.date(1970, 1, 1)).days - self.first_day

    def rows(self, store: Integers) -> "Calendar":
        """The calendar of some stores, in the order given; ``store`` indexes the first axis and may repeat."""
        return replace(self, stores=self.stores[store], **{name: getattr(self, name)[store] for name in GRIDS})

    def between(self, first: int, end: int) -> "Calendar":
        """The calendar of the days from ``first``, which is not negative, to before ``end``, which may be too late."""
        grids = {name: getattr(self, name)[:, first:end] for name in GRIDS}
        return replace(self, first_day=self.first_day + first, **grids)


def datepart(day: Integers) -> dict[str, Integers]:
    """All columns of fastai's ``add_datepart``, and the ISO year that belongs to its ISO week.

    Args:
        day: ``[row]``, days since 1970-01-01.

    Returns:
        Columns ``[row]`` by fastai's names. ``Dayofweek`` is 0 on Mondays; the ``Is_`` columns are 0 or 1;
        ``Elapsed`` is in seconds since 1970-01-01.

    >>> columns = datepart(np.array([16647]))
    >>> {name: int(columns[name][0]) for name in ("Year", "Week", "Dayofweek", "Elapsed")}
    {'Year': 2015, 'Week': 31, 'Dayofweek': 4, 'Elapsed': 1438300800}
    """
    day = np.asarray(day, dtype=np.int64)
    date = day.astype("datetime64[D]")
    month, year = date.astype("datetime64[M]"), date.astype("datetime64[Y]")
    months = month.astype(np.int64)
    month_start = date == month
    next_month = (months + 1).astype("datetime64[M]").astype("datetime64[D]")
    month_end = (day + 1).astype("datetime64[D]") == next_month
    weekday = (day + 3) % 7  # 1970-01-01 was a Thursday
    # The ISO week is that of its Thursday, counted from the first Thursday of the Thursday's year (ISO 8601).
    thursday = (day - weekday + 3).astype("datetime64[D]")
    iso_year = thursday.astype("datetime64[Y]")
    return {
        "Year": year.astype(np.int64) + 1970,
        "Month": months % 12 + 1,
        "Week": (thursday - iso_year).astype(np.int64) // 7 + 1,
        "Day": (date - month).astype(np.int64) + 1,
        "Dayofweek": weekday,
        "Dayofyear": (date - year).astype(np.int64) + 1,
        "Is_month_end": month_end.astype(np.int64),
        "Is_month_start": month_start.astype(np.int64),
        "Is_quarter_end": (month_end & (months % 3 == 2)).astype(np.int64),
        "Is_quarter_start": (month_start & (months % 3 == 0)).astype(np.int64),
        "Is_year_end": (month_end & (months % 12 == 11)).astype(np.int64),
        "Is_year_start": (month_start & (months % 12 == 0)).astype(np.int64),
        "Elapsed": day * 86_400,
        "IsoYear": iso_year.astype(np.int64) + 1970,
    }


def date_of(year: Integers, month: Integers, day: int) -> Int64:
    """Dates in days since 1970-01-01; months count from 1.

    >>> str(EPOCH + date_of(np.array([2015]), np.array([4]), 15)[0])
    '2015-04-15'
    """
    months = (np.asarray(year, dtype=np.int64) - 1970) * 12 + np.asarray(month, dtype=np.int64) - 1
    return months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64) + day - 1


def iso_monday(year: Integers, week: Integers) -> Int64:
    """The Monday of an ISO week, in days since 1970-01-01.

    >>> str(EPOCH + iso_monday(np.array([2010]), np.array([13]))[0])
    '2010-03-29'
    """
    fourth = (np.asarray(year) - 1970).astype("datetime64[Y]").astype("datetime64[D]").astype(np.int64) + 3
    return fourth - (fourth + 3) % 7 + 7 * (np.asarray(week, dtype=np.int64) - 1)  # January 4th is always in week 1


def days_since(event: Bool) -> Int32:
    """Days since the last event, for each store and day.

    Args:
        event: ``[store, day]``, true on the days of the event.

    Returns:
        ``[store, day]`` in days: 0 on the day of an event, and -1 before the first one (the lesson's notebook
        puts 0 there too, which can't be told from "today").

    Raises:
        CalendarError: if ``event`` has not two axes.

    >>> days_since(np.array([[False, True, False, False, True]]))
    array([[-1,  0,  1,  2,  0]], dtype=int32)
    """
    if event.ndim != 2:
        raise CalendarError(f"event has the shape {event.shape}; a calendar is [store, day]")
    day = np.arange(event.shape[1], dtype=np.int32)
    last = np.maximum.accumulate(np.where(event, day, np.int32(-1)), axis=1)
    return np.where(last < 0, np.int32(-1), day - last)


def days_until(event: Bool) -> Int32:
    """Days until the next event: ``days_since`` on the mirrored calendar, same shapes and meaning of -1.

    >>> days_until(np.array([[False, True, False, False, True]]))
    array([[1, 0, 2, 1, 0]], dtype=int32)
    """
    return days_since(event[:, ::-1])[:, ::-1]


def count_last(event: Bool, days: int) -> Int32:
    """How many of the last ``days`` days, today included, had the event.

    A difference of cumulative sums, so that the cost does not depend on ``days``.

    >>> count_last(np.array([[True, False, True, True]]), days=2)
    array([[1, 1, 1, 2]], dtype=int32)
    """
    total = event.cumsum(axis=1, dtype=np.int32)
    count = total.copy()
    count[:, days:] -= total[:, :-days]
    return count


def count_last_listed(event: Bool, listed: Bool, days: int) -> Int32:
    """``count_last`` over listed days alone, as the lesson's ``rolling(7)`` counts rows, whatever lies between them.

    Returns:
        ``[store, day]``; 0 on days that are not listed.

    >>> gap = np.array([[True, True, False, False, True]])
    >>> count_last_listed(gap, gap, days=2)
    array([[1, 2, 0, 0, 2]], dtype=int32)
    """
    count = count_last(event & listed, days)
    gaps = np.flatnonzero(~listed.all(axis=1))
    if gaps.size:
        order = np.argsort(~listed[gaps], axis=1, kind="stable")  # listed days first, in their order
        packed = np.take_along_axis(event[gaps] & listed[gaps], order, axis=1)
        part = np.empty_like(count[gaps])
        np.put_along_axis(part, order, count_last(packed, days), axis=1)
        count[gaps] = np.where(listed[gaps], part, 0)
    return count
