"""The learning-rate finder's answer, and how it is read off. The learner does the training."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class FoundLR:
    """What the learning-rate finder saw: rates, smoothed losses at them, and the rate that it suggests."""

    lrs: list[float]
    losses: list[float]
    suggestion: float


def valley(lrs: Sequence[float], losses: Sequence[float]) -> float:
    """The learning rate in the middle of the longest descent of the losses, as fastai v2 suggests one.

    The descent is the longest falling subsequence; the suggestion lies half way along (fastai's
    ``callback/schedule.py``, ``valley``; its arithmetic is kept).

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
