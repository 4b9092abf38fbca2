"""Shares of a number of things, such as accuracies, with Wilson's interval."""

import math
from typing import NamedTuple

Z95 = 1.959963984540054
"""Half width of a 95 % interval in standard errors: the 97.5 % point of the normal distribution."""


class Interval(NamedTuple):
    """A range of shares, 0 to 1."""

    low: float
    high: float


def wilson(right: float, number: float, z: float = Z95) -> Interval:
    """Return Wilson's score interval of a share.

    It is ``(p + z²/2n ± z √(p(1-p)/n + z²/4n²)) / (1 + z²/n)`` with ``p = right/n``.

    Unlike ``p ± z √(p(1-p)/n)`` it holds for few things and for shares of 0 and 1. Wilson, "Probable Inference, the
    Law of Succession, and Statistical Inference", 1927; Brown, Cai and DasGupta, "Interval Estimation for a Binomial
    Proportion", 2001.

    Args:
        right: number of things that count, such as right answers; may be fractional.
        number: number of all things; may be fractional. For 0 the interval is 0 to 1.
        z: half width of the interval in standard errors.

    >>> [round(end, 4) for end in wilson(343, 355)]
    [0.9419, 0.9806]
    >>> [round(end, 4) for end in wilson(1, 1)]
    [0.2065, 1.0]
    """
    if number <= 0:
        return Interval(0.0, 1.0)
    share, square = right / number, z * z / number
    half = z * math.sqrt(share * (1 - share) / number + square / (4 * number))
    low, high = ((share + square / 2 + side * half) / (1 + square) for side in (-1, 1))
    return Interval(max(min(low, share), 0.0), min(max(high, share), 1.0))
