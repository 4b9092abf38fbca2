"""Baselines of sales forecasts that need no training: last year's weekday, and the mean by weekday and promotion.

Each takes a panel and rows to forecast, and returns sales ``[row]``. It sees no sales after the panel's cutoff.
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runtime.errors import UserError
from sales.panel import YEAR, Panel
from training.sales.rows import Rows

EXACT = 5e-5  # RMSPE below which forecasts count as exact; messages show it as 0.0000
NAMES: Mapping[str, str] = MappingProxyType(
    {
        "last_year_same_weekday": "last year's same weekday",
        "weekday_promotion_mean": "the weekday-and-promotion mean",
    }
)
"""Baselines by their keys in the figures of an evaluation."""


class BaselineError(UserError):
    """A model that is not better than a baseline, where the user requires it."""


def known_until(panel: Panel, cutoff: int) -> Panel:
    """Return the panel as it was known at the end of a day, without the sales after it.

    Args:
        panel: panel with later sales.
        cutoff: last day whose sales are known, as an index into the panel; negative if none are.
    """
    sales = panel.sales.copy()
    sales[:, max(cutoff + 1, 0) :] = np.nan
    return replace(panel, sales=sales, cutoff=cutoff)


def last_year(panel: Panel, rows: Rows) -> NDArray[np.float32]:
    """Return the sales of the same weekday 52 weeks before, ``[row]``; NaN where none are known."""
    before = rows.day - YEAR
    sales = panel.sales[rows.store, np.maximum(before, 0)]
    return np.where((before >= 0) & (before <= panel.cutoff), sales, np.float32(np.nan))


def weekday_promotion_mean(panel: Panel, rows: Rows) -> NDArray[np.float64]:
    """Return the geometric mean of the store's sales on the same weekday with the same promotion status, ``[row]``.

    The mean is over the last 364 days, where each weekday has the same weight. The history columns of the network state
    it too: it is ``exp(Level + Weekday_364 + PromoWeekday_364)``.

    A store without such a day gets the first of these means that is known:

    - its mean on the same weekday,
    - its mean on all days,
    - the mean of all stores on the same weekday with the same promotion status,
    - the mean of all stores on all days.

    It is NaN if no sales are known.
    """
    first, stop = max(panel.cutoff + 1 - YEAR, 0), max(panel.cutoff + 1, 0)
    store, day = np.nonzero(~np.isnan(panel.sales[:, first:stop]))
    day += first
    shape = (len(panel.sales), 7, 2)
    cell = np.ravel_multi_index((store, *_weekday_and_promotion(panel, store, day)), shape)
    log_sales = np.log(panel.sales[store, day].astype(np.float64))
    sums, counts = (
        np.bincount(cell, weights=weights, minlength=np.prod(shape)).reshape(shape) for weights in (log_sales, None)
    )
    mean = np.full(shape, np.nan)
    for pooled in ((), (2,), (1, 2), (0,), (0, 1, 2)):  # axes over which sales are pooled, from no pooling to all
        total, count = (values.sum(axis=pooled, keepdims=True) if pooled else values for values in (sums, counts))
        pooled_mean = np.divide(total, count, where=count > 0, out=np.full(total.shape, np.nan))
        mean = np.where(np.isnan(mean), pooled_mean, mean)
    return np.asarray(np.exp(mean[rows.store, *_weekday_and_promotion(panel, rows.store, rows.day)]))


def unbeaten(metrics: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    """Return the baselines that a model does not beat by RMSPE: the model's RMSPE and the baseline's, on the same rows.

    Args:
        metrics: figures as ``Evaluation.metrics`` returns them.
    """
    pairs = {
        "last_year_same_weekday": metrics.get("where_last_year_is_known"),
        "weekday_promotion_mean": metrics,
    }
    return {
        key: (model["rmspe"], metrics[key]["rmspe"])
        for key, model in pairs.items()
        if model is not None and key in metrics and not model["rmspe"] < max(metrics[key]["rmspe"], EXACT)
    }


def shortfall(metrics: Mapping[str, Any]) -> str:
    """Return a sentence that names the baselines that a model does not beat; empty if it beats all of them.

    Args:
        metrics: figures as ``Evaluation.metrics`` returns them.

    >>> shortfall({"rmspe": 0.2, "weekday_promotion_mean": {"rmspe": 0.1}})
    'the model is not better than the weekday-and-promotion mean (RMSPE 0.2000 to 0.1000 on the same rows)'
    """
    worse = unbeaten(metrics)
    if not worse:
        return ""
    names = [
        f"{NAMES[key]} (RMSPE {ours:.4f} to {theirs:.4f} on the same rows)" for key, (ours, theirs) in worse.items()
    ]
    return f"the model is not better than {' and '.join(names)}"


def _weekday_and_promotion(
    panel: Panel, store: NDArray[np.int64], day: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the weekday, Monday is 0, and 1 for days with a promotion, ``[row]``."""
    return (panel.first_day + day + 3) % 7, (panel.calendar.promo[store, day] > 0).astype(np.int64)
