"""Calendar: the plan of each store and day, and the columns that follow from it.

A calendar is dense, ``[store, day]``. So the fast.ai lesson's elapsed days and rolling counts are cumulative maxima and
differences of cumulative sums along one axis: milliseconds for a thousand stores, and a look-up when serving.
"""

import datetime as dt
from dataclasses import dataclass, replace

import numpy as np

from sales.arrays import Bool, Int32, Int64, Integers, UInt8

EPOCH = np.datetime64("1970-01-01", "D")
FIELDS = ("open", "promo", "state_holiday", "school_holiday")  # facts of a day that a table or a client can state
GRIDS = (*FIELDS, "assumed", "gap")
STATE_HOLIDAYS = ("0", "a", "b", "c")  # none, public holiday, Easter, Christmas: Kaggle's codes, stored as 0 to 3


class CalendarError(ValueError):
    """Error in a calendar; the message names the fault, its place and the allowed values."""


@dataclass(frozen=True)
class Calendar:
    """Facts of each store and day. All grids are ``[store, day]``.

    Attributes:
        stores: ``[store]``, store ids in ascending order.
        first_day: date of column 0, in days since 1970-01-01.
        open: 1 if the store is open.
        promo: 1 if the store runs a promotion.
        state_holiday: index into ``STATE_HOLIDAYS``.
        school_holiday: 1 if schools are closed.
        assumed: bits; bit ``i`` is set where no table states ``FIELDS[i]``.
        gap: 1 where the tables have no row for the store and day, but have a later one. These are long closures; the
            fast.ai lesson's rolling counts skip them.
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
        """Number of days of the calendar."""
        return int(self.open.shape[1])

    def date(self, day: int) -> dt.date:
        """Return the date of a day index."""
        return dt.date(1970, 1, 1) + dt.timedelta(days=self.first_day + day)

    def day(self, date: dt.date) -> int:
        """Return the day index of a date, which may lie outside the calendar."""
        return (date - dt.date(1970, 1, 1)).days - self.first_day

    def rows(self, store: Integers | slice) -> "Calendar":
        """Return the calendar of some stores, given by a slice, or by their indices, which may repeat."""
        return replace(self, stores=self.stores[store], **{name: getattr(self, name)[store] for name in GRIDS})

    def followed_by(self, other: "Calendar") -> "Calendar":
        """Return the stores of this calendar, and then those of another one of the same days."""
        grids = {name: np.concatenate([getattr(self, name), getattr(other, name)]) for name in GRIDS}
        return Calendar(np.concatenate([self.stores, other.stores]), self.first_day, **grids)

    def between(self, first: int, end: int) -> "Calendar":
        """Return the calendar from day ``first``, not negative, to before ``end``, which may exceed the last day."""
        grids = {name: getattr(self, name)[:, first:end] for name in GRIDS}
        return replace(self, first_day=self.first_day + first, **grids)


def datepart(day: Integers) -> dict[str, Integers]:
    """Return all columns of fastai's ``add_datepart``, and the ISO year of the ISO week.

    Args:
        day: ``[row]``, days since 1970-01-01.

    Returns:
        Columns ``[row]`` by fastai's names. ``Dayofweek`` is 0 on Mondays. The ``Is_`` columns are 0 or 1.
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
    # The ISO week belongs to the year of its Thursday; week 1 has the year's first Thursday (ISO 8601).
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
    """Return dates in days since 1970-01-01. Months count from 1.

    >>> str(EPOCH + date_of(np.array([2015]), np.array([4]), 15)[0])
    '2015-04-15'
    """
    months = (np.asarray(year, dtype=np.int64) - 1970) * 12 + np.asarray(month, dtype=np.int64) - 1
    return months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64) + day - 1


def iso_monday(year: Integers, week: Integers) -> Int64:
    """Return the Monday of an ISO week, in days since 1970-01-01.

    >>> str(EPOCH + iso_monday(np.array([2010]), np.array([13]))[0])
    '2010-03-29'
    """
    fourth = (np.asarray(year) - 1970).astype("datetime64[Y]").astype("datetime64[D]").astype(np.int64) + 3
    return fourth - (fourth + 3) % 7 + 7 * (np.asarray(week, dtype=np.int64) - 1)  # January 4th is always in week 1


def days_since(event: Bool) -> Int32:
    """Return the days since the last event, for each store and day.

    Args:
        event: ``[store, day]``, true on the days of the event.

    Returns:
        ``[store, day]``: 0 on the day of an event, and -1 before the first event. (The fast.ai lesson has 0 before the
        first event too, which is the same as on its day.)

    Raises:
        CalendarError: if ``event`` does not have two axes.

    >>> days_since(np.array([[False, True, False, False, True]]))
    array([[-1,  0,  1,  2,  0]], dtype=int32)
    """
    if event.ndim != 2:
        raise CalendarError(f"event has the shape {event.shape}; a calendar is [store, day]")
    day = np.arange(event.shape[1], dtype=np.int32)
    since = np.where(event, day, np.int32(-1))  # and then in place: that takes half of the time
    np.maximum.accumulate(since, axis=1, out=since)
    before = since < 0
    np.subtract(day, since, out=since)
    since[before] = -1
    return since


def days_until(event: Bool) -> Int32:
    """Return the days until the next event; -1 after the last event.

    >>> days_until(np.array([[False, True, False, False, True]]))
    array([[1, 0, 2, 1, 0]], dtype=int32)
    """
    return days_since(event[:, ::-1])[:, ::-1]


def count_last(event: Bool, days: int) -> Int32:
    """Count the days with the event among the last ``days`` days, today included.

    It is a difference of cumulative sums, so that the cost does not depend on ``days``.

    >>> count_last(np.array([[True, False, True, True]]), days=2)
    array([[1, 1, 1, 2]], dtype=int32)
    """
    total = event.cumsum(axis=1, dtype=np.int32)
    count = total.copy()
    count[:, days:] -= total[:, :-days]
    return count


def count_last_listed(event: Bool, listed: Bool, days: int) -> Int32:
    """Count the days with the event among the last ``days`` listed days, as fast.ai's ``rolling(7)`` counts rows.

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
