"""Calibration of probabilities, and the threshold above which an answer is accepted. Pure functions of numpy arrays.

Calibrated means that nine of ten photos with a probability of 0.9 are right. Shapes: ``logits`` and ``probabilities``
are ``[photo, class]``, ``labels`` are ``[photo]``, indices of classes. The *confidence* of a photo is the probability
of the predicted class, which is the highest.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from runtime.shares import wilson
from training.pets.metrics import Floats, Ints
from training.pets.novelty import known_threshold

BINS = 15
"""Number of bins of the expected calibration error, as in Guo et al."""

T_RANGE = (0.05, 20.0)
"""Lowest and highest temperature. Where all photos are right the best one is 0, which makes every answer certain."""


class Calibration(NamedTuple):
    """Values that turn logits into decisions.

    Attributes:
        temperature: divisor of the logits before the softmax.
        threshold: lowest confidence of an accepted answer.
        known_threshold: lowest largest logit of a photo that is like the training photos.
    """

    temperature: float
    threshold: float
    known_threshold: float


class Bins(NamedTuple):
    """Photos by confidence, in bins of equal width. All arrays are ``[bin]``; NaN where a bin is empty."""

    photos: Ints
    confidence: Floats
    accuracy: Floats


class Curve(NamedTuple):
    """Number of accepted and of right photos at each threshold. All arrays are ``[threshold]``, ascending.

    The thresholds are the confidences that occur. A threshold accepts the photos with at least that confidence.
    """

    threshold: Floats
    accepted: Ints
    right: Ints

    @property
    def coverage(self) -> Floats:
        """Share of all photos that is accepted."""
        return self.accepted / float(self.accepted[0])

    @property
    def accuracy(self) -> Floats:
        """Share of the accepted photos whose predicted class is right."""
        return self.right / self.accepted


def log_softmax(logits: ArrayLike, temperature: float = 1.0) -> Floats:
    """Return logarithms of the probabilities, ``z/T - ln Σ exp(z/T)`` by row, in float64.

    >>> np.exp(log_softmax([[1000.0, 1000.0]])).tolist()
    [[0.5, 0.5]]
    """
    z: Floats = np.asarray(logits, np.float64) / temperature
    z -= z.max(axis=1, keepdims=True)
    z -= np.log(np.exp(z).sum(axis=1, keepdims=True))
    return z


def softmax(logits: ArrayLike, temperature: float = 1.0) -> Floats:
    """Return probabilities, ``exp(z/T) / Σ exp(z/T)`` by row, in float64.

    >>> softmax([[0.0, np.log(3)]]).round(9).tolist()
    [[0.25, 0.75]]
    """
    p: Floats = np.exp(log_softmax(logits, temperature))
    return p


def nll(logits: ArrayLike, labels: ArrayLike, temperature: float = 1.0) -> float:
    """Return the mean negative log-likelihood, ``-mean(ln p[label])``, in nats.

    It is the cross entropy that training minimises.

    >>> round(nll([[0.0, np.log(3)], [0.0, 0.0]], [1, 0]), 6)  # (ln 4/3 + ln 2) / 2
    0.490415
    """
    truth = np.asarray(labels, np.int64)
    return float(-log_softmax(logits, temperature)[np.arange(len(truth)), truth].mean())


def fit_temperature(logits: ArrayLike, labels: ArrayLike, *, smoothing: float = 0.0) -> float:
    """Return the temperature T in ``T_RANGE`` that minimises the negative log-likelihood of ``softmax(logits / T)``.

    Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", 2017. The temperature changes the
    confidence of an answer and never the answer. Fit it on photos that the network was not trained on.

    The likelihood is concave in β = 1/T, and highest where ``Σ z[label] = Σ E_p[z]``. The sign of the difference
    shows the side on which T lies, so T is found by bisection.

    Args:
        logits: logits of photos, ``[photo, class]``.
        labels: true classes, ``[photo]``.
        smoothing: probability that the true class is another one, spread evenly over the others. If all photos are
            right, the likelihood alone would make every answer certain. Platt, "Probabilistic Outputs for Support
            Vector Machines", 1999, takes 1 / (photos + 2).

    Raises:
        ValueError: if there are no photos.

    >>> logits = np.log([[0.99, 0.01]] * 10)  # confidence 99 %, right in 9 of 10
    >>> round(float(softmax(logits, fit_temperature(logits, [0] * 9 + [1]))[0, 0]), 6)
    0.9
    """
    z, truth = np.asarray(logits, np.float64), np.asarray(labels, np.int64)
    if not len(truth):
        raise ValueError("no photos to fit a temperature to")
    true, n_others = z[np.arange(len(truth)), truth], z.shape[1] - 1
    label_sum = ((1 - smoothing) * true + smoothing * (z.sum(axis=1) - true) / n_others).sum()
    low, high = np.log(T_RANGE)
    for _ in range(50):
        middle = (low + high) / 2
        too_confident = (softmax(z, float(np.exp(middle))) * z).sum() > label_sum
        low, high = (middle, high) if too_confident else (low, middle)
    return float(np.exp((low + high) / 2))


def reliability(probabilities: ArrayLike, labels: ArrayLike, bins: int = BINS) -> Bins:
    """Return mean confidence and accuracy by bin ``((b-1)/bins, b/bins]`` of confidence.

    >>> reliability([[0.9, 0.1], [0.8, 0.2], [0.4, 0.6]], [0, 1, 1], bins=2).accuracy[1].round(9)
    np.float64(0.666666667)
    """
    p = np.asarray(probabilities, np.float64)
    confidence, right = p.max(axis=1), p.argmax(axis=1) == np.asarray(labels)
    at = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    photos = np.bincount(at, minlength=bins)
    divisor = np.where(photos > 0, photos, np.nan)
    sums = (np.bincount(at, weights, bins) / divisor for weights in (confidence, right))
    return Bins(photos, *sums)


def expected_calibration_error(probabilities: ArrayLike, labels: ArrayLike, bins: int = BINS) -> float:
    """Return ``Σ (n_b / n) |accuracy_b - confidence_b|`` over bins of equal width (Guo et al., 2017).

    A value of 0.03 means that confidences miss the accuracy by 3 percentage points on average. Chance alone keeps it
    above 0, the more so the fewer photos there are. It is NaN without photos.

    >>> round(expected_calibration_error([[0.9, 0.1], [0.3, 0.7]], [0, 0]), 9)  # (|1 - 0.9| + |0 - 0.7|) / 2
    0.4
    """
    by_bin = reliability(probabilities, labels, bins)
    total = by_bin.photos.sum()
    return float(np.nansum(by_bin.photos * np.abs(by_bin.accuracy - by_bin.confidence)) / total) if total else np.nan


def abstention(probabilities: ArrayLike, labels: ArrayLike) -> Curve:
    """Count the accepted photos, and the right ones among them, at each threshold of confidence.

    >>> abstention([[0.9, 0.1], [0.6, 0.4]], [0, 1])
    Curve(threshold=array([0.6, 0.9]), accepted=array([2, 1]), right=array([1, 1]))
    """
    p = np.asarray(probabilities, np.float64)
    confidence, right = p.max(axis=1), p.argmax(axis=1) == np.asarray(labels)
    threshold, at = np.unique(confidence, return_inverse=True)
    accepted, accepted_right = (
        np.bincount(at, weights, len(threshold))[::-1].cumsum()[::-1].astype(np.int64)
        for weights in (np.ones(len(p)), right)
    )
    return Curve(threshold, accepted, accepted_right)


def balanced_rows(labels: ArrayLike, seed: int) -> Ints:
    """Return indices of rows that hold each class equally often, so that each counts as much as any other.

    The number is the median over the classes. A class with fewer rows repeats them, evenly.

    >>> balanced_rows([0, 0, 0, 0, 1, 1, 2], 0).size
    6
    """
    truth, rng = np.asarray(labels, np.int64), np.random.default_rng(seed)
    classes, counts = np.unique(truth, return_counts=True)
    quota = int(np.median(counts))
    chosen = []
    for label in classes:
        rows = np.flatnonzero(truth == label)
        rounds = [rng.permutation(rows) for _ in range(-(-quota // len(rows)))]
        chosen.append(np.concatenate(rounds)[:quota])
    return np.concatenate(chosen)


def choose_threshold(probabilities: ArrayLike, labels: ArrayLike, target: float = 0.97, *, versions: int = 1) -> float:
    """Return the lowest confidence to accept, so that a share ``target`` of the accepted photos is right.

    There are few photos, so a single one must not decide:

    - The lower end of Wilson's interval, one standard error below the share (z = 1), must reach the target. A few right
      photos are not enough: a target of 97 % takes 32 of them.
    - The search starts where that lower end is highest, and goes down as long as it reaches the target. It stops at a
      run of mistakes, because the share below may recover by chance.
    - The threshold lies halfway between the accepted photo of lowest confidence and the next photo.
    - If no threshold reaches the target, the result is the one with the highest lower end, so that some photos are
      accepted.

    Simulations with 100 to 737 photos checked the accepted ones of 8,000 others. They reached the target in 82 to 92 %
    of the runs. With the plain share in place of the lower end they did in 25 to 38 %.

    Args:
        probabilities: calibrated probabilities ``[photo, class]`` of photos that the network was not trained on.
        labels: true classes, ``[photo]``.
        target: wanted share of right photos among the accepted ones, above 0 and below 1.
        versions: number of rows that count as one photo in Wilson's interval, because versions of a photo are not
            independent.

    Returns:
        The threshold; accept a confidence of at least this. If all photos are accepted, it is the lowest confidence
        that occurs, because nothing is known about photos below it.

    Raises:
        ValueError: if there are no photos, or the target is not between 0 and 1.

    >>> certain, uncertain = [[0.95, 0.05]] * 200, [[0.6, 0.4]] * 10
    >>> round(choose_threshold(certain + uncertain, [0] * 200 + [1] * 10), 9)
    0.775
    """
    if not 0 < target < 1:
        raise ValueError(f"the target is {target}; name a share above 0 and below 1")
    curve = abstention(probabilities, labels)
    if not len(curve.threshold):
        raise ValueError("no photos to choose a threshold by")
    counts = zip(curve.right / versions, curve.accepted / versions, strict=True)
    low = np.array([wilson(right, n, z=1.0).low for right, n in counts])
    best = int(low.argmax())
    missed = np.flatnonzero(low[:best] < target)
    at = best if low[best] < target else int(missed[-1]) + 1 if missed.size else 0
    return float(curve.threshold[max(at - 1, 0) : at + 1].mean())


def calibrate(
    plain: ArrayLike, shifted: ArrayLike, labels: ArrayLike, *, target: float, false_alarms: float, seed: int
) -> Calibration:
    """Return the temperature and thresholds that fit photos and their shifted copies.

    Photos as they are and shifted copies have equal weight, and so have the classes. A calibration on photos as they
    are alone would be too sure elsewhere: there, fewer answers are right.

    Args:
        plain: logits of photos that the network was not trained on, ``[photo, class]``.
        shifted: logits of shifted copies, ``[copy, photo, class]``.
        labels: true classes, ``[photo]``.
        target: wanted share of right photos among the accepted ones.
        false_alarms: share of the photos and copies that may count as unknown.
        seed: seed of the draw that balances the classes.

    Raises:
        ValueError: if there are no photos.
    """
    copies = np.asarray(shifted, np.float64)
    versions = np.concatenate([np.repeat(np.asarray(plain, np.float64)[None], len(copies), axis=0), copies])
    logits, truth = versions.reshape(-1, versions.shape[-1]), np.tile(np.asarray(labels, np.int64), len(versions))
    rows = balanced_rows(truth, seed)
    logits, truth = logits[rows], truth[rows]
    temperature = fit_temperature(logits, truth, smoothing=1 / (len(np.asarray(labels)) + 2))
    known = known_threshold(logits.max(axis=1), false_alarms)
    like = logits.max(axis=1) >= known  # other photos go to review anyway
    # Half of the versions count as one photo. Why: measured with all of them as one, so few photos were accepted that
    # 98 % were right for a target of 97 %; with each as its own, 96 to 97 % were.
    threshold = choose_threshold(softmax(logits[like], temperature), truth[like], target, versions=len(copies))
    return Calibration(temperature, threshold, known)
