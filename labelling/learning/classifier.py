"""A classifier of photos in one space, trained again after every label."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from labelling.learning import softmax
from labelling.learning.arrays import UNLABELLED, Bools, Floats, Ints, Labels, Rows, checked, trainable, unit

COMPONENTS = 128  # first components of a space that the classifier sees
FOLDS = 5

State = Literal["no labels", "one label", "trained"]


class Predictions(NamedTuple):
    """The most probable label of each photo, and how sure the classifier is.

    Attributes:
        labels: ``[photo]``, the most probable label; UNLABELLED while there are fewer than two labels.
        confidence: ``[photo]``, its probability; 0 while there are fewer than two labels.
        margin: ``[photo]``, its lead over the second label's probability.
        second: ``[photo]``, the second label; UNLABELLED while there are fewer than two labels.
    """

    labels: Ints
    confidence: Floats
    margin: Floats
    second: Ints


@dataclass(frozen=True)
class Classifier:
    """A softmax regression on the first components of a space, on rows of length 1.

    Attributes:
        labels: ``[class]``, the labels that it knows, in ascending order.
        weights: ``[component + 1, class]``, with the intercept last; zeros while there are fewer than two labels.
    """

    labels: Ints
    weights: Floats

    @property
    def state(self) -> State:
        """Return ``trained`` if there are two labels or more; before that there is nothing to predict."""
        return ("no labels", "one label", "trained")[min(len(self.labels), 2)]

    def probabilities(self, rows: Rows) -> Floats:
        """Return the probability of each label, ``[photo, class]``; no columns while there is nothing to predict."""
        inputs = _inputs(checked(rows))
        if self.state != "trained":
            return np.zeros((len(rows), 0))
        return softmax.softmax(inputs @ self.weights[:-1] + self.weights[-1])

    def predict(self, rows: Rows) -> Predictions:
        """Return the most probable label of each photo."""
        probabilities = self.probabilities(rows)
        if self.state != "trained":
            none, zeros = np.full(len(rows), UNLABELLED), np.zeros(len(rows))
            return Predictions(none, zeros, zeros, none)
        photos = np.arange(len(rows))
        best = probabilities.argmax(axis=1)
        others = probabilities.copy()
        others[photos, best] = -1
        second = others.argmax(axis=1)
        confidence = probabilities[photos, best]
        return Predictions(
            self.labels[best], confidence, confidence - probabilities[photos, second], self.labels[second]
        )


def train(rows: Rows, labels: Labels, audit: Bools, start: Classifier | None = None) -> Classifier:
    """Return a classifier that has learnt the labels of all photos but those of the audit.

    Args:
        rows: ``[photo, component]``, the principal components of a space.
        labels: ``[photo]``, numbers from 0, or UNLABELLED, or CANT_TELL.
        audit: ``[photo]``, true for the photos that are held back for the audit.
        start: an earlier classifier, of any labels. The result is the same, with fewer steps.
    """
    checked(rows, labels, audit)
    photos = trainable(labels, audit)
    inputs = _inputs(rows[photos])
    known, classes = np.unique(labels[photos], return_inverse=True)
    weights = np.zeros((inputs.shape[1] + 1, len(known)))
    if len(known) < 2:
        return Classifier(known.astype(np.int64), weights)
    if start is not None and len(start.weights) == len(weights):
        _, new, old = np.intersect1d(known, start.labels, return_indices=True)
        weights[:, new] = start.weights[:, old]
    return Classifier(known.astype(np.int64), softmax.fit(inputs, classes, len(known), weights))


class HeldOut(NamedTuple):
    """Judgement of labelled photos by classifiers that have not seen them.

    Attributes:
        photos: the photos that can be judged: those whose label another photo has too.
        labels: ``[judged]``, their labels.
        probability: ``[judged]``, the probability of that label.
    """

    photos: Ints
    labels: Ints
    probability: Floats


def held_out(rows: Rows, labels: Labels, audit: Bools) -> HeldOut:
    """Return the probability of each photo's own label, from a classifier trained without a fifth of the photos.

    The folds have equal shares of each label, and are the same in each call.
    """
    checked(rows, labels, audit)
    photos = trainable(labels, audit)
    known, classes, counts = np.unique(labels[photos], return_inverse=True, return_counts=True)
    several = counts[classes] > 1
    if len(known) < 2 or not several.any():
        return HeldOut(photos[:0], labels[photos[:0]].astype(np.int64), np.zeros(0))
    inputs, fold = _inputs(rows[photos]), _folds(classes)
    probability = np.zeros(len(photos))
    weights = np.zeros((inputs.shape[1] + 1, len(known)))
    for number in range(FOLDS):
        out = fold == number
        # A label with a single photo would leave no photo to learn it from, so that photo is never left out.
        learnt = ~out | ~several
        weights = softmax.fit(inputs[learnt], classes[learnt], len(known), weights)
        logits = inputs[out] @ weights[:-1] + weights[-1]
        probability[out] = softmax.softmax(logits)[np.arange(out.sum()), classes[out]]
    return HeldOut(photos[several], known[classes[several]].astype(np.int64), probability[several])


class SpaceScore(NamedTuple):
    """A space, and how well a classifier in it predicts labels that it has not seen.

    Attributes:
        space: name of the space.
        log_loss: mean over labels of ``-log(probability of the right label)``; lower is better.
        behind: distance from the log loss of the best space, in standard errors of their difference over the photos.
    """

    space: str
    log_loss: float
    behind: float


def rank_spaces(spaces: Mapping[str, Rows], labels: Labels, audit: Bools) -> list[SpaceScore]:
    """Return the spaces by cross-validated log loss, the best first; none if no two photos share a label.

    The score compares spaces, and says nothing about accuracy: people do not label at random.
    """
    losses: dict[str, Floats] = {}
    weights = np.zeros(0)
    for space, rows in spaces.items():
        judged = held_out(rows, labels, audit)
        if not len(judged.photos):
            return []
        losses[space] = -np.log(np.maximum(judged.probability, 1e-12))
        known, label, counts = np.unique(judged.labels, return_inverse=True, return_counts=True)
        weights = 1 / (len(known) * counts[label])  # each label weighs the same
    order = sorted(losses, key=lambda space: float(weights @ losses[space]))
    return [
        SpaceScore(space, float(weights @ losses[space]), _behind(losses[space] - losses[order[0]], weights))
        for space in order
    ]


def _behind(differences: Floats, weights: Floats) -> float:
    """Return a weighted mean of differences in standard errors of this mean."""
    mean = float(weights @ differences)
    deviation = float(np.sqrt(np.square(weights * (differences - mean)).sum()))
    return mean / deviation if deviation > 0 else 0.0


def _inputs(rows: Rows) -> Floats:
    return unit(rows[:, :COMPONENTS]).astype(np.float64)


def _folds(classes: Ints) -> Ints:
    """Return a fold for each photo: the photos of each class, in random order, go to the folds in turn."""
    order = np.random.default_rng(0).permutation(len(classes))
    fold = np.empty(len(classes), np.int64)
    fold[order[np.argsort(classes[order], kind="stable")]] = np.arange(len(classes)) % FOLDS
    return fold
