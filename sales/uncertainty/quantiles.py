"""Quantiles of residuals that also hold for future residuals."""

from statistics import NormalDist

import numpy as np

from sales.arrays import Float64

# Probabilities for which quantiles are tabulated; those between are interpolated. why: steps of 0.005 have all whole
# levels, and beyond 0.01 and 0.99 a small chain has no residuals.
GRID: Float64 = np.arange(2, 199) / 200
LOWEST, HIGHEST = 0.01, 0.99

_Z = NormalDist().inv_cdf


def conformal_quantiles(residuals: Float64) -> Float64:
    """Return the quantiles of residuals at the probabilities of ``GRID``, with split conformal's correction.

    The next of n exchangeable residuals is at most the ``ceil((n + 1) p)``-th smallest with probability p or more.
    Sources: Vovk, Gammerman and Shafer 2005; Lei, G'Sell, Rinaldo, Tibshirani and Wasserman 2018, section 2. Below the
    median the rank is ``floor((n + 1) p)`` for the same reason, and at the median the mean of both. If n is too small
    for a rank, the extreme residual is multiplied by the ratio of the normal distribution's quantiles.

    Args:
        residuals: ``[residual]``, one or more, without NaN.

    Returns:
        ``[probability]``, in ascending order.
    """
    ordered, n = np.sort(residuals), len(residuals)
    rank = np.round((n + 1) * GRID, 9)  # 9 digits, because 0.07 * 100 is 7.000000000000001
    upper = ordered[np.clip(np.ceil(rank).astype(np.int64), 1, n) - 1]
    lower = ordered[np.clip(np.floor(rank).astype(np.int64), 1, n) - 1]
    values: Float64 = np.where(GRID > 0.5, upper, np.where(GRID < 0.5, lower, (lower + upper) / 2))
    for place in np.flatnonzero((rank < 1) | (rank > n)).tolist():
        extreme = 1 / (n + 1) if rank[place] < 1 else n / (n + 1)
        if extreme != 0.5:  # with one residual it says nothing
            factor = _Z(GRID[place]) / _Z(extreme)
            # A quantile beyond the extreme residual lies farther out, on whichever side of 0 that residual is.
            values[place] += abs(values[place]) * (factor - 1) * (1 if GRID[place] > 0.5 else -1)
    monotone: Float64 = np.maximum.accumulate(values)
    return monotone


def symmetric_quantiles(residuals: Float64) -> Float64:
    """Return the quantiles of the residuals and their negatives together; the median is 0."""
    # The conformal correction counts residuals, not their copies: so the quantile of absolute values is taken.
    half = len(GRID) // 2
    size = _absolute_quantiles(np.abs(residuals), 2 * GRID[half + 1 :] - 1)
    return np.concatenate([-size[::-1], [0.0], size])


def _absolute_quantiles(size: Float64, probability: Float64) -> Float64:
    """Return conformal quantiles of absolute residuals at probabilities, which are ascending."""
    ordered, n = np.sort(size), len(size)
    rank = np.ceil(np.round((n + 1) * probability, 9)).astype(np.int64)
    values: Float64 = ordered[np.clip(rank, 1, n) - 1]
    for place in np.flatnonzero(rank > n).tolist():
        values[place] *= _Z((1 + probability[place]) / 2) / _Z((1 + n / (n + 1)) / 2)
    monotone: Float64 = np.maximum.accumulate(values)
    return monotone


def interpolated(table: Float64, probabilities: Float64) -> Float64:
    """Return the columns of a table ``[row, probability of GRID]`` at other probabilities, ``[row, probability]``."""
    place = (np.clip(probabilities, LOWEST, HIGHEST) - GRID[0]) * 200
    left = np.clip(np.floor(np.round(place, 9)).astype(np.int64), 0, len(GRID) - 2)
    weight = np.round(place, 9) - left
    result: Float64 = table[:, left] * (1 - weight) + table[:, left + 1] * weight
    return result
