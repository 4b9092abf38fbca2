"""Facts of the tables on the grid of stores and days, and the stores' places."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sales.arrays import Bool, Int32, Int64, UInt8
from sales.calendar import FIELDS, STATE_HOLIDAYS
from sales.panel import MISSING


@dataclass
class Grids:
    """Facts of the tables, ``[store, day]``. ``fill`` replaces the values that no table states.

    Attributes:
        open: 1 if the store is open.
        promo: 1 if the store runs a promotion.
        holiday: index into ``STATE_HOLIDAYS``.
        school: 1 if schools are closed.
        listed: true where the tables have a row.
        assumed: bits of the facts that no table states, as in the calendar.
    """

    open: UInt8
    promo: UInt8
    holiday: UInt8
    school: UInt8
    listed: Bool
    assumed: UInt8

    def stated(self, field: str) -> Bool:
        """Return ``[store, day]``, true where a table states a field of ``FIELDS``."""
        stated: Bool = (self.assumed >> FIELDS.index(field) & 1) == 0
        return stated


@dataclass(frozen=True)
class Place:
    """Places of the stores.

    Attributes:
        state: ``[store]``, index into ``states``; -1 is unknown.
        states: codes of the states.
        country: ISO 3166 code of the country; None if only the tables have holidays.
    """

    state: Int32
    states: tuple[int | str, ...]
    country: str | None

    def groups(self) -> Iterator[tuple[str | None, NDArray[np.int64]]]:
        """Yield each state's code with its stores' indices; last, with None, the stores without a state."""
        for code in (*range(len(self.states)), MISSING):
            stores = np.flatnonzero(self.state == code)
            if stores.size:
                yield (None if code == MISSING else str(self.states[code])), stores


def after_last(listed: Bool) -> Bool:
    """Return ``[store, day]``, true after each store's last row."""
    return ~np.logical_or.accumulate(listed[:, ::-1], axis=1)[:, ::-1]


def in_state(values: UInt8, listed: Bool, *, share: float = 0.5) -> tuple[Bool, UInt8]:
    """Return the days that a state's stores list, ``[day]``, and their value.

    The value is 0 unless more than ``share`` of the stores have another.

    Args:
        values: ``[store, day]``, values of the state's stores, below the number of ``STATE_HOLIDAYS``.
        listed: ``[store, day]``, true where the tables state them.
        share: share of the rows.
    """
    counts = np.stack([((values == value) & listed).sum(axis=0) for value in range(len(STATE_HOLIDAYS))])
    rows, others = counts.sum(axis=0), counts[1:]
    value = np.where(others.sum(axis=0) > share * rows, others.argmax(axis=0) + 1, 0)
    return rows > 0, value.astype(np.uint8)


def repeat(grid: UInt8, unknown: Bool, turn: Int64) -> None:
    """Fill unknown days with the value one turn before, in place; stores whose ``turn`` is 0 keep their values."""
    for days in np.unique(turn[turn > 0]).tolist():
        stores = np.flatnonzero(turn == days)
        part, fills = grid[stores], unknown[stores]
        for day in range(days, grid.shape[1]):
            part[:, day] = np.where(fills[:, day], part[:, day - days], part[:, day])
        grid[stores] = part
