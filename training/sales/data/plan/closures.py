"""Closures that recur without a stated holiday: on a date, around Easter, and on a weekday of the month."""

from collections.abc import Sequence

import numpy as np

from sales.arrays import Bool, Int64
from training.sales.data.plan.holidays import AFTER_EASTER, recurrence_keys

CHANCE = 2e-3  # highest probability with which a store may be closed by chance on all occurrences that it was closed
MIN_STORES = 3  # stores whose opening on a day is known, from which on most of them count as the chain
# Days on which shops close in most countries. One occurrence in most stores is enough.
FAMOUS = (
    {101, 102, 103, 1224, 1225, 1226, 1231},  # month and day
    {offset - AFTER_EASTER.start for offset in (-2, 0, 1)},
    set[int](),
    set[int](),
)
MIN_TURNS = 5  # occurrences of a turn within the year, such as every third Monday, before it counts
TURN = 0.75  # share of these on which the store was closed


def recurring_closures(closed: Bool, evidence: Bool, groups: Sequence[Int64], date: Int64) -> Bool:
    """Return the days on which closures recur, ``[store, day]``.

    A store is closed on a day of the year if it was closed on at least two thirds of its earlier occurrences. That must
    be twice or more, and more often than by chance. It is closed too if most stores of its group were, and it was not
    open itself. The occurrences are of the same date, the same distance from Easter, or the same weekday of the month
    counted from its first or its last day. A closure that recurs on one of these does not count for the next.

    Args:
        closed: ``[store, day]``, days on which the store was closed.
        evidence: ``[store, day]``, days that count: known days on which the store would usually be open.
        groups: indices of the stores of each state.
        date: ``[day]``, days since 1970-01-01.
    """
    recurs = np.zeros_like(closed)
    rate = ((closed & evidence).sum(axis=1) + 1) / (evidence.sum(axis=1) + 2)
    for key, famous in zip(recurrence_keys(date), FAMOUS, strict=True):
        sure = evidence & ~recurs
        for value in np.unique(key[(closed & sure).any(axis=0)]).tolist():
            if value < 0:
                continue
            days = np.flatnonzero(key == value)
            met = sure[:, days]
            shut = met & closed[:, days]
            n_met, n_shut = met.sum(axis=1), shut.sum(axis=1)
            closes = (n_shut >= 2) & (n_shut * 3 >= n_met * 2) & (rate**n_shut <= CHANCE)
            for stores in groups:
                if _group_closes(met[stores], shut[stores], famous=value in famous):
                    closes[stores] |= (n_met[stores] == 0) | (n_shut[stores] * 2 > n_met[stores])
            recurs[np.ix_(closes, days)] = True
    return recurs | _turns(closed, evidence & ~recurs, date)


def _group_closes(met: Bool, shut: Bool, *, famous: bool) -> bool:
    """Return true if most stores of a group were closed on most occurrences of a day.

    Args:
        met: ``[store, occurrence]``, true where the store would usually be open.
        shut: ``[store, occurrence]``, true where it was closed then.
        famous: true if one occurrence is enough.
    """
    n_met, n_shut = met.sum(axis=0), shut.sum(axis=0)
    known = n_met >= MIN_STORES
    closures = int((known & (n_shut * 2 > n_met)).sum())
    return closures >= (1 if famous else 2) and closures * 3 >= int(known.sum()) * 2


def _turns(closed: Bool, evidence: Bool, date: Int64) -> Bool:
    """Return the days on which a store closes by turns, such as each third Monday or every other Tuesday.

    A turn counts if the store was closed on most of its days in the last year and open on most others of the weekday.
    """
    day = np.arange(len(date))
    last = np.where(evidence.any(axis=1), len(date) - 1 - np.argmax(evidence[:, ::-1], axis=1), -1)
    recent = evidence & (day > last[:, None] - 364)
    weekday = (date + 3) % 7
    of_month = (
        date - date.astype("datetime64[D]").astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    ) // 7
    recurs = np.zeros_like(closed)
    for key in (weekday * 10 + of_month, weekday * 10 + date // 7 % 2):
        for value in np.unique(key).tolist():
            same = weekday == value // 10
            turn = key == value
            n_met, n_shut = (grid[:, turn].sum(axis=1) for grid in (recent, recent & closed))
            others, others_shut = (grid[:, same & ~turn].sum(axis=1) for grid in (recent, recent & closed))
            closes = (n_met >= MIN_TURNS) & (n_shut >= TURN * n_met) & (others_shut <= (1 - TURN) * others)
            recurs[np.ix_(closes, np.flatnonzero(turn))] = True
    return recurs
