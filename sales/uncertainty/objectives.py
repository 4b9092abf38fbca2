"""Factors of the objectives: what a median forecast is multiplied by, so that it is best for another measure."""

from __future__ import annotations

import numpy as np

from sales.arrays import Float64
from sales.uncertainty.residuals import Residuals
from sales.uncertainty.scale import store_scale
from schemas.sales.options import Objective

OUTLIER = 8.0  # times the scale of a store


def objective_factors(residuals: Residuals) -> dict[Objective, float]:
    """Return the factor of the median forecasts by objective.

    ``mean`` makes the forecasts' total that of the sales. ``rmspe`` minimises the root mean square of (a - cf) / a over
    the factor c, where a is sales and f the median. The derivative is 0 at c = mean(f / a) / mean((f / a) ** 2).

    Both are those of residuals whose windows have no shift, times the shift that is believed. The shift of a window is
    the mean of its log residuals: a warm spring, say. The mean shift is believed by the share of its square that chance
    does not explain (a James-Stein estimate), and not at all if there is one window.

    Log residuals beyond ``OUTLIER`` scales of their store count as that large. Why: one of 48,000 Rossmann sales in a
    window, 46 where 5,077 were forecast, made the factor of ``rmspe`` 0.90 and the RMSPE of the next holdout 0.135
    instead of 0.095.
    """
    ratio, known = residuals.log_ratio, residuals.known
    windows = np.flatnonzero(known.any(axis=(1, 2)))
    shifts = np.array([float(ratio[window][known[window]].mean()) for window in windows])
    shift = np.zeros(len(ratio))
    shift[windows] = shifts
    centred = ratio - shift[:, None, None]
    largest = OUTLIER * store_scale(np.abs(centred))[:, None]
    log = np.clip(centred, -largest, largest)[known]
    median, inverse = residuals.median[known].astype(np.float64), np.exp(-log)
    believed = float(np.exp(_believed(shifts)))
    return {
        "median": 1.0,
        "mean": believed * float((median * np.exp(log)).sum() / median.sum()),
        "rmspe": believed * float(inverse.mean() / (inverse**2).mean()),
    }


def _believed(shifts: Float64) -> float:
    """Return the mean of the windows' shifts, less the part that chance explains."""
    n, mean = len(shifts), float(shifts.mean())
    if n == 1 or mean == 0:
        return 0.0
    chance = float(shifts.var(ddof=1)) / n / mean**2
    return mean * max(1 - chance, 0.0)
