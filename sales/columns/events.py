"""Events of the calendar: Easter and other recurring days, computed from the date alone."""

import numpy as np

from sales.arrays import Int64, Integers
from sales.calendar import date_of


def easter(year: Integers | int) -> Int64:
    """Return Easter Sunday of the Gregorian calendar, in days since 1970-01-01 (the anonymous computus).

    >>> str(np.datetime64(int(easter(2015)), "D"))
    '2015-04-05'
    """
    year = np.asarray(year, dtype=np.int64)
    golden, century, rest = year % 19, year // 100, year % 100
    moon = (19 * golden + century - century // 4 - (century - (century + 8) // 25 + 1) // 3 + 15) % 30
    weekday = (32 + 2 * (century % 4) + 2 * (rest // 4) - moon - rest % 4) % 7
    late = (golden + 11 * moon + 22 * weekday) // 451
    day = moon + weekday - 7 * late + 114  # 31 * month + day of the month - 1
    first: Int64 = date_of(year, day // 31, 1)
    sunday: Int64 = first + day % 31
    return sunday


def orthodox_easter(year: Integers | int) -> Int64:
    """Return Easter Sunday of the Eastern Churches, in days since 1970-01-01, for the years 1900 to 2099.

    >>> str(np.datetime64(int(orthodox_easter(2015)), "D"))
    '2015-04-12'
    """
    year = np.asarray(year, dtype=np.int64)
    moon = (19 * (year % 19) + 15) % 30
    weekday = (2 * (year % 4) + 4 * (year % 7) - moon + 34) % 7
    day = moon + weekday + 114  # 31 * month + day of the month - 1, in the Julian calendar
    first: Int64 = date_of(year, day // 31, 1)
    sunday: Int64 = first + day % 31 + 13  # 13 days between the calendars, 1900 to 2099
    return sunday
