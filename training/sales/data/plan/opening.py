"""Opening of stores on days that no table states."""

import numpy as np

from sales.arrays import Bool, Int32, Int64
from sales.assumptions import RECENT, closed_on_kinds, usual_weekdays, weekdays
from training.sales.data.plan.closures import recurring_closures
from training.sales.data.plan.grids import Grids, Place, after_last
from training.sales.data.plan.holidays import recurrence_keys

UNLISTED = 14  # days without a row from which on they are a closure, and no evidence about the holidays in them
OWN = 2  # occurrences of a holiday from which on they decide alone


def fill_open(grids: Grids, place: Place, date: Int64, names: Int32, cutoff: int) -> None:
    """Fill the opening that no table states.

    A store is closed on a holiday if it was closed on most earlier occurrences of the same holiday. With a single one,
    the store's other holidays of that kind and the other stores count as well. Without any, the other stores decide, or
    the holidays of that kind. On other days the store is closed if closures recur on them. Tables may leave out closed
    days, so a day without a row between a store's rows counts as closed.

    Args:
        grids: facts of the tables.
        place: places of the stores.
        date: ``[day]``, days since 1970-01-01.
        names: ``[store, day]``, numbers of official holidays; 0 on other days.
        cutoff: last day whose sales are known.
    """
    stated, holiday = grids.stated("open"), grids.holiday
    weekday = weekdays(int(date[0]), len(date))
    left_out = _left_out(grids.listed, cutoff)
    rare = left_out & _rare_weekdays(grids.listed, weekday, cutoff)[:, weekday]  # as closed days: grids.open is 0
    usual = usual_weekdays((grids.open, holiday), stated | rare, weekday)[:, weekday]
    closed = ~stated | (grids.open == 0)
    evidence = usual & (stated | left_out)
    groups = [stores for _, stores in place.groups()]
    recurs = recurring_closures(closed, evidence & (holiday == 0), groups, date)
    closes = np.where(holiday > 0, _closed_on_holidays(grids, closed, evidence, names, date), recurs)
    grids.open[:] = np.where(stated, grids.open, usual & ~closes)


def _closed_on_holidays(grids: Grids, closed: Bool, evidence: Bool, names: Int32, date: Int64) -> Bool:
    """Return the unstated holidays on which each store closes, ``[store, day]``.

    Args:
        grids: facts of the tables.
        closed: ``[store, day]``, days on which the store was closed.
        evidence: ``[store, day]``, days that count: known days on which the store would usually be open.
        names: ``[store, day]``, numbers of official holidays; 0 on other days.
        date: ``[day]``, days since 1970-01-01.
    """
    holiday, stated = grids.holiday, grids.stated("open")
    closes = np.zeros_like(closed)
    by_kind = closed_on_kinds(closed, evidence, holiday)
    stores = np.arange(len(holiday))
    keys = recurrence_keys(date)[:2]
    met_on = evidence & (holiday > 0)
    for day in np.flatnonzero(((holiday > 0) & ~stated).any(axis=0)).tolist():
        same = np.any([(key == key[day]) & (key >= 0) for key in keys], axis=0)
        number = names[:, day]
        alike = np.flatnonzero(same | ((names == number[:, None]) & (number > 0)[:, None]).any(axis=0))
        # A named holiday is met on the days of its name, another on the same date or distance from Easter.
        is_it = np.where((number > 0)[:, None], names[:, alike] == number[:, None], same[alike][None, :])
        met = met_on[:, alike] & is_it
        seen, shut = met.sum(axis=1), (met & closed[:, alike]).sum(axis=1)
        kind = by_kind[stores, holiday[:, day]]
        chain = shut.sum() * 2 > seen.sum() if seen.sum() >= OWN else None
        once = kind.astype(int) + (shut > 0) + ((shut > 0) if chain is None else chain) >= 2  # two of three agree
        never = kind if chain is None else np.full(len(stores), chain)
        closes[:, day] = np.select([seen >= OWN, seen > 0], [shut * 2 > seen, once], never)
    return closes


def _rare_weekdays(listed: Bool, weekday: Int64, cutoff: int) -> Bool:
    """Return ``[store, weekday]``, true where a store has at most half the rows of its most frequent weekday.

    Tables may list open days alone, or days with sales alone. So a weekday is compared with the store's others. A store
    that sells on two days of five is not closed on all weekdays, and one open Sunday does not open all Sundays. Twice
    the standard deviation of a count is allowed for chance. The last ``RECENT`` days count, since closing days change.
    """
    known = listed[:, : cutoff + 1]
    last = np.where(known.any(axis=1), known.shape[1] - 1 - np.argmax(known[:, ::-1], axis=1), -1)
    recent = known & (np.arange(known.shape[1]) > last[:, None] - RECENT)
    counts = np.stack([recent[:, weekday[: cutoff + 1] == day].sum(axis=1) for day in range(7)], axis=1)
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
