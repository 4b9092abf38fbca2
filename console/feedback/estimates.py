"""Estimates with 95 percent intervals from answers whose truth is known. Pure numpy; tests compare with scipy.

Ratios, such as WAPE, are sums over sums. Sales of one day share a shock, such as the weather, and so do those of one
store. So the variance of a ratio is that of a linearized estimator (Cochran 1977, "Sampling Techniques", 3rd edition,
section 6.3). The clusters are two-way: by day, plus by store, minus by both (Cameron, Gelbach and Miller 2011, "Robust
Inference With Multiway Clustering", equation 2.13). The interval is that of the logarithm, with Student's quantile and
one degree of freedom less than there are days or stores, whichever are fewer.

Shares, such as accuracy, have Wilson's interval (Wilson 1927; Brown, Cai and DasGupta 2001, equation 4). Where weights
or clusters make the variance larger, the number of answers is replaced by the effective number (Korn and Graubard 1998;
Franco, Little, Louis and Slud 2019, "Comparative Study of Confidence Intervals for Proportions in Complex Sample
Surveys"). The weight of an answer is 1 over the probability that its truth was looked for (Horvitz and Thompson 1952),
and the weights are divided by their sum (Hajek 1971).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runtime.shares import Z95, wilson

Numbers = NDArray[np.float64]
Groups = NDArray[np.int64]  # number of each row's group, from 0

MIN_ROWS = 30  # answers; with fewer, there is a point and no interval
MIN_GROUPS = 5  # days; the error of fewer days says little about other days


@dataclass(frozen=True)
class Estimate:
    """An estimate and its interval.

    Attributes:
        rows: number of answers that it comes from.
        point: the estimate; None without answers.
        low: lower bound; None if there are too few answers, or answers of too few days.
        high: upper bound; None likewise.
    """

    rows: int
    point: float | None = None
    low: float | None = None
    high: float | None = None


def share(hits: NDArray[np.bool_], weights: Numbers | None = None, groupings: Sequence[Groups] = ()) -> Estimate:
    """Return the weighted share of answers that are hits, with Wilson's interval.

    Args:
        hits: ``[row]``, true for a hit.
        weights: ``[row]``, weight of each answer; equal ones by default.
        groupings: groups of answers that are not independent: by day first, and by store.
    """
    rows = len(hits)
    if not rows:
        return Estimate(0)
    weight = np.ones(rows) if weights is None else weights
    total = float(weight.sum())
    point = float(weight @ hits) / total
    groupings, degrees = _usable(groupings)
    if rows < MIN_ROWS or degrees is None:
        return Estimate(rows, point)
    kish = total**2 / float(weight @ weight)  # the effective number if all answers vary alike
    variance = _variance(weight * (hits - point) / total, groupings)
    if variance > 0:
        effective = min(point * (1 - point) / variance, kish)
    else:  # all alike: no variance can be seen, so that each group counts as one answer
        effective = min([kish, *(total**2 / float(np.square(np.bincount(group, weight)).sum()) for group in groupings)])
    number = effective * (Z95 / student(degrees)) ** 2
    return Estimate(rows, point, *wilson(point * number, number))


def combined(strata: Sequence[tuple[NDArray[np.bool_], Numbers]]) -> Estimate:
    """Return the weighted share of answers that are hits over strata that are looked at with different probabilities.

    The interval is that of Zou and Donner 2008, "Construction of Confidence Limits About Effect Measures" (MOVER), from
    Wilson's intervals of the strata. It allows for the sizes of the strata too, which come from the same answers.

    Args:
        strata: hits and weights of the answers of each stratum.
    """
    strata = [(hits, weights) for hits, weights in strata if len(hits)]
    rows = sum(len(hits) for hits, _ in strata)
    if not rows:
        return Estimate(0)
    sizes = np.array([weights.sum() for _, weights in strata])
    points = np.array([float(weights @ hits) / size for (hits, weights), size in zip(strata, sizes, strict=True)])
    numbers = np.array([size**2 / float(weights @ weights) for (_, weights), size in zip(strata, sizes, strict=True)])
    part = sizes / sizes.sum()
    point = float(part @ points)
    if rows < MIN_ROWS:
        return Estimate(rows, point)
    bounds = np.array([wilson(*pair) for pair in zip(points * numbers, numbers, strict=True)])
    of_sizes = Z95**2 * float((np.square(part * (points - point)) / numbers).sum())
    below, above = (np.square(part * (points - bounds[:, side])).sum() + of_sizes for side in (0, 1))
    return Estimate(rows, point, max(point - float(np.sqrt(below)), 0.0), min(point + float(np.sqrt(above)), 1.0))


def ratio(above: Numbers, below: Numbers, groupings: Sequence[Groups] = (), *, less: float = 0.0) -> Estimate:
    """Return the sum of one column over that of another, both at least 0, with the interval of its logarithm.

    Args:
        above: ``[row]``, values whose sum is the numerator.
        below: ``[row]``, values whose sum is the denominator.
        groupings: as for `share`.
        less: constant to subtract at the end, such as 1 for a bias.
    """
    rows, total = len(above), float(below.sum())
    if not rows or total <= 0:
        return Estimate(rows)
    point = float(above.sum()) / total
    groupings, degrees = _usable(groupings)
    if rows < MIN_ROWS or degrees is None or point <= 0:
        return Estimate(rows, point - less)
    variance = _variance((above - point * below) / total, groupings)
    width = np.exp(student(degrees) * np.sqrt(variance) / point)
    return Estimate(rows, point - less, float(point / width) - less, float(point * width) - less)


def student(degrees: float) -> float:
    """Return the quantile of Student's t distribution for the level (Abramowitz and Stegun 1964, 26.7.5).

    >>> round(student(10), 3), round(student(1e9), 3)
    (2.228, 1.96)
    """
    z = Z95
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / degrees**power for power, term in enumerate(terms, start=1))


def pinball(truth: Numbers, quantiles: Numbers, probabilities: Sequence[float]) -> Numbers:
    """Return the mean over probabilities of twice the pinball loss, ``[row]``.

    Source: Koenker and Bassett 1978, "Regression Quantiles". Twice the loss of the median is the absolute error, so
    that the ratio to the sales compares with WAPE.

    Args:
        truth: ``[row]``, true values.
        quantiles: ``[row, probability]``, forecast quantiles.
        probabilities: their probabilities.
    """
    error = truth[:, None] - quantiles
    probability = np.asarray(probabilities)
    loss: Numbers = 2 * np.maximum(probability * error, (probability - 1) * error).mean(1)
    return loss


def groups(values: Sequence[Any]) -> Groups:
    """Return the number of each value's group, from 0."""
    numbers: dict[Any, int] = {}
    return np.array([numbers.setdefault(value, len(numbers)) for value in values], np.int64)


def _usable(groupings: Sequence[Groups]) -> tuple[Sequence[Groups], float | None]:
    """Return the groupings with enough groups, and the degrees of freedom; None if the first has too few.

    With a few stores, the estimate is about these stores: their own spread can't be seen, and need not be.
    """
    if not groupings:
        return (), np.inf
    numbers = [int(group.max()) + 1 for group in groupings]
    if numbers[0] < MIN_GROUPS:
        return (), None
    usable = [group for group, number in zip(groupings, numbers, strict=True) if number >= MIN_GROUPS]
    return usable, min(number for number in numbers if number >= MIN_GROUPS) - 1


def _variance(residuals: Numbers, groupings: Sequence[Groups]) -> float:
    """Return the variance of a sum of residuals that depend on each other within groups of up to two groupings."""
    if not groupings:
        return _within(residuals, np.arange(len(residuals)))
    variances = [_within(residuals, group) for group in groupings]
    if len(groupings) == 1:
        return variances[0]
    first, second = groupings
    both = _within(residuals, np.unique(first * (int(second.max()) + 1) + second, return_inverse=True)[1])
    # The difference may be less than 0 by chance, or too small.
    return max(sum(variances) - both, *variances)


def _within(residuals: Numbers, group: Groups) -> float:
    sums = np.bincount(group, residuals)
    return float(sums @ sums) * len(sums) / max(len(sums) - 1, 1)
