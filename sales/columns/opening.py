"""Columns about the opening of the neighbouring days, and about long closures."""

import numpy as np

from sales.calendar import Calendar, count_last
from sales.columns.column import Table, cats, conts
from sales.columns.distance import around, distance
from sales.columns.stretches import closure_columns
from sales.panel import MISSING

LONG_CLOSURE = 5  # days
SINCE = 60  # days
_NEIGHBOURS = {"OpenBefore_2": 0, "OpenBefore_1": 1, "OpenAfter_1": 3, "OpenAfter_2": 4}  # start in the padded calendar

COLUMNS = (
    *cats("opening", *_NEIGHBOURS, field="open"),
    *conts("opening", "Open_bw", "Open_fw", "SinceLongClosure", "UntilLongClosure", field="open"),
)


def plan_columns(calendar: Calendar, cutoff: int) -> Table:
    """Return the ``[store, day]`` columns that follow from the planned calendar.

    A past day without a row is a closure: the tables leave out stores that are closed for months. A future day without
    a row is only not planned yet.

    Args:
        calendar: the planned calendar.
        cutoff: index of the last day whose sales are known; negative if the calendar begins after it.
    """
    unlisted = (calendar.gap > 0) & (np.arange(calendar.days) <= cutoff)
    open_ = (calendar.open > 0) & ~unlisted
    padded = np.pad(open_.astype(np.int8), ((0, 0), (2, 2)), constant_values=MISSING)
    # A closure of a working week or more, such as a refurbishment, changes sales before and after it.
    ends = count_last(~open_, LONG_CLOSURE) == LONG_CLOSURE
    closure = count_last(ends[:, ::-1], LONG_CLOSURE)[:, ::-1] > 0
    return {
        **{name: padded[:, start : start + calendar.days] for name, start in _NEIGHBOURS.items()},
        **around("Open", open_),
        **distance("LongClosure", closure, SINCE),
        **closure_columns(~open_, LONG_CLOSURE),
    }
