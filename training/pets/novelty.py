"""Detection of photos that are unlike all training photos: no pet, another animal, another breed.

The score of a photo is its largest logit. With a linear probe, the head starts from the backbone's ImageNet classifier,
so the largest logit says how much the photo shows of anything that the head knows. Hendrycks et al., "Scaling
Out-of-Distribution Detection for Real-World Settings", ICML 2022, https://arxiv.org/abs/1911.11132.

Pure functions of numpy arrays.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from runtime.shares import Z95, Interval

FALSE_ALARMS = 0.05
"""Share of the known photos that is flagged where ``Novelty.flagged`` is measured."""


class Novelty(NamedTuple):
    """Separation of unknown photos from known ones.

    Attributes:
        known: number of known photos.
        unknown: number of unknown photos.
        auroc: probability that an unknown photo has a lower score than a known one.
        interval: 95 % interval of it; of a mean, the lowest and highest area.
        flagged: share of the unknown photos below the score that flags ``FALSE_ALARMS`` of the known ones.
        noticed: share of the unknown photos below a given score; None without one.
    """

    known: int
    unknown: int
    auroc: float
    interval: Interval
    flagged: float
    noticed: float | None = None

    @classmethod
    def mean(cls, results: Sequence["Novelty"]) -> "Novelty":
        """Return the means of several repetitions, with the lowest and highest area as the interval."""
        areas = [result.auroc for result in results]
        return cls(
            round(np.mean([result.known for result in results])),
            round(np.mean([result.unknown for result in results])),
            float(np.mean(areas)),
            Interval(min(areas), max(areas)),
            float(np.mean([result.flagged for result in results])),
            None if results[0].noticed is None else float(np.mean([result.noticed for result in results])),
        )


def separation(known: ArrayLike, unknown: ArrayLike, threshold: float | None = None) -> Novelty:
    """Return how well scores separate unknown photos from known ones.

    The area under the ROC curve is the share of pairs in which the known photo has the higher score; ties count half
    (Mann and Whitney, 1947). Its interval is by Hanley and McNeil, "The Meaning and Use of the Area under a Receiver
    Operating Characteristic Curve", 1982.

    Args:
        known: scores of photos of known breeds, ``[photo]``.
        unknown: scores of other photos, ``[photo]``.
        threshold: score below which a photo counts as unknown, for ``noticed``.

    Raises:
        ValueError: if either is empty.

    >>> round(separation([3, 4, 5], [1, 2, 3]).auroc, 6)  # 8 of 9 pairs are right, and one is a tie
    0.944444
    """
    high, low = np.sort(np.asarray(known, np.float64)), np.sort(np.asarray(unknown, np.float64))
    if not len(high) or not len(low):
        raise ValueError("an area under the ROC curve needs known and unknown photos")
    below = (np.searchsorted(low, high, "left") + np.searchsorted(low, high, "right")) / 2
    area = float(below.mean() / len(low))
    one, two = area / (2 - area), 2 * area**2 / (1 + area)
    variance = area * (1 - area) + (len(high) - 1) * (one - area**2) + (len(low) - 1) * (two - area**2)
    half = Z95 * math.sqrt(max(variance, 0.0) / (len(high) * len(low)))
    limit = known_threshold(high, FALSE_ALARMS)
    return Novelty(
        len(high),
        len(low),
        area,
        Interval(max(area - half, 0.0), min(area + half, 1.0)),
        float(np.mean(low < limit)),
        None if threshold is None else float(np.mean(low < threshold)),
    )


def known_threshold(scores: ArrayLike, false_alarms: float) -> float:
    """Return the score below which a photo counts as unknown, so that this share of the known photos does.

    >>> known_threshold([4.0, 1.0, 3.0, 2.0], 0.25)
    1.5
    """
    ascending = np.sort(np.asarray(scores, np.float64))
    n_flagged = int(false_alarms * len(ascending))
    if n_flagged == 0:
        return float(ascending[0])
    return float(ascending[n_flagged - 1 : n_flagged + 1].mean())
