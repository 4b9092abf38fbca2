"""A scripted user: answers suggestions as a person does who knows the breeds, and counts the clicks."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from benchmarks.labelling.pools import Pool
from labelling.learning.arrays import UNLABELLED, Ints, Labels
from labelling.learning.classifier import Classifier, train


class Accuracy(NamedTuple):
    """Accuracy on other photos.

    Attributes:
        photos: share of photos.
        breeds: mean of the shares of the breeds that have photos.
    """

    photos: float
    breeds: float


class Session:
    """One person and one pool.

    Args:
        pool: the photos. Those of the audit are not labelled.
        seed: number of the person.
        overlooked: share of the wrong photos of a group that the person does not see.

    Attributes:
        labels: the labels given so far.
        clicks: number of clicks so far: one for a photo; for a page of groups one to choose it, one to confirm it, and
            one for each photo that does not belong.
        clicks_by_group: the same, if each group of a page takes one to choose it and one to name it. Photos of a small
            group are named one by one where that is less.
        refused: photos that were deselected, with the label of their group.
    """

    def __init__(self, pool: Pool, seed: int, overlooked: float = 0.0) -> None:
        self.pool, self._overlooked = pool, overlooked
        self.clicks = self.clicks_by_group = 0
        self.rng = np.random.default_rng(seed)
        self.labels: Labels = np.full(len(pool.truth), UNLABELLED)
        self.refused: set[tuple[int, int]] = set()
        self._classifier: Classifier | None = None

    @property
    def open(self) -> Ints:
        """Return the photos without a label, in ascending order."""
        return np.flatnonzero((self.labels == UNLABELLED) & ~self.pool.audit)

    def name(self, photo: int) -> None:
        """Label one photo."""
        self.labels[photo] = self.pool.truth[photo]
        self.clicks += 1
        self.clicks_by_group += 1

    def confirm(self, page: Sequence[tuple[Ints, int]]) -> None:
        """Deselect what does not belong to the groups of a page, and confirm the labels of the rest."""
        self.clicks += 2
        for photos, label in page:
            wrong = self.pool.truth[photos] != label
            seen = wrong & (self.rng.random(len(photos)) >= self._overlooked)
            self.refused |= {(photo, label) for photo in photos[seen].tolist()}
            self.labels[photos[~seen]] = label
            self.clicks += int(seen.sum())
            self.clicks_by_group += min(2 + int(seen.sum()), len(photos))

    def classifier(self) -> Classifier:
        """Train on all labels."""
        self._classifier = train(self.pool.rows, self.labels, self.pool.audit, self._classifier)
        return self._classifier

    def accuracy(self) -> Accuracy:
        """Return the accuracy on the pool's other photos of a classifier that has learnt the labels."""
        truth = self.pool.other_truth
        right = self.classifier().predict(self.pool.other_rows).labels == truth
        return Accuracy(float(right.mean()), float(np.mean([right[truth == breed].mean() for breed in set(truth)])))


Policy = Callable[[Session], Iterator[None]]
"""Labels a session's photos, one step at a time."""
