"""The random audit: photos that are held back and answered blind, for the only figure that is called accuracy.

The photos come in the order of the SHA-256 of a seed and their own hash, which is fixed before anybody has labelled
one. The first tenth is held back: not on the map, not in searches, not suggested, and never trained on. So the share of
right predictions among their answers estimates the share among all photos that nobody trained on.

People see a suggestion, agree with it, and choose what is easy to label. Therefore no figure from their own labels says
how good the classifier is (docs/reference/labelling.md).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np

from labelling.learning.arrays import CANT_TELL, UNLABELLED, Bools, Ints, Labels
from runtime.shares import Interval, wilson

FEWEST, MOST, SHARE = 50, 200, 10  # photos at least and at most, and one of how many
KNOWN_FROM, LABEL_FROM = 30, 10  # answers from which the figure of all photos, and of one label, is known


@dataclass(frozen=True)
class Audit:
    """The photos that are held back.

    Attributes:
        asked: rows of the photos to ask about, in the order to ask.
        held: ``[photo]``, true for each of them and for their near-duplicates.
    """

    asked: Ints
    held: Bools


@dataclass(frozen=True)
class Share:
    """Share of right predictions.

    Attributes:
        right: number of right predictions.
        answers: number of answers that say which label is right.
        share: share of right predictions; None if it is not yet known.
        interval: its 95 % interval; None likewise.
    """

    right: int
    answers: int
    share: float | None
    interval: Interval | None


@dataclass(frozen=True)
class Estimate(Share):
    """Estimate of accuracy on photos that nobody trained on.

    Attributes:
        open: number of photos to ask about that have no answer.
        cant_tell: number of photos of which nobody can tell the label. They count neither as right nor as wrong.
        looks: number of models that these photos have judged, with this one.
        by_label: share of right predictions among the photos of each label.
    """

    open: int
    cant_tell: int
    looks: int
    by_label: Mapping[int, Share]


def audit_size(photos: int) -> int:
    """Return how many photos to hold back: a tenth, but at least 50 and at most 200, and never more than half.

    >>> [audit_size(photos) for photos in (1, 60, 400, 564, 50_000)]
    [0, 30, 50, 56, 200]
    """
    return min(max(FEWEST, photos // SHARE), MOST, photos // 2)


def draw_audit(
    hashes: Sequence[str],
    seed: str,
    *,
    size: int | None = None,
    retired: Collection[str] = (),
    groups: Ints | None = None,
) -> Audit:
    """Return the photos to hold back, which stay a random sample when photos are added.

    Of near-duplicates, one is asked about, and all are held back. To draw fresh photos, retire those that were asked
    about: they may be labelled and trained on from then on, and the next ones in the order take their place. Labels
    that those have already don't count any more: ask again, blind.

    Args:
        hashes: hash of each photo, each a different one. Append new photos.
        seed: text of the project, chosen at its start.
        size: number of photos to ask about; `audit_size` by default.
        retired: hashes of the photos that were asked about in earlier draws.
        groups: ``[photo]``, number of each photo's group of near-duplicates; each photo is a group by default.

    Raises:
        ValueError: if two photos have the same hash.
    """
    n_photos = len(hashes)
    if len(set(hashes)) < n_photos:
        raise ValueError("hashes: two photos have the same hash; give each photo once")
    group = np.arange(n_photos) if groups is None else groups
    # The first photo of a group stands for it, so that a large group is no more likely to be drawn than a small one.
    _, firsts, group = np.unique(group, return_index=True, return_inverse=True)
    gone = set(group[[i for i, photo in enumerate(hashes) if photo in set(retired)]].tolist()) if retired else set()
    keys = {number: sha256((seed + hashes[first]).encode()).digest() for number, first in enumerate(firsts.tolist())}
    order = sorted((number for number in keys if number not in gone), key=keys.__getitem__)
    drawn = np.array(order[: audit_size(n_photos) if size is None else size], np.int64)
    return Audit(firsts[drawn].astype(np.int64), np.isin(group, drawn))


def estimate(answers: Labels, predicted: Labels, *, looks: int = 1) -> Estimate:
    """Return the estimate of accuracy from blind answers.

    Args:
        answers: ``[asked]``, the answer about each photo to ask about, or UNLABELLED, or CANT_TELL.
        predicted: ``[asked]``, the prediction of each. While all are UNLABELLED, nothing is known.
        looks: number of models that these photos have judged, with this one. The more there are, the better is their
            best figure by luck alone; draw fresh photos then.
    """
    answered = answers >= 0
    exists = bool((predicted >= 0).any())
    hits = answers == predicted
    by_label = {
        int(label): _share(hits[answers == label], LABEL_FROM if exists else None)
        for label in np.unique(answers[answered])
    }
    total = _share(hits[answered], KNOWN_FROM if exists else None)
    return Estimate(
        total.right,
        total.answers,
        total.share,
        total.interval,
        open=int((answers == UNLABELLED).sum()),
        cant_tell=int((answers == CANT_TELL).sum()),
        looks=looks,
        by_label=by_label,
    )


def _share(hits: Bools, fewest: int | None) -> Share:
    """Return the share of hits; not yet known below a number of answers, or at all without that number."""
    right, answers = int(hits.sum()), len(hits)
    if fewest is None or answers < fewest:
        return Share(right, answers, None, None)
    return Share(right, answers, right / answers, wilson(right, answers))
