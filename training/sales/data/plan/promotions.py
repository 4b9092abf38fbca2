"""Promotions of days that no table states, from the rhythm of the last turns."""

import numpy as np

from sales.arrays import Bool, UInt8
from training.sales.data.plan.grids import repeat

# Length in days of a promotion's turn, and how many of the last turns must agree with the turn before. On Rossmann's
# tables, whose fortnights slip by a week now and then, 80 % of the fortnights that 3 such turns promise are right.
TURNS = {7: 6, 14: 3, 28: 2}
SAME = 0.9  # share of the promotion days that two turns must have in common
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
    last = days[days > days[-1] - max(turn * (k + 1) for turn, k in TURNS.items())]
    if np.maximum(on, rows - on)[last].sum() < CHAIN * rows[last].sum():
        last_row = np.where(listed.any(axis=1), listed.shape[1] - 1 - np.argmax(listed[:, ::-1], axis=1), -1)
        turns = [rhythm(*store) for store in zip(promo, listed, last_row.tolist(), strict=True)]
        repeat(promo, unknown, np.array(turns))
        return
    chain = ((on * 2 > rows) & (rows > 0)).astype(np.uint8)[None]
    repeat(chain, rows[None] == 0, np.array([rhythm(chain[0], rows > 0, int(days[-1]))]))
    promo[unknown] = np.broadcast_to(chain, promo.shape)[unknown]


def rhythm(promo: UInt8, known: Bool, last: int) -> int:
    """Return the shortest of ``TURNS`` after which promotions repeat; 0 if the last turns do not agree.

    Two turns agree if they have at least ``SAME`` of their promotion days in common, on days that are known in both.

    Args:
        promo: ``[day]``, 1 on days of a promotion.
        known: ``[day]``, true where that is known.
        last: last known day; -1 if there is none.
    """
    for turn, k in TURNS.items():
        starts = [last + 1 - i * turn for i in range(1, k + 1)]
        if starts[-1] < turn:
            continue
        agreeing = 0
        for start in starts:
            now, before = slice(start, start + turn), slice(start - turn, start)
            both = known[now] & known[before]
            either = int(((promo[now] | promo[before])[both] > 0).sum())
            agreeing += either > 0 and int(((promo[now] & promo[before])[both] > 0).sum()) >= SAME * either
        if agreeing == k:
            return turn
    return 0
