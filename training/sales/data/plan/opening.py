"""Opening of stores on days that no table states."""

import numpy as np

from sales.arrays import Bool, Int64
from sales.assumptions import closed_on_kinds, usual_weekdays, weekdays
from training.sales.data.plan.grids import Grids, after_last
from training.sales.data.plan.holidays import recurrence_keys

UNLISTED = 14  # days without a row from which on they are a closure, and no evidence about the holidays in them


def fill_open(grids: Grids, date: Int64, cutoff: int) -> None:
    """Fill the opening that no table states.

    A store is closed on a holiday if it was closed on most earlier occurrences of the same holiday. Without any, it is
    closed if it was closed on most holidays of that kind. Tables may leave out closed days, so a holiday without a row
    between a store's rows counts as closed.
    """
    stated, holiday = grids.stated("open"), grids.holiday
    weekday = weekdays(int(date[0]), len(date))
    left_out = _left_out(grids.listed, cutoff)
    rare = left_out & _rare_weekdays(grids.listed, weekday)[:, weekday]  # as closed days, on which grids.open is 0
    usual = usual_weekdays((grids.open, holiday), stated | rare, weekday)[:, weekday]
    grids.open[:] = np.where(stated, grids.open, usual)
    closed = ~stated | (grids.open == 0)
    evidence = usual & (stated | left_out)
    by_kind = closed_on_kinds(closed, evidence, holiday)
    stores = np.arange(len(holiday))
    keys = recurrence_keys(date)[:2]
    for day in np.flatnonzero(((holiday > 0) & ~stated).any(axis=0)).tolist():
        same = np.flatnonzero(np.any([(key == key[day]) & (key >= 0) for key in keys], axis=0))
        met = evidence[:, same] & (holiday[:, same] > 0)
        seen, shut = met.sum(axis=1), (met & closed[:, same]).sum(axis=1)
        closes = np.where(seen > 0, shut * 2 > seen, by_kind[stores, holiday[:, day]])
        grids.open[~stated[:, day] & (holiday[:, day] > 0) & closes, day] = 0


def _rare_weekdays(listed: Bool, weekday: Int64) -> Bool:
    """Return ``[store, weekday]``, true where a store has at most half the rows of its most frequent weekday.

    Tables may list open days alone, or days with sales alone. So a weekday is compared with the store's others. A store
    that sells on two days of five is not closed on all weekdays, and one open Sunday does not open all Sundays. Twice
    the standard deviation of a count is allowed for chance.
    """
    counts = np.stack([listed[:, weekday == day].sum(axis=1) for day in range(7)], axis=1)
    likely = counts + 2 * np.sqrt(counts)
    return np.asarray(likely * 2 <= counts.max(axis=1, keepdims=True))


def _left_out(listed: Bool, cutoff: int) -> Bool:
    """Return the days up to the cutoff that the tables leave out between a store's rows, without the long closures."""
    inside = np.logical_or.accumulate(listed, axis=1) & ~after_last(listed)
    inside[:, cutoff + 1 :] = False
    day = np.arange(listed.shape[1])
    before = np.maximum.accumulate(np.where(listed, day, -1), axis=1)
    after = np.minimum.accumulate(np.where(listed, day, listed.shape[1])[:, ::-1], axis=1)[:, ::-1]
    return inside & ~listed & (after - before - 1 < UNLISTED)
