"""Drift: errors since a model was trained, beside those that its training recorded."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sales.panel import YEAR
from sales.uncertainty.calibration import Calibration
from sales.uncertainty.residuals import Residuals
from training.sales.evaluation import Evaluation
from training.sales.intervals.quantiles import quantiles_of
from training.sales.metrics import interval_score, rmspe, score

MIN_ROWS = 30  # store-days; fewer say nothing
# A window's errors vary with the season. On Rossmann's tables the RMSPE of windows of 49 days was 0.10 to 0.17.
RMSPE_RATIO = 1.25  # to the largest RMSPE of the past windows
SPREAD_RATIO = 1.5  # to the standard deviation of the past log residuals
BIAS = 0.05  # mean log residual, beyond the largest of the past windows
COVERAGE = 0.65  # of the 80 % intervals


class Drift(NamedTuple):
    """Errors since the training.

    Attributes:
        figures: figures of the days since the training, for the manifest.
        reasons: reasons to train again, as sentences; empty if there is none.
    """

    figures: dict[str, Any]
    reasons: list[str]


def drift(
    evaluations: Sequence[Evaluation],
    *,
    past: Residuals | None,
    calibration: Calibration | None,
    stores: NDArray[np.int64],
    days_since_training: int,
) -> Drift:
    """Return the errors of the days since the training, and the reasons to train again.

    Args:
        evaluations: windows after the training, at least one, each forecast with the weights of the bundle.
        past: residuals of the windows before the training; None if the bundle has none.
        calibration: calibration of the bundle before the update.
        stores: ``[store]``, index of each store of the evaluations in the calibration; -1 for a new store.
        days_since_training: number of days from the last sales of the training to those of the tables.
    """
    sales = np.concatenate([evaluation.rows.sales for evaluation in evaluations]).astype(np.float64)
    forecast = np.concatenate([evaluation.forecast for evaluation in evaluations])
    mean = np.concatenate([evaluation.weekday_promotion_mean() for evaluation in evaluations])
    known = ~np.isnan(mean)
    figures: dict[str, Any] = {
        "from": evaluations[0].date(int(evaluations[0].rows.day.min())).isoformat(),
        "to": evaluations[-1].date(int(evaluations[-1].rows.day.max())).isoformat(),
        **score(sales, forecast),
        "weekday_promotion_mean": score(sales[known], mean[known]),
    }
    log_ratio = np.log(sales / forecast)
    reasons = []
    if known.any():
        error, of_mean = rmspe(sales[known], forecast[known]), figures["weekday_promotion_mean"]["rmspe"]
        if error >= of_mean:
            reasons.append(
                f"the model is not better than the weekday-and-promotion mean (RMSPE {error:.4f} to {of_mean:.4f})"
            )
    if past is not None and past.known.any():
        reasons += _beside_past(past, figures, log_ratio)
    if calibration is not None:
        figures["intervals"] = _intervals(evaluations, calibration, stores)
        covered = figures["intervals"]["coverage_80"]
        if covered < COVERAGE:
            reasons.append(f"{covered:.0%} of the sales lie in the 80 % intervals")
    if len(sales) < MIN_ROWS:
        reasons = []
    if days_since_training >= YEAR:
        reasons.append(f"{days_since_training} days of sales are not in the training, a year or more")
    return Drift(figures, reasons)


def _beside_past(past: Residuals, figures: dict[str, Any], log_ratio: NDArray[np.float64]) -> list[str]:
    """Add figures that compare with past windows, and return the reasons to train that follow."""
    errors, shifts = [], []
    for window in range(past.windows):
        known = past.known[window]
        if known.any():
            errors.append(rmspe(past.sales[window][known], past.median[window][known]))
            shifts.append(abs(float(np.nanmean(past.log_ratio[window]))))
    spread = float(log_ratio.std() / max(float(np.nanstd(past.log_ratio)), 1e-9))
    shift = float(log_ratio.mean())
    figures |= {"largest_rmspe_before": max(errors), "mean_log_residual": shift, "spread_ratio": spread}
    reasons = []
    if figures["rmspe"] > RMSPE_RATIO * max(errors):
        reasons.append(f"the RMSPE is {figures['rmspe']:.4f}, and was at most {max(errors):.4f} in past windows")
    if abs(shift) > max(shifts) + BIAS:
        word = "below" if shift > 0 else "above"
        reasons.append(f"forecasts are {abs(np.expm1(-shift)):.0%} {word} the sales in the median")
    if spread > SPREAD_RATIO:
        reasons.append(f"errors spread {spread:.1f} times as much as in past windows")
    return reasons


def _intervals(
    evaluations: Sequence[Evaluation], calibration: Calibration, stores: NDArray[np.int64]
) -> dict[str, float]:
    """Return the figures of the intervals, for stores that the calibration knows."""
    sales, quantiles = [], []
    for evaluation in evaluations:
        store = stores[evaluation.rows.store]
        known = store >= 0
        ahead = evaluation.rows.day[known] - evaluation.cutoff - 1
        sales.append(evaluation.rows.sales[known])
        quantiles.append(quantiles_of(calibration, store[known], ahead, evaluation.forecast[known]))
    return interval_score(np.concatenate(sales), np.concatenate(quantiles))
