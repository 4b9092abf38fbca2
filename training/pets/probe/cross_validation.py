"""Logits of photos from heads that were not fitted to them, to calibrate and to judge by.

The photos are divided into folds. For each fold, a head is fitted to the photos of the others. So every photo gets
logits, as served and shifted, and none of them flatters the model.
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from training.pets.calibration import balanced_rows
from training.pets.metrics import Ints
from training.pets.novelty import Novelty, separation
from training.pets.options import Options
from training.pets.probe.features import PhotoFeatures
from training.pets.probe.head import Linear, class_prior, fit_discriminant, fit_logistic, mean_head

LEFT_OUT = 0.2  # share of the classes that a repetition leaves out
REPETITIONS = 10


class LeftOut(NamedTuple):
    """Logits of photos that the network was not trained on.

    Attributes:
        labels: class of each photo, ``[photo]``.
        plain: logits of the photos as served, ``[photo, class]``.
        shifted: logits of shifted copies, ``[copy, photo, class]``.
    """

    labels: Ints
    plain: NDArray[np.float32]
    shifted: NDArray[np.float32]


def fit_head(
    features: PhotoFeatures, labels: Ints, n_classes: int, classifier: Linear | None, options: Options
) -> Linear:
    """Return the head fitted to the photos, their mirror images and, with less weight, copies as of a phone.

    Each class needs a photo. See `training.pets.probe.head`.
    """
    assert options.prior is not None
    truth, versions = torch.from_numpy(labels), (features.plain, features.mirrored, features.phone)
    rows, row_labels = torch.cat(versions), truth.repeat(len(versions))
    weights = torch.tensor([1.0, 1.0, options.phone_weight]).repeat_interleave(len(labels))
    logistic = fit_logistic(
        rows,
        row_labels,
        class_prior(features.plain, truth, n_classes, classifier),
        strength=options.prior,
        weights=weights,
        balanced=options.balanced,
        smoothing=options.smoothing,
    )
    discriminant = fit_discriminant(rows, row_labels, n_classes, shrinkage=options.shrinkage, weights=weights)
    return mean_head([logistic, discriminant], features.plain)


def cross_validate(
    features: PhotoFeatures, labels: Ints, n_classes: int, classifier: Linear | None, options: Options
) -> LeftOut:
    """Return the logits of all photos, each from a head that was fitted to the other folds.

    A photo that is the only one of its class is left out, because no other photo could teach the class.
    """
    fold = _folds(labels, options.folds, options.seed)
    plain = np.zeros((len(labels), n_classes), np.float32)
    shifted = np.zeros((len(features.shifted), *plain.shape), np.float32)
    several = np.bincount(labels, minlength=n_classes)[labels] > 1
    for number in range(options.folds):
        kept, judged = np.flatnonzero((fold != number) | ~several), np.flatnonzero((fold == number) & several)
        head = fit_head(_rows(features, kept), labels[kept], n_classes, classifier, options)
        plain[judged] = head.logits(features.plain[judged]).numpy()
        shifted[:, judged] = head.logits(features.shifted[:, judged]).numpy()
    return LeftOut(labels[several], plain[several], shifted[:, several])


def leave_classes_out(
    features: PhotoFeatures,
    labels: Ints,
    n_classes: int,
    classifier: Linear | None,
    options: Options,
    *,
    known_threshold: float | None = None,
) -> Novelty | None:
    """Return how well the largest logit tells classes that the head was not taught; None with fewer than 4 classes.

    A fifth of the classes is left out, drawn anew in each repetition. Of the other classes, a third of the photos is
    judged, beside those of the classes left out. Each class counts as much as any other.
    """
    if n_classes < 4:
        return None
    rng, results = np.random.default_rng(options.seed), []
    fold = _folds(labels, 3, options.seed)
    for _ in range(REPETITIONS):
        unknown = np.isin(labels, rng.permutation(n_classes)[: max(round(LEFT_OUT * n_classes), 1)])
        taught = np.flatnonzero(~unknown & (fold > 0))
        names = np.unique(labels[taught])
        head = fit_head(
            _rows(features, taught), np.searchsorted(names, labels[taught]), len(names), classifier, options
        )
        largest = head.logits(features.plain).amax(1).numpy()
        known = np.isin(labels, names) & ~unknown & (fold == 0)
        if known.any() and unknown.any():
            rows = [np.flatnonzero(part) for part in (known, unknown)]
            rows = [part[balanced_rows(labels[part], options.seed)] for part in rows]
            results.append(separation(largest[rows[0]], largest[rows[1]], known_threshold))
    return Novelty.mean(results) if results else None


def balanced_split(labels: Ints, n_photos: int, seed: int) -> Ints:
    """Return the indices of photos to train on: the same number of each class, drawn at random.

    All other photos are left to judge by. Average over classes then: they differ in the number of photos left.

    Raises:
        ValueError: if a class does not have more photos than that.
    """
    rng, chosen = np.random.default_rng(seed), []
    for label in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == label))
        if len(rows) <= n_photos:
            raise ValueError(f"class {label} has {len(rows)} photos; a split with {n_photos} of each leaves none")
        chosen.append(rows[:n_photos])
    return np.sort(np.concatenate(chosen))


def _folds(labels: Ints, n_folds: int, seed: int) -> Ints:
    """Return a fold for each photo, ``[photo]``; the photos of a class are spread evenly."""
    rng = np.random.default_rng(seed)
    fold = np.zeros(len(labels), np.int64)
    for label in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == label))
        fold[rows] = (np.arange(len(rows)) + rng.integers(n_folds)) % n_folds
    return fold


def _rows(features: PhotoFeatures, rows: Ints) -> PhotoFeatures:
    plain, mirrored, phone, shifted = features
    return PhotoFeatures(plain[rows], mirrored[rows], phone[rows], shifted[:, rows])
