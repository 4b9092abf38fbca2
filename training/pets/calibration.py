"""Whether a probability of 0.9 is right nine times of ten, and what to accept by it. Pure functions of numpy arrays.

Shapes: ``logits`` and ``probabilities`` are ``[photo, class]``, ``labels`` are ``[photo]``, indices of classes. The
*confidence* of a photo is the probability of the class that is said, the highest.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from training.pets.metrics import Floats, Ints, wilson

BINS = 15
"""Of the expected calibration error, as Guo et al. have it."""

T_RANGE = (0.05, 20.0)
"""Temperatures looked at. Where all photos are right the best one is 0, which would call every answer certain."""


class Bins(NamedTuple):
    """Photos by confidence, in bins of equal width. All arrays are ``[bin]``; NaN where a bin is empty."""

    photos: Ints
    confidence: Floats
    accuracy: Floats


class Curve(NamedTuple):
    """What is accepted at each threshold. All arrays are ``[threshold]``, ascending by threshold.

    The thresholds are the confidences that occur: at each, the photos that are at least that sure are accepted.
    """

    threshold: Floats
    accepted: Ints
    right: Ints

    @property
    def coverage(self) -> Floats:
        """The share of all photos that is accepted."""
        return self.accepted / float(self.accepted[0])

    @property
    def accuracy(self) -> Floats:
        """The share of the accepted photos whose class is right."""
        return self.right / self.accepted


def log_softmax(logits: ArrayLike, temperature: float = 1.0) -> Floats:
    """Logarithms of the probabilities, ``z/T - ln Σ exp(z/T)`` by row, in float64.

    >>> np.exp(log_softmax([[1000.0, 1000.0]])).tolist()
    [[0.5, 0.5]]
    """
    z: Floats = np.asarray(logits, np.float64) / temperature
    z -= z.max(axis=1, keepdims=True)
    z -= np.log(np.exp(z).sum(axis=1, keepdims=True))
    return z


def softmax(logits: ArrayLike, temperature: float = 1.0) -> Floats:
    """Probabilities, ``exp(z/T) / Σ exp(z/T)`` by row, in float64.

    >>> softmax([[0.0, np.log(3)]]).round(9).tolist()
    [[0.25, 0.75]]
    """
    p: Floats = np.exp(log_softmax(logits, temperature))
    return p


def nll(logits: ArrayLike, labels: ArrayLike, temperature: float = 1.0) -> float:
    """Mean negative log-likelihood, ``-mean(ln p[label])``, in nats: the cross entropy that training minimises.

    >>> round(nll([[0.0, np.log(3)], [0.0, 0.0]], [1, 0]), 6)  # (ln 4/3 + ln 2) / 2
    0.490415
    """
    truth = np.asarray(labels, np.int64)
    return float(-log_softmax(logits, temperature)[np.arange(len(truth)), truth].mean())


def fit_temperature(logits: ArrayLike, labels: ArrayLike) -> float:
    """The temperature T that makes the negative log-likelihood of ``softmax(logits / T)`` least, within ``T_RANGE``.

    Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", 2017. It changes no answer, only how
    sure it is; fit it on photos that the network was not trained on. In β = 1/T the likelihood is concave, and it is
    highest where ``Σ z[label] = Σ E_p[z]``: the sign of the difference says on which side T lies, so T is bisected.

    Raises:
        ValueError: if there are no photos.

    >>> logits = np.log([[0.99, 0.01]] * 10)  # says 99 % and is right in 9 of 10
    >>> round(float(softmax(logits, fit_temperature(logits, [0] * 9 + [1]))[0, 0]), 6)
    0.9
    """
    z, truth = np.asarray(logits, np.float64), np.asarray(labels, np.int64)
    if not len(truth):
        raise ValueError("no photos to fit a temperature to")
    of_truth = z[np.arange(len(truth)), truth].sum()
    low, high = np.log(T_RANGE)
    for _ in range(50):
        middle = (low + high) / 2
        too_sure = (softmax(z, float(np.exp(middle))) * z).sum() > of_truth
        low, high = (middle, high) if too_sure else (low, middle)
    return float(np.exp((low + high) / 2))


def reliability(probabilities: ArrayLike, labels: ArrayLike, bins: int = BINS) -> Bins:
    """Mean confidence and accuracy by bin ``((b-1)/bins, b/bins]`` of confidence.

    >>> reliability([[0.9, 0.1], [0.8, 0.2], [0.4, 0.6]], [0, 1, 1], bins=2).accuracy[1].round(9)
    np.float64(0.666666667)
    """
    p = np.asarray(probabilities, np.float64)
    confidence, right = p.max(axis=1), p.argmax(axis=1) == np.asarray(labels)
    at = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    photos = np.bincount(at, minlength=bins)
    some = np.where(photos > 0, photos, np.nan)
    sums = (np.bincount(at, weights, bins) / some for weights in (confidence, right))
    return Bins(photos, *sums)


def expected_calibration_error(probabilities: ArrayLike, labels: ArrayLike, bins: int = BINS) -> float:
    """``Σ (n_b / n) |accuracy_b - confidence_b|`` over bins of equal width (Guo et al., 2017); NaN of no photos.

    0.03 says that confidences are 3 percentage points beside the truth on average. Chance alone keeps it above 0: the
    more so, the fewer the photos.

    >>> round(expected_calibration_error([[0.9, 0.1], [0.3, 0.7]], [0, 0]), 9)  # (|1 - 0.9| + |0 - 0.7|) / 2
    0.4
    """
    by_bin = reliability(probabilities, labels, bins)
    total = by_bin.photos.sum()
    return float(np.nansum(by_bin.photos * np.abs(by_bin.accuracy - by_bin.confidence)) / total) if total else np.nan


def abstention(probabilities: ArrayLike, labels: ArrayLike) -> Curve:
    """How many photos are accepted, and how many of them are right, at each threshold of confidence.

    >>> abstention([[0.9, 0.1], [0.6, 0.4]], [0, 1])
    Curve(threshold=array([0.6, 0.9]), accepted=array([2, 1]), right=array([1, 1]))
    """
    p = np.asarray(probabilities, np.float64)
    confidence, right = p.max(axis=1), p.argmax(axis=1) == np.asarray(labels)
    threshold, at = np.unique(confidence, return_inverse=True)
    accepted, of_them_right = (
        np.bincount(at, weights, len(threshold))[::-1].cumsum()[::-1].astype(np.int64)
        for weights in (np.ones(len(p)), right)
    )
    return Curve(threshold, accepted, of_them_right)


def choose_threshold(probabilities: ArrayLike, labels: ArrayLike, target: float = 0.99) -> float:
    """The lowest confidence to accept, so that of the accepted photos a share of ``target`` is right.

    Photos are few, so one lucky or unlucky photo must not decide it:

    - The accepted photos must reach the target at the lower end of Wilson's interval, one standard error below their
      share (z = 1). A few that are all right are not enough: 99 % takes 99 of them.
    - It is searched from where that lower end is highest, downwards, as long as the target is reached: not beyond a
      run of mistakes, behind which the share may recover by chance.
    - It lies halfway between the least sure photo accepted and the next, where no photo is.
    - Where nothing reaches the target, it is where the lower end is highest, instead of refusing everything.

    In simulations with 100 to 737 photos, the accepted of 8,000 others then reached the target 82 to 92 times of a
    hundred; with the plain share in place of the lower end 25 to 38 times.

    Args:
        probabilities: ``[photo, class]``, calibrated, of photos that the network was not trained on.
        labels: ``[photo]``.
        target: share of right among the accepted, above 0 and below 1.

    Returns:
        The threshold: accept where the confidence is at least this. The lowest that occurs if all are accepted:
        nothing is known about photos of which the network is less sure.

    Raises:
        ValueError: if there are no photos, or the target is no such share.

    >>> sure, unsure = [[0.95, 0.05]] * 200, [[0.6, 0.4]] * 10
    >>> round(choose_threshold(sure + unsure, [0] * 200 + [1] * 10), 9)
    0.775
    """
    if not 0 < target < 1:
        raise ValueError(f"the target is {target}; name a share above 0 and below 1")
    curve = abstention(probabilities, labels)
    if not len(curve.threshold):
        raise ValueError("no photos to choose a threshold by")
    low = np.array([wilson(right, n, z=1.0).low for right, n in zip(curve.right, curve.accepted, strict=True)])
    best = int(low.argmax())
    missed = np.flatnonzero(low[:best] < target)
    at = best if low[best] < target else int(missed[-1]) + 1 if missed.size else 0
    return float(curve.threshold[max(at - 1, 0) : at + 1].mean())
