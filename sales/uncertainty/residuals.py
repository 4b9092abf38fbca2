"""Residuals: forecasts of past windows beside the sales that followed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sales.arrays import AnyArray, Bool, Float32, Float64, Int64, Integers

_ARRAYS = ("cutoffs", "sales", "median")


class ResidualsError(ValueError):
    """Residuals that contradict each other, or from which nothing can be learnt."""


@dataclass(frozen=True)
class Residuals:
    """Sales and median forecasts of some windows, each forecast by a fit that saw only the past of that window.

    The day ahead 0 is the first day after the cutoff.

    Attributes:
        cutoffs: ``[window]``, last day that the fit saw, in days since 1970-01-01.
        sales: ``[window, store, day ahead]``, sales; NaN where the store was closed or its sales are unknown.
        median: ``[window, store, day ahead]``, median forecasts; NaN where there is none.
    """

    cutoffs: Int64
    sales: Float32
    median: Float32

    def __post_init__(self) -> None:
        if self.sales.ndim != 3 or self.sales.shape != self.median.shape or len(self.cutoffs) != len(self.sales):
            raise ResidualsError(
                f"residuals of {len(self.cutoffs)} cutoffs have sales of the shape {self.sales.shape} and forecasts of "
                f"{self.median.shape}; both must be [window, store, day ahead]"
            )

    @property
    def windows(self) -> int:
        """Number of windows."""
        return len(self.cutoffs)

    @property
    def stores(self) -> int:
        """Number of stores."""
        return int(self.sales.shape[1])

    @property
    def horizon(self) -> int:
        """Number of days ahead."""
        return int(self.sales.shape[2])

    @cached_property
    def known(self) -> Bool:
        """``[window, store, day ahead]``, true where both sales and forecast are known and positive."""
        with np.errstate(invalid="ignore"):
            known: Bool = np.isfinite(self.sales) & np.isfinite(self.median) & (self.sales > 0) & (self.median > 0)
        return known

    @cached_property
    def log_ratio(self) -> Float64:
        """``[window, store, day ahead]``, log of sales divided by the forecast; NaN where not known."""
        ratio = np.full(self.sales.shape, np.nan)
        known = self.known
        ratio[known] = np.log(self.sales[known].astype(np.float64)) - np.log(self.median[known].astype(np.float64))
        return ratio

    def window(self, chosen: Integers | Bool) -> Residuals:
        """Return the residuals of some windows."""
        return Residuals(self.cutoffs[chosen], self.sales[chosen], self.median[chosen])

    def for_stores(self, index: Integers) -> Residuals:
        """Return the residuals for another list of stores, for example after new stores were added.

        Args:
            index: ``[new store]``, index into these residuals' stores; -1 for a store that they do not have.
        """
        # The last row, which -1 selects, is that of a store without residuals.
        sales, median = (np.pad(part, ((0, 0), (0, 1), (0, 0)), constant_values=np.nan) for part in self._grids)
        return Residuals(self.cutoffs, sales[:, index], median[:, index])

    def append(self, later: Residuals) -> Residuals:
        """Return these residuals with further windows. A shorter horizon is filled with NaN.

        Raises:
            ResidualsError: if the number of stores differs.
        """
        if self.stores != later.stores:
            raise ResidualsError(f"residuals of {self.stores} and of {later.stores} stores can't be joined")
        horizon = max(self.horizon, later.horizon)

        def padded(part: Float32) -> Float32:
            return np.pad(part, ((0, 0), (0, 0), (0, horizon - part.shape[2])), constant_values=np.nan)

        sales, median = (
            np.concatenate([padded(old), padded(new)]) for old, new in zip(self._grids, later._grids, strict=True)
        )
        return Residuals(np.concatenate([self.cutoffs, later.cutoffs]), sales, median)

    @property
    def _grids(self) -> tuple[Float32, Float32]:
        return self.sales, self.median

    @classmethod
    def of_rows(
        cls,
        *,
        cutoff: int,
        shape: tuple[int, int],
        store: Integers,
        ahead: Integers,
        sales: AnyArray,
        median: AnyArray,
    ) -> Residuals:
        """Return the residuals of one window from rows.

        Args:
            cutoff: last day that the fit saw, in days since 1970-01-01.
            shape: number of stores and number of days ahead. Rows of later days are left out.
            store: ``[row]``, index of the store.
            ahead: ``[row]``, day ahead; 0 is the first day after the cutoff.
            sales: ``[row]``, sales.
            median: ``[row]``, median forecasts.
        """
        within = ahead < shape[1]
        grids = np.full((2, 1, *shape), np.nan, dtype=np.float32)
        for grid, values in zip(grids, (sales, median), strict=True):
            grid[0, store[within], ahead[within]] = values[within]
        return cls(np.array([cutoff], dtype=np.int64), grids[0], grids[1])

    def arrays(self) -> dict[str, AnyArray]:
        """Return the residuals as named arrays, for the bundle. ``Residuals.of`` is the inverse."""
        return {name: getattr(self, name) for name in _ARRAYS}

    @classmethod
    def of(cls, arrays: Mapping[str, AnyArray]) -> Residuals:
        """Return the residuals from named arrays, as ``arrays`` returns them.

        Raises:
            KeyError: if an array is missing.
            ResidualsError: if the shapes contradict each other.
        """
        return cls(**{name: arrays[name] for name in _ARRAYS})  # type: ignore[arg-type]
