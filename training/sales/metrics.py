"""Error metrics of sales forecasts: pure functions of arrays ``[row]`` of sales, not of their logarithms.

Each is computed over all rows at once, never as a mean of batches, which is another figure. A row without sales (mostly
a closed day) has no percentage error. Such rows are left out where the docstring says so, as in Kaggle's scoring of
Rossmann. The result is NaN if no row is left.
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

Metric = Callable[[ArrayLike, ArrayLike], float]


def rmspe(actual: ArrayLike, forecast: ArrayLike) -> float:
    """Root mean square percentage error, ``sqrt(mean(((a - f) / a) ** 2))``; rows with actual 0 are left out.

    Kaggle's measure for Rossmann, also used by the fast.ai lesson (``exp_rmspe``). 0.1 is 10 %.

    Args:
        actual: ``[row]``, sales, not negative.
        forecast: ``[row]``, sales.

    Raises:
        ValueError: if the shapes differ, a value is NaN or infinite, or an actual is negative, as in all functions.

    >>> rmspe([100, 200, 0], [110, 180, 5])
    0.1
    """
    a, f = _sold(actual, forecast)
    return _root_mean_square((a - f) / a)


def exp_rmspe(log_actual: ArrayLike, log_forecast: ArrayLike) -> float:
    """Return ``rmspe`` of forecasts given as natural logarithms, as the network computes them.

    >>> round(exp_rmspe(np.log([100, 200]), np.log([110, 180])), 9)
    0.1
    """
    return rmspe(np.exp(np.asarray(log_actual, np.float64)), np.exp(np.asarray(log_forecast, np.float64)))


def rmse_log(actual: ArrayLike, forecast: ArrayLike) -> float:
    """Root mean square error of the logarithms, ``sqrt(mean((ln a - ln f) ** 2))``; rows with actual 0 are left out.

    Infinite if a forecast is 0 or below where something was sold.

    >>> rmse_log([1, 1], [np.e, 1 / np.e])
    1.0
    """
    a, f = _sold(actual, forecast)
    if (f <= 0).any():
        return float("inf")
    return _root_mean_square(np.log(a) - np.log(f))


def wape(actual: ArrayLike, forecast: ArrayLike) -> float:
    """Weighted absolute percentage error, ``sum(|a - f|) / sum(a)``, over all rows.

    >>> wape([100, 300, 0], [110, 260, 10])
    0.15
    """
    a, f = _checked(actual, forecast)
    return _ratio(np.abs(a - f).sum(), a.sum())


def bias(actual: ArrayLike, forecast: ArrayLike) -> float:
    """Relative excess of the forecasts' total, ``sum(f - a) / sum(a)``, over all rows.

    >>> bias([100, 300], [110, 330])
    0.1
    """
    a, f = _checked(actual, forecast)
    return _ratio((f - a).sum(), a.sum())


def mape(actual: ArrayLike, forecast: ArrayLike) -> float:
    """Mean absolute percentage error, ``mean(|a - f| / a)``; rows with actual 0 are left out.

    >>> mape([100, 200, 0], [110, 140, 5])
    0.2
    """
    a, f = _sold(actual, forecast)
    return float((np.abs(a - f) / a).mean()) if len(a) else float("nan")


def median_ape(actual: ArrayLike, forecast: ArrayLike) -> float:
    """Median absolute percentage error, ``median(|a - f| / a)``; rows with actual 0 are left out.

    >>> median_ape([100, 100, 100, 0], [110, 120, 190, 5])
    0.2
    """
    a, f = _sold(actual, forecast)
    return float(np.median(np.abs(a - f) / a)) if len(a) else float("nan")


METRICS: Mapping[str, Metric] = {
    "rmspe": rmspe,
    "rmse_log": rmse_log,
    "wape": wape,
    "bias": bias,
    "mape": mape,
    "median_ape": median_ape,
}


def score(actual: ArrayLike, forecast: ArrayLike, metrics: Mapping[str, Metric] = METRICS) -> dict[str, float]:
    """Return all metrics by name, and the number of rows as ``rows``.

    >>> score([100, 0], [110, 0], {"wape": wape})
    {'rows': 2, 'wape': 0.1}
    """
    return {"rows": np.size(actual), **{name: metric(actual, forecast) for name, metric in metrics.items()}}


PROBABILITIES = (0.05, 0.1, 0.5, 0.9, 0.95)
"""Probabilities of the quantiles that `interval_score` judges: the ends of both intervals, and the median."""

_ENDS: Mapping[int, tuple[int, int]] = {80: (1, 3), 90: (0, 4)}  # places of an interval's ends in PROBABILITIES

INTERVALS = ("coverage_80", "coverage_90", "width_80", "width_90", "pinball")
"""Names of the figures of `interval_score`."""


def pinball(actual: ArrayLike, quantiles: ArrayLike, probabilities: ArrayLike = PROBABILITIES) -> float:
    """Weighted quantile loss: twice the pinball loss over the sum of the sales, a mean over the probabilities.

    Amazon Forecast and AutoGluon call it wQL. For the probability 0.5 alone it is the WAPE.

    Args:
        actual: ``[row]``, sales.
        quantiles: ``[row, probability]``, forecast quantiles.
        probabilities: probabilities of the quantiles.

    >>> pinball([100, 300], [[110], [260]], [0.5])
    0.125
    """
    a, q, p = (np.asarray(values, np.float64) for values in (actual, quantiles, probabilities))
    difference = a[:, None] - q
    return _ratio(2 * np.maximum(p * difference, (p - 1) * difference).sum(axis=0).mean(), a.sum())


def interval_score(actual: ArrayLike, quantiles: ArrayLike) -> dict[str, float]:
    """Return coverage and width of the 80 and 90 % intervals, the pinball loss, and the number of rows as ``rows``.

    Coverage is the share of the sales that lie in their interval. Width is the sum of the widths over the sum of the
    sales. Rows with sales of 0 count.

    Args:
        actual: ``[row]``, sales.
        quantiles: ``[row, probability]``, forecast quantiles of ``PROBABILITIES``.

    >>> interval_score([100.0], [[80.0, 90.0, 100.0, 105.0, 110.0]])["width_90"]
    0.3
    """
    a, q = np.asarray(actual, np.float64), np.asarray(quantiles, np.float64)
    figures: dict[str, float] = {"rows": len(a)}
    for level, (low, high) in _ENDS.items():
        inside = (q[:, low] <= a) & (a <= q[:, high])
        figures[f"coverage_{level}"] = float(inside.mean()) if len(a) else float("nan")
        figures[f"width_{level}"] = _ratio((q[:, high] - q[:, low]).sum(), a.sum())
    return {**figures, "pinball": pinball(a, q)}


def by_slice(
    actual: ArrayLike, forecast: ArrayLike, slices: ArrayLike, metrics: Mapping[str, Metric] = METRICS
) -> dict[str, dict[str, float]]:
    """Return the ``score`` of each slice of the rows, such as each store type or weekday.

    Args:
        actual: ``[row]``, sales.
        forecast: ``[row]``, sales.
        slices: ``[row]``, the slice of each row: text, numbers or booleans.
        metrics: metrics to compute.

    Returns:
        The scores by slice as text, in the order of the slices' values.

    >>> by_slice([100, 100, 200], [110, 90, 200], ["b", "a", "b"], {"bias": bias})
    {'a': {'rows': 1, 'bias': -0.1}, 'b': {'rows': 2, 'bias': 0.03333333333333333}}
    """
    a, f = _checked(actual, forecast)
    labels = np.asarray(slices)
    if labels.shape != a.shape:
        raise ValueError(f"slices have the shape {labels.shape}, actual sales {a.shape}; each row is in one slice")
    return {str(label): score(a[labels == label], f[labels == label], metrics) for label in np.unique(labels)}


def _checked(actual: ArrayLike, forecast: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return both in float64, since sums of a million float32 sales lose digits."""
    a, f = np.asarray(actual, np.float64), np.asarray(forecast, np.float64)
    if a.shape != f.shape or a.ndim != 1:
        raise ValueError(f"actual sales have the shape {a.shape} and forecasts {f.shape}; both must be [row]")
    for name, values, wrong in (
        ("actual", a, ~np.isfinite(a) | (a < 0)),
        ("forecast", f, ~np.isfinite(f)),
    ):
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            raise ValueError(f"{name} sales are {values[row]} in row {row} ({wrong.sum()} such rows)")
    return a, f


def _sold(actual: ArrayLike, forecast: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the rows with sales."""
    a, f = _checked(actual, forecast)
    return a[a != 0], f[a != 0]


def _root_mean_square(error: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(error**2))) if len(error) else float("nan")


def _ratio(part: float, total: float) -> float:
    return float(part / total) if total else float("nan")
