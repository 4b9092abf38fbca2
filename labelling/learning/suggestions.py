"""Suggestions of what to label next: typical photos first, then doubtful ones, then groups to confirm."""

from collections.abc import Collection, Mapping
from typing import Literal, NamedTuple

import numpy as np

from labelling.learning.arrays import UNLABELLED, Bools, Floats, Ints, Labels, Rows, checked, trainable, unit
from labelling.learning.checks import review_order
from labelling.learning.classifier import Classifier

# Labels; why: chosen on pools 0 to 9 of benchmarks/labelling/scripted_user.py, where the left photos judge.
TYPICAL_UNTIL, DOUBTFUL_UNTIL = 25, 100
EARLY = 0.15  # expected clicks for a label on a page that comes before DOUBTFUL_UNTIL, at most
PAGE = 24  # photos of a page of groups at most
GROUP_CLICKS = 2  # to choose a page and to confirm it; another for each photo that is deselected

Kind = Literal["typical", "doubtful", "group"]


class Suggestion(NamedTuple):
    """One photo to label, or a group to confirm.

    Attributes:
        kind: ``typical``: many photos are like this one, and it is far from those with a label. ``doubtful``: the
            classifier hesitates between two labels. ``group``: the classifier gives all these photos the same label.
        photos: their rows; those of a group in the order of a review, outliers first.
        labels: the label of a group; the two labels of a doubtful photo, likelier first; none for a typical one.
    """

    kind: Kind
    photos: Ints
    labels: tuple[int, ...] = ()

    def why(self, names: Mapping[int, str]) -> str:
        """Return the reason for the suggestion, for people.

        Args:
            names: name of each label.
        """
        if self.kind == "typical":
            return "Typical of many photos, and unlike those with a label."
        if self.kind == "doubtful":
            first, second = self.labels
            return f"The classifier hesitates between {names[first]} and {names[second]}."
        return f"The classifier takes these for {names[self.labels[0]]}. Deselect the others."


def suggest(
    rows: Rows,
    labels: Labels,
    *,
    audit: Bools,
    typical: Floats,
    classifier: Classifier,
    refused: Collection[tuple[int, int]] = (),
    count: int = 1,
) -> list[Suggestion]:
    """Return what to label next, the most useful first; nothing when all photos have an answer.

    Until there are TYPICAL_UNTIL labels, typical photos far from those with a label find the labels that exist. Until
    there are DOUBTFUL_UNTIL, doubtful ones among these teach the classifier to tell labels apart. After that, groups
    give most photos a label with few clicks: a page of groups, to be confirmed together or one by one. Photos for which
    a page would cost more clicks than labels are suggested one by one.

    Args:
        rows: ``[photo, component]``, the principal components of a space.
        labels: ``[photo]``, numbers from 0, or UNLABELLED, or CANT_TELL. Only unlabelled photos are suggested.
        audit: ``[photo]``, true for the photos that are held back; they are not suggested.
        typical: ``[photo]``, their `typicality` in that space.
        classifier: the classifier that was trained on these labels in that space.
        refused: photos, and the labels that somebody deselected them from. Groups of that label leave them out.
        count: number of single photos at most. A page of groups has PAGE photos at most.
    """
    checked(rows, labels, audit, typical)
    photos = np.flatnonzero((labels == UNLABELLED) & ~audit)
    n_labelled = len(trainable(labels, audit))
    if not photos.size:
        return []
    if classifier.state != "trained" or n_labelled < TYPICAL_UNTIL:
        return [
            Suggestion("typical", photo[None]) for photo in _spread(rows, labels, audit, photos, typical[photos], count)
        ]
    probabilities = classifier.probabilities(rows[photos])
    _refuse(probabilities, photos, classifier.labels, refused)
    order = np.argsort(-probabilities, axis=1, kind="stable")
    best = np.take_along_axis(probabilities, order[:, :2], axis=1)
    page, clicks = _page(rows, photos, classifier.labels[order[:, 0]], best[:, 0])
    if clicks <= (EARLY if n_labelled < DOUBTFUL_UNTIL else 1):
        return page
    doubt = 1 - (best[:, 0] - best[:, 1])
    if n_labelled < DOUBTFUL_UNTIL:
        chosen = _spread(rows, labels, audit, photos, typical[photos] * doubt, count)
    else:
        chosen = photos[np.argsort(-doubt, kind="stable")[:count]]
    first_two = classifier.labels[order[:, :2]]
    return [
        Suggestion("doubtful", photo[None], tuple(first_two[place].tolist()))
        for photo, place in zip(chosen, np.searchsorted(photos, chosen), strict=True)
    ]


def _spread(rows: Rows, labels: Labels, audit: Bools, photos: Ints, value: Floats, count: int) -> Ints:
    """Return the photos of most value, times the distance to the nearest answered or chosen photo, one by one."""
    vectors = unit(rows)
    answered = np.flatnonzero((labels != UNLABELLED) & ~audit)
    nearest = np.full(len(photos), -1, np.float32)
    if answered.size:
        nearest = (vectors[photos] @ vectors[answered].T).max(axis=1)
    left, chosen = np.ones(len(photos), np.bool_), []
    for _ in range(min(count, len(photos))):
        place = int(np.where(left, value * (1 - nearest), -np.inf).argmax())
        left[place] = False
        chosen.append(photos[place])
        nearest = np.maximum(nearest, vectors[photos] @ vectors[photos[place]])
    return np.array(chosen)


def _refuse(probabilities: Floats, photos: Ints, labels: Ints, refused: Collection[tuple[int, int]]) -> None:
    """Set the probability of refused labels to 0, and let the others add up to 1 again."""
    if not refused:
        return
    pairs = np.array(sorted(refused))
    places, classes = np.searchsorted(photos, pairs[:, 0]), np.searchsorted(labels, pairs[:, 1])
    known = (places < len(photos)) & (classes < len(labels))
    places, classes, pairs = places[known], classes[known], pairs[known]
    known = (photos[places] == pairs[:, 0]) & (labels[classes] == pairs[:, 1])
    probabilities[places[known], classes[known]] = 0
    probabilities /= np.maximum(probabilities.sum(axis=1, keepdims=True), np.finfo(float).tiny)


def _page(rows: Rows, photos: Ints, predicted: Ints, confidence: Floats) -> tuple[list[Suggestion], float]:
    """Return groups of photos of the same predicted label that fit on a page, and the expected clicks for a label."""
    groups = []
    for label in np.unique(predicted[confidence > 0]):
        members = np.flatnonzero((predicted == label) & (confidence > 0))  # 0: all labels were refused
        members = members[np.argsort(-confidence[members], kind="stable")[:PAGE]]
        groups.append((_clicks(confidence[members]), int(label), members))
    page: list[Suggestion] = []
    shown = np.zeros(0, np.int64)
    for _, label, members in sorted(groups, key=lambda group: group[0]):
        wider = np.concatenate([shown, members])
        if len(wider) <= PAGE and (not page or _clicks(confidence[wider]) <= _clicks(confidence[shown])):
            page.append(Suggestion("group", review_order(rows, photos[members]), (label,)))
            shown = wider
    return page, _clicks(confidence[shown])


def _clicks(confidence: Floats) -> float:
    """Return the expected number of clicks for a label on a page of photos of these confidences."""
    return (GROUP_CLICKS + float((1 - confidence).sum())) / max(float(confidence.sum()), 1e-9)
