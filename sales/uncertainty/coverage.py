"""Coverage of intervals: share of the sales that lie in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from sales.arrays import Float64
from sales.uncertainty.calibration import Calibration
from sales.uncertainty.residuals import Residuals

LEVELS = (80, 90)  # percent


class Coverage(NamedTuple):
    """Share of the sales that lie in their intervals.

    Attributes:
        days: ``[window, level]``, of days.
        totals: ``[window, level]``, of stores' totals over the horizon.
    """

    days: Float64
    totals: Float64


def probabilities_of(levels: Sequence[float]) -> Float64:
    """Return the probabilities of the lower and upper ends of intervals, ``[2 * level]``.

    Args:
        levels: levels of the intervals, in percent.

    >>> probabilities_of([80, 90])
    array([0.1 , 0.9 , 0.05, 0.95])
    """
    tails = (1 - np.asarray(levels, dtype=np.float64) / 100) / 2
    return np.round(np.stack([tails, 1 - tails], axis=1).ravel(), 9)


def coverage(calibration: Calibration, residuals: Residuals, levels: Sequence[float] = LEVELS) -> Coverage:
    """Return the coverage of residuals by a calibration that was fitted on others.

    Args:
        calibration: the calibration, of the same stores.
        residuals: the residuals.
        levels: levels of the intervals, in percent.

    Returns:
        The coverage by window and level; NaN for a window without sales.
    """
    probabilities = probabilities_of(levels)
    days = np.full((residuals.windows, len(levels)), np.nan)
    totals = days.copy()
    for window in range(residuals.windows):
        known = residuals.known[window]
        store, ahead = np.nonzero(known)
        if not len(store):
            continue
        ratio = np.exp(residuals.log_ratio[window][known])
        ends = calibration.multipliers(store, ahead, probabilities).reshape(len(store), -1, 2)
        days[window] = _share_within(ratio, ends)
        sales, median = (
            np.where(known, grid[window], 0).sum(axis=1, dtype=np.float64)
            for grid in (residuals.sales, residuals.median)
        )
        stores, last = np.flatnonzero(known.any(axis=1)), int(ahead.max())
        n_open = known.sum(axis=1).tolist()
        ends = np.array(
            [calibration.total_multipliers(index, n_open[index], last, probabilities) for index in stores.tolist()]
        )
        mean = calibration.factors["mean"] * median[stores]
        totals[window] = _share_within(sales[stores] / mean, ends.reshape(len(stores), -1, 2))
    return Coverage(days, totals)


def leave_one_out(residuals: Residuals, levels: Sequence[float] = LEVELS) -> Coverage | None:
    """Return the coverage of each window by the calibration of the other windows; None if there is only one."""
    if residuals.windows < 2:
        return None
    places = np.arange(residuals.windows)
    parts = [
        coverage(Calibration.fit(residuals.window(places != window)), residuals.window(places == window), levels)
        for window in places
        if residuals.known[places != window].any()
    ]
    return Coverage(*(np.concatenate(part) for part in zip(*parts, strict=True))) if parts else None


def _share_within(ratio: Float64, ends: Float64) -> Float64:
    """Return the share of ratios ``[row]`` between their ends ``[row, level, 2]``, ``[level]``."""
    within: Float64 = ((ends[..., 0] <= ratio[:, None]) & (ratio[:, None] <= ends[..., 1])).mean(axis=0)
    return within
