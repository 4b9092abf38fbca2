"""Columns that depend on the store and on the day, computed for the days that are asked for.

Nearly every forecast is for one of the days after the cutoff, so a model that serves has a table of these alone. A
training reads all days.
"""

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
_CALLS = 64  # calls after which the table of all days has paid; why: it takes as long as 80 calls for 1,115 stores


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
        self._n_calls = 0
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
        stores = np.unique(store)
        self._n_calls += 1
        if len(stores) > _FEW or len(self._all_stores) <= _FEW or self._n_calls > _CALLS:
            self._n_calls = _CALLS  # the table is there from now on
            self._all_days(columns, {"cell": store * self._panel.calendar.days + day})
            return
        days = np.unique(day)
        index = np.searchsorted(stores, store) * len(days) + np.searchsorted(days, day)
        self._table(stores, days)(columns, {"cell": index})

    @cached_property
    def _all_days(self) -> LookUp:
        """Table of all stores and days; two threads may compute it at the same time, with the same result."""
        return self._table(self._all_stores, np.arange(self._panel.calendar.days))

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
