"""Columns about stretches of days: closures just before and after a day, long closures and school breaks."""

import numpy as np

from sales.arrays import Bool, Int32
from sales.calendar import days_since, days_until
from sales.columns.column import Table, conts
from sales.columns.distance import UNTIL

NEAR = 5  # days; a longer closure is a long one
LONGEST = 30  # days of a long closure that count, and days after it
BREAK = 5  # school days without school that make a break, not a single day
BREAK_SINCE = 30  # days
BREAK_LONGEST = 45  # days; the summer's
WEEKEND = 2  # days between two school holidays that belong to the same break

COLUMNS = (
    *conts("opening", "ClosedBefore", "ClosedAfter", "LongClosureDays", field="open"),
    *conts(
        "holidays", "SchoolBreakDay", "SchoolBreakLeft", "SinceSchoolBreak", "UntilSchoolBreak", field="school_holiday"
    ),
)


def run_lengths(event: Bool) -> tuple[Int32, Int32]:
    """Return the length of the event's run up to each day, and from each day on; 0 on days without the event.

    Args:
        event: ``[store, day]``, true on the days of the event.

    Returns:
        Two arrays ``[store, day]``; both count the day itself.

    >>> up_to, left = run_lengths(np.array([[True, True, False, True]]))
    >>> up_to.tolist(), left.tolist()
    ([[1, 2, 0, 1]], [[2, 1, 0, 1]])
    """

    def count(event: Bool) -> Int32:
        day = np.arange(event.shape[1], dtype=np.int32)
        last_other = np.maximum.accumulate(np.where(event, np.int32(-1), day), axis=1)
        return np.where(event, day - last_other, np.int32(0))

    return count(event), count(event[:, ::-1])[:, ::-1]


def closure_columns(closed: Bool, long_closure: int) -> Table:
    """Return the ``[store, day]`` columns about closures.

    Args:
        closed: ``[store, day]``, closed or, in the past, without a row.
        long_closure: number of days from which on a closure is a long one.

    Returns:
        ``ClosedBefore`` and ``ClosedAfter``: number of closed days just before and just after the day, at most
        ``NEAR``. ``LongClosureDays``: days so far of the long closure that the day is in, or of the last one, if it
        ended at most ``LONGEST`` days before; at most ``LONGEST``, and 0 without any.
    """
    up_to, left = run_lengths(closed)
    before, after = np.zeros_like(up_to), np.zeros_like(left)
    before[:, 1:], after[:, :-1] = up_to[:, :-1], left[:, 1:]
    ended = up_to >= long_closure
    ago = days_since(ended)  # 0 in a long closure from its fifth day on
    last = np.where(ago < 0, 0, np.arange(closed.shape[1]) - ago)
    length = np.take_along_axis(up_to, last, axis=1)
    recent = (ago >= 0) & (ago <= LONGEST)
    return {
        "ClosedBefore": np.minimum(before, NEAR),
        "ClosedAfter": np.minimum(after, NEAR),
        "LongClosureDays": np.where(recent, np.minimum(length, LONGEST), 0),
    }


def school_columns(school_holiday: Bool) -> Table:
    """Return the ``[store, day]`` columns about school breaks: weeks without school, weekends between them included.

    Args:
        school_holiday: ``[store, day]``, true on days without school.

    Returns:
        ``SchoolBreakDay``: days of the break up to the day, at most ``BREAK_LONGEST``. ``SchoolBreakLeft``: days of
        the break from the day on, at most ``UNTIL``. Both are 0 outside a break. ``SinceSchoolBreak`` and
        ``UntilSchoolBreak``: days since the last break, at most ``BREAK_SINCE``, and until the next one, at most
        ``UNTIL``.
    """
    since, until = days_since(school_holiday), days_until(school_holiday)
    joined = school_holiday | ((since > 0) & (until > 0) & (since + until <= WEEKEND + 1))
    up_to, left = run_lengths(joined)
    in_break = (up_to + left - 1 >= BREAK) & joined
    up_to, left = run_lengths(in_break)
    since, until = days_since(in_break), days_until(in_break)
    return {
        "SchoolBreakDay": np.minimum(up_to, BREAK_LONGEST),
        "SchoolBreakLeft": np.minimum(left, UNTIL),
        "SinceSchoolBreak": np.where(since < 0, BREAK_SINCE, np.minimum(since, BREAK_SINCE)),
        "UntilSchoolBreak": np.where(until < 0, UNTIL, np.minimum(until, UNTIL)),
    }
