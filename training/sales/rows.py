"""Store-days with their sales, for training and evaluation, and their forecasts."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sales.calendar import FIELDS
from sales.features import Features
from sales.panel import Panel
from sales.preprocess import Preprocessor, Run
from sales.statements.plan import Plan

CHUNK = 1 << 12  # rows whose calendars are copied at once


@dataclass(frozen=True)
class Rows:
    """Store-days with their sales. All arrays are ``[row]``; ``store`` and ``day`` index the panel."""

    store: NDArray[np.int64]
    day: NDArray[np.int64]
    sales: NDArray[np.float64]

    @classmethod
    def sold(cls, panel: Panel, *, after: int = -1) -> "Rows":
        """Return the store-days with sales after day ``after``, as far as the panel knows."""
        store, day = np.nonzero(~np.isnan(panel.sales))
        rows = np.flatnonzero(day > after)
        return cls(store[rows], day[rows], panel.sales[store[rows], day[rows]])

    def where(self, chosen: NDArray[np.bool_]) -> "Rows":
        """Return the rows for which ``chosen``, ``[row]``, is true."""
        return Rows(self.store[chosen], self.day[chosen], self.sales[chosen])

    def __len__(self) -> int:
        return len(self.store)


def forecast_open_days(features: Features, preprocessor: Preprocessor, run: Run, rows: Rows) -> NDArray[np.float64]:
    """Return the median forecasts of store-days, ``[row]``, each as if a client stated that the store is open that day.

    A day with sales is judged as an open day, although without a plan it may be assumed closed. The opening of the
    other days stays assumed, since nobody knows it beforehand.

    Args:
        features: columns of the panel.
        preprocessor: preprocessing of the columns.
        run: the network.
        rows: store-days to forecast.
    """
    prepared = preprocessor.transform(features.build(rows.store, rows.day))
    forecast = np.exp(run(prepared.cats, prepared.conts).astype(np.float64))
    closed = np.flatnonzero(features.panel.calendar.open[rows.store, rows.day] == 0)
    for start in range(0, len(closed), CHUNK):
        chosen = closed[start : start + CHUNK]
        store, day = rows.store[chosen], rows.day[chosen]
        prepared = preprocessor.transform(features.build(store, day, _opened(features.panel, store, day)))
        forecast[chosen] = np.exp(run(prepared.cats, prepared.conts).astype(np.float64))
    return forecast


def _opened(panel: Panel, store: NDArray[np.int64], day: NDArray[np.int64]) -> Plan:
    """Return a plan for each row, in which the row's day is open."""
    row = np.arange(len(store))
    calendar = panel.calendar.rows(store)
    open_, assumed = calendar.open.copy(), calendar.assumed.copy()
    open_[row, day] = 1
    assumed[row, day] &= ~np.uint8(1 << FIELDS.index("open"))
    return Plan(replace(calendar, open=open_, assumed=assumed), row)
