"""Columns that depend on the store and on the day, computed for the days that are asked for.

Nearly every forecast is for one of the days after the cutoff, so a model that serves has a table of these alone. Days
that requests ask for again and again get a table of their four weeks, for 64 stores. A training reads all days.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np

from sales.arrays import BLOCK, Float32, Int64
from sales.columns import events, production, promotion
from sales.columns import own as user_columns
from sales.columns.column import Table
from sales.panel import Panel
from sales.tables.look_up import LookUp

_FEW = BLOCK  # stores of a call whose columns are computed for it, and not kept
_DAYS = 28  # days of a block, whose table is kept
_CALLS = 4  # calls after which the table of a block has paid; why: with 1,115 stores it takes as long as 4 to 6 calls


class CellTables:
    """Columns ``[store, day]`` of production mode."""

    def __init__(self, panel: Panel, names: Sequence[str], horizon: int) -> None:
        """Compute the columns of the horizon.

        Args:
            panel: facts of all stores and days.
            names: names of all columns to build, in order.
            horizon: number of days after the panel's cutoff for which the model is made.
        """
        self._panel, self._column_names = panel, names
        self._moving_days = events.moving_days_before(panel)
        self._users = user_columns.tables(panel)["cell"]
        self._first = min(panel.cutoff + 1, panel.calendar.days - 1)
        self._blocks: dict[int, LookUp] = {}
        self._n_calls: Counter[int] = Counter()  # by block
        self._weeks = -(-panel.calendar.days // _DAYS)  # number of blocks of days
        self._end = min(self._first + horizon, panel.calendar.days)
        self._ahead = self._table(self._all_stores, np.arange(self._first, self._end))
        self.names = self._ahead.names

    def __call__(self, columns: Float32, store: Int64, day: Int64) -> None:
        """Fill in the columns of some rows.

        Args:
            columns: ``[row, column]``, all columns of the rows.
            store: ``[row]``, index into the panel's stores.
            day: ``[row]``, index into the panel's days.
        """
        if not len(day):
            return
        if day.min() >= self._first and day.max() < self._end:
            self._ahead(columns, {"cell": store * (self._end - self._first) + day - self._first})
            return
        stores, weeks, block = np.unique(store), np.unique(day // _DAYS), store // BLOCK * self._weeks + day // _DAYS
        blocks = np.unique(block).tolist()
        self._n_calls.update(blocks)
        if "_all_days" in self.__dict__ or len(self._all_stores) <= _FEW or 2 * len(weeks) > self._weeks:
            self._all_days(columns, {"cell": store * self._panel.calendar.days + day})
        elif len(stores) <= _FEW and min(self._n_calls[one] for one in blocks) <= _CALLS:
            days = np.unique(day)
            index = np.searchsorted(stores, store) * len(days) + np.searchsorted(days, day)
            self._table(stores, days)(columns, {"cell": index})
        else:
            for one in blocks:
                rows = np.flatnonzero(block == one)
                part = columns[rows]
                table, first_store, days = self._block(one)
                table(part, {"cell": (store[rows] - first_store) * len(days) + day[rows] - days[0]})
                columns[rows] = part

    @cached_property
    def _all_days(self) -> LookUp:
        """Table of all stores and days; two threads may compute it at the same time, with the same result."""
        self._blocks.clear()
        return self._table(self._all_stores, np.arange(self._panel.calendar.days))

    def _block(self, block: int) -> tuple[LookUp, int, Int64]:
        """Return the table of a block, its first store and its days. Two threads may compute it too."""
        first_store, first = block // self._weeks * BLOCK, block % self._weeks * _DAYS
        days = np.arange(first, min(first + _DAYS, self._panel.calendar.days))
        table = self._blocks.get(block)
        if table is None:
            table = self._blocks[block] = self._table(self._all_stores[first_store : first_store + BLOCK], days)
        return table, first_store, days

    @property
    def _all_stores(self) -> Int64:
        return np.arange(len(self._panel.store_ids))

    def _table(self, stores: Int64, days: Int64) -> LookUp:
        """Return the table of some stores and days, both ascending."""
        return LookUp(self._column_names, {"cell": (len(stores), self._parts(stores, days))})

    def _parts(self, stores: Int64, days: Int64) -> Iterator[Table]:
        """Yield the columns of some stores at a time, whose arrays stay in the processor's cache."""
        panel = self._panel
        cells = {
            **{name: column[:, days] for name, column in self._users.items()},
            **promotion.cell_columns(panel, days),
            **events.cell_columns(panel, days, self._moving_days),
        }
        first, end = max(int(days[0]) - production.REACH, 0), int(days[-1]) + production.REACH + 1
        calendar = panel.calendar.between(first, end)
        for start in range(0, len(stores), BLOCK):
            block = stores[start : start + BLOCK]
            plan = production.plan_columns(calendar.rows(block), panel.cutoff - first)
            yield {
                **{name: column[block] for name, column in cells.items()},
                **{name: column[:, days - first] for name, column in plan.items()},
            }
