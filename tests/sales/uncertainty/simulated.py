"""Simulated residuals with a known distribution."""

import numpy as np

from sales.arrays import Float64
from sales.uncertainty.residuals import Residuals


def simulated(
    rng: np.random.Generator,
    noise: Float64,
    *,
    windows: int,
    horizon: int = 42,
    shift: float = 0.0,
    growth: float = 0.1,
) -> Residuals:
    """Return residuals whose logarithms are normal.

    Args:
        rng: random generator.
        noise: ``[store]``, standard deviation of the log residuals of the first week.
        windows: number of windows.
        horizon: number of days ahead.
        shift: standard deviation of an error that all days and stores of a window share, relative to the noise.
        growth: relative growth of the noise from one week to the next.
    """
    shape = (windows, len(noise), horizon)
    median = np.exp(rng.normal(8, 0.5, shape))
    week = 1 + growth * (np.arange(horizon) // 7)
    error = rng.normal(size=shape) * week + shift * rng.normal(size=(windows, 1, 1))
    sales = median * np.exp(error * noise[:, None])
    sales[:, :, 6::7] = np.nan  # closed
    return Residuals(np.arange(windows) * 90, sales.astype(np.float32), median.astype(np.float32))
