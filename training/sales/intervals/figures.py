"""Figures of intervals: each window is judged by a calibration that was fitted on the other windows."""

import datetime as dt
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sales.panel import Panel
from sales.uncertainty.calibration import Calibration
from sales.uncertainty.residuals import Residuals
from training.sales.intervals.quantiles import quantiles_of, total_quantiles_of
from training.sales.metrics import interval_score

Floats = NDArray[np.float64]
_EPOCH = dt.date(1970, 1, 1)


class _Judged(NamedTuple):
    """Sales beside quantiles of their forecasts, for all windows together.

    Attributes:
        store: ``[row]``, index of the store.
        ahead: ``[row]``, day ahead; 0 is the first day after the cutoff.
        sales: ``[row]``, sales.
        quantiles: ``[row, probability]``, quantiles of ``PROBABILITIES``.
        mean: ``[row]``, forecasts of the mean.
        rmspe: ``[row]``, forecasts with the objective rmspe.
        median: ``[row]``, median forecasts.
        total: ``[window and store]``, total sales of a store in a window.
        total_quantiles: ``[window and store, probability]``, quantiles of these totals.
    """

    store: NDArray[np.int64]
    ahead: NDArray[np.int64]
    sales: Floats
    quantiles: Floats
    mean: Floats
    rmspe: Floats
    median: Floats
    total: Floats
    total_quantiles: Floats


def interval_figures(residuals: Residuals, panel: Panel) -> dict[str, Any]:
    """Return the factors of the objectives, and coverage, width and pinball loss of intervals, for the manifest.

    The latter are in ``judged``, which is None if there is one window alone. Each window is judged by the calibration
    of the others, so it is forecast from the future as well, but never from itself.
    """
    cutoffs = [(_EPOCH + dt.timedelta(days=int(day))).isoformat() for day in residuals.cutoffs]
    factors = dict(Calibration.fit(residuals).factors)
    places = np.arange(residuals.windows)
    parts = [
        _judge(Calibration.fit(residuals.window(places != window)), residuals.window(places == window))
        for window in places
        if residuals.windows > 1 and residuals.known[places != window].any() and residuals.known[window].any()
    ]
    if not parts:
        return {"windows": cutoffs, "factors": factors, "judged": None}
    judged = _Judged(*(np.concatenate(part) for part in zip(*parts, strict=True)))
    store_type = panel.levels["StoreType"]
    kinds = np.array([*map(str, store_type), "not known"])[panel.store_type[judged.store]]
    weeks = np.char.add("week ", np.char.zfill((judged.ahead // 7 + 1).astype(str), 2))
    return {
        "windows": cutoffs,
        "factors": factors,
        "judged": {
            "all": interval_score(judged.sales, judged.quantiles),
            "totals": interval_score(judged.total, judged.total_quantiles),
            "by_window": {
                cutoff: interval_score(part.sales, part.quantiles) for cutoff, part in zip(cutoffs, parts, strict=False)
            },
            "by_week": _by(weeks, judged),
            "by_store_type": _by(kinds, judged),
            "bias": {
                "median": _bias(judged.sales, judged.median),
                "mean": _bias(judged.sales, judged.mean),
                "rmspe": _bias(judged.sales, judged.rmspe),
            },
        },
    }


def _judge(calibration: Calibration, window: Residuals) -> _Judged:
    """Judge the residuals of one window by a calibration of others."""
    known = window.known[0]
    store, ahead = np.nonzero(known)
    sales, median = (grid[0][known].astype(np.float64) for grid in (window.sales, window.median))
    stores = np.unique(store)
    total: Floats = np.asarray(np.bincount(store, weights=sales), np.float64)[stores]
    return _Judged(
        store=store,
        ahead=ahead,
        sales=sales,
        quantiles=quantiles_of(calibration, store, ahead, median),
        mean=median * calibration.factors["mean"],
        rmspe=median * calibration.factors["rmspe"],
        median=median,
        total=total,
        total_quantiles=total_quantiles_of(calibration, store, ahead, median, stores.tolist()),
    )


def _by(labels: NDArray[np.str_], judged: _Judged) -> dict[str, dict[str, float]]:
    """Return the figures by label, ``[row]``."""
    return {
        str(label): interval_score(judged.sales[labels == label], judged.quantiles[labels == label])
        for label in np.unique(labels)
    }


def _bias(sales: Floats, forecast: Floats) -> float:
    """Return the relative excess of the forecasts' total."""
    return float(forecast.sum() / sales.sum() - 1)
