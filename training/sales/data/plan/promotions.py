"""Promotions of days that no table states, from the weeks that followed similar weeks.

Columns look two weeks ahead. If no promotion is assumed, the model sees two weeks without promotions, as at Christmas.
Measured: forecasts of the plan's last week were 60 % too high (Rossmann, 2015-03-09 to 03-15). So the rules accept a
rhythm with exceptions.
"""

import numpy as np

from sales.arrays import Bool, UInt8

WEEK = 7  # days
CONTEXTS = (3, 1)  # numbers of last weeks that a past stretch must have in common, the longest first
SAME = 0.7  # share of the promotion days that two similar weeks have in common; a holiday may take one of five
WEEKS = 104  # weeks of the past that count
CHAIN = 0.95  # share of the rows that must agree with the chain's majority


def fill_promotions(promo: UInt8, listed: Bool, unknown: Bool) -> None:
    """Fill the promotions of unknown days, in place.

    If the chain's stores have the same promotions, an unknown day has those that other stores list, and then those of
    the chain's rhythm. Otherwise each store continues its own rhythm. Without a rhythm there are no promotions.

    Args:
        promo: ``[store, day]``, 1 where the store runs a promotion.
        listed: ``[store, day]``, true where a table states it.
        unknown: ``[store, day]``, days to fill.
    """
    rows, on = listed.sum(axis=0), (listed & (promo > 0)).sum(axis=0)
    days = np.flatnonzero(rows)
    if not days.size:
        return
    last = days[-WEEK * 8 :]
    if np.maximum(on, rows - on)[last].sum() >= CHAIN * rows[last].sum():
        chain = ((on * 2 > rows) & (rows > 0)).astype(np.uint8)
        promo[unknown] = np.broadcast_to(continued(chain, rows > 0), promo.shape)[unknown]
        return
    # Stores of a group often share their promotions, and then their continuation.
    plans, group = np.unique(np.concatenate([promo, listed.astype(np.uint8)], axis=1), axis=0, return_inverse=True)
    future = np.array([continued(plan[: promo.shape[1]], plan[promo.shape[1] :] > 0) for plan in plans])
    promo[unknown] = future[group.ravel()][unknown]


def continued(promo: UInt8, known: Bool) -> UInt8:
    """Return ``[day]``, the promotions with those after the last known day filled in, week by week.

    Args:
        promo: ``[day]``, 1 on days of a promotion.
        known: ``[day]``, true where that is known.
    """
    filled = promo.copy()
    days = np.flatnonzero(known)
    if not days.size:
        return filled
    end = int(days[-1]) + 1
    past = promo[end % WEEK : end].reshape(-1, WEEK)[-WEEKS:]
    certain = known[end % WEEK : end].reshape(-1, WEEK)[-WEEKS:]
    similar = _similar(past, certain)
    recent = [*range(max(len(past) - max(CONTEXTS), 0), len(past))]  # the last weeks, as indices of similar past ones
    while end < len(promo):
        follower = _follower(similar, recent)
        if follower is None:
            break
        week = past[follower]
        filled[end : end + WEEK] = week[: len(promo) - end]
        recent = [*recent[1:], follower]
        end += WEEK
    return filled


def _similar(weeks: UInt8, known: Bool) -> Bool:
    """Return ``[week, week]``, true where two weeks have most of their promotion days in common.

    Args:
        weeks: ``[week, weekday]``, 1 on days of a promotion.
        known: ``[week, weekday]``, true where that is known.
    """
    on, sure = (weeks > 0).astype(np.int64), known.astype(np.int64)
    both = on @ on.T
    either = on @ sure.T + sure @ on.T - both  # days known in both weeks, with a promotion in one
    return np.asarray((both >= SAME * either) & (sure @ sure.T > 0))


def _follower(similar: Bool, recent: list[int]) -> int | None:
    """Return the past week that mostly followed weeks like the recent ones; None if no week did so clearly.

    A follower's share must exceed one half by twice its standard error. By chance that happens in few of 100 cases.

    Args:
        similar: ``[week, week]``, true where two past weeks are similar.
        recent: the last weeks, as indices of past weeks, in their order.
    """
    for length in CONTEXTS:
        if len(recent) < length:
            continue
        alike = np.ones(len(similar) - length, dtype=np.bool_)
        for place, week in enumerate(recent[-length:]):
            alike &= similar[week, place : place + len(alike)]
        followers = np.flatnonzero(alike) + length
        if not followers.size:
            continue
        votes = similar[np.ix_(followers, followers)].sum(axis=1)
        best = int(votes.argmax())
        if votes[best] / len(followers) >= 0.5 + 1 / np.sqrt(len(followers)):
            return int(followers[best])
    return None
