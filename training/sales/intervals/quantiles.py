"""Quantiles of median forecasts, at the probabilities that are judged."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sales.uncertainty.calibration import Calibration
from training.sales.metrics import PROBABILITIES

Floats = NDArray[np.float64]


def quantiles_of(
    calibration: Calibration, store: NDArray[np.int64], ahead: NDArray[np.int64], median: Floats
) -> Floats:
    """Return the quantiles of ``PROBABILITIES`` for median forecasts, ``[row, probability]``.

    Args:
        calibration: the calibration.
        store: ``[row]``, index of the store.
        ahead: ``[row]``, day ahead; 0 is the first day after the cutoff.
        median: ``[row]``, median forecasts.
    """
    return median[:, None] * calibration.multipliers(store, ahead, np.array(PROBABILITIES))


def total_quantiles_of(
    calibration: Calibration, store: NDArray[np.int64], ahead: NDArray[np.int64], median: Floats, stores: Sequence[int]
) -> Floats:
    """Return the quantiles of ``PROBABILITIES`` for the totals of stores over all of their rows.

    Args:
        calibration: the calibration.
        store: ``[row]``, index of the store.
        ahead: ``[row]``, day ahead; 0 is the first day after the cutoff.
        median: ``[row]``, median forecasts.
        stores: stores whose totals are wanted.

    Returns:
        ``[store of stores, probability]``.
    """
    last = int(ahead.max())
    mean = np.bincount(store, weights=median * calibration.factors["mean"], minlength=len(calibration.scale))
    open_days = np.bincount(store[median > 0], minlength=len(calibration.scale)).tolist()
    multipliers = [
        calibration.total_multipliers(index, open_days[index], last, np.array(PROBABILITIES)) for index in stores
    ]
    totals: Floats = np.asarray(mean, np.float64)[list(stores), None] * np.array(multipliers)
    return totals
