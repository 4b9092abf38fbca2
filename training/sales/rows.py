"""Store-days with their sales, for training and evaluation."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sales.panel import Panel


@dataclass(frozen=True)
class Rows:
    """Store-days with their sales. All arrays are ``[row]``; ``store`` and ``day`` index the panel."""

    store: NDArray[np.int64]
    day: NDArray[np.int64]
    sales: NDArray[np.float32]

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
