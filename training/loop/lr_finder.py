"""Result of the learning-rate finder and the rules that it follows. The learner does the training."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class FoundLR:
    """Result of the learning-rate finder.

    Attributes:
        lrs: learning rates that were tried, ascending.
        losses: smoothed training loss at each rate.
        suggestion: suggested learning rate.
    """

    lrs: list[float]
    losses: list[float]
    suggestion: float


def smoothed_losses(losses: Iterable[float], stop: float) -> list[float]:
    """Return the losses as an exponential moving average without bias, until they diverge.

    The last one is the first that is more than ``stop`` times the lowest; a loss that is infinite or NaN is left out.

    >>> [round(loss, 6) for loss in smoothed_losses([2.0, 2.0, math.inf, 1.0], stop=4.0)]
    [2.0, 2.0]
    """
    smoothed: list[float] = []
    average = 0.0
    for step, loss in enumerate(losses, 1):
        average = 0.98 * average + 0.02 * loss
        smooth = average / (1 - 0.98**step)
        if not math.isfinite(smooth):
            break
        smoothed.append(smooth)
        if smooth > stop * min(smoothed):
            break
    return smoothed


def valley(lrs: Sequence[float], losses: Sequence[float]) -> float:
    """Return the learning rate in the middle of the longest descent of the losses, as fastai v2 suggests it.

    The descent is the longest falling subsequence; the suggestion lies half way along. The arithmetic is that of
    fastai's ``valley`` (``callback/schedule.py``).

    >>> valley([1e-4, 1e-3, 1e-2, 1e-1, 1.0], [5.0, 4.0, 3.0, 2.0, 9.0])
    0.001
    """
    longest = [1] * len(losses)
    end = 0
    for i in range(1, len(losses)):
        longest[i] += max((longest[j] for j in range(i) if losses[i] < losses[j]), default=0)
        if longest[i] > longest[end]:
            end = i
    third = longest[end] / 3
    return lrs[max(end - longest[end], 0) + int(third) + int(third / 2)]
