"""Shares of a number of things, such as accuracies, with Wilson's interval; and the agreement of two people."""

import math
from collections import Counter
from collections.abc import Hashable, Sequence
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


class Kappa(NamedTuple):
    """Cohen's kappa: agreement of two people beyond chance, at most 1.

    Attributes:
        share: share of equal answers.
        kappa: ``(share - chance) / (1 - chance)``; None if it is undefined, because all answers are the same.
        interval: its approximate 95 % interval; None likewise.
    """

    share: float
    kappa: float | None
    interval: Interval | None


def kappa(pairs: Sequence[tuple[Hashable, Hashable]]) -> Kappa | None:
    """Return Cohen's kappa (1960) of the answers of two people about the same things; None without pairs.

    Chance is the share of equal answers that is expected of two people who give each answer as often as these, but at
    random. The interval is Wilson's of the share, with this chance taken as known. Unlike the normal approximation it
    is not empty where all answers are equal.
    """
    if not pairs:
        return None
    n_pairs = len(pairs)
    equal = sum(first == second for first, second in pairs)
    first, second = (Counter(answers) for answers in zip(*pairs, strict=True))
    chance = sum(first[answer] * second[answer] for answer in first) / n_pairs**2
    if chance == 1:
        return Kappa(1.0, None, None)
    low, high = ((end - chance) / (1 - chance) for end in wilson(equal, n_pairs))
    share = equal / n_pairs
    return Kappa(share, (share - chance) / (1 - chance), Interval(low, high))
