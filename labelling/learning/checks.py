"""Photos and labels that deserve a second look: odd photos, doubtful labels, outliers of a group."""

from typing import NamedTuple

import numpy as np

from labelling.learning.arrays import Bools, Floats, Ints, Labels, Rows, checked, unit
from labelling.learning.classifier import held_out
from labelling.neighbours import nearest

# Neighbours; why: with 10, rare labels come later. Mean over breeds 0.53, not 0.56, after 25 labels (scripted_user).
TYPICAL_NEIGHBOURS = 5
ODD_NEIGHBOURS = 10


class Doubts(NamedTuple):
    """Labelled photos, those with the most doubtful label first.

    Attributes:
        photos: ``[judged]``, their rows.
        probability: ``[judged]``, the probability of the label that they have, by a classifier that has not seen it.
    """

    photos: Ints
    probability: Floats


def typicality(rows: Rows, audit: Bools, *, neighbours: int = TYPICAL_NEIGHBOURS, among: int = 10_000) -> Floats:
    """Return the mean cosine of each photo to its nearest neighbours; NaN for the photos of the audit.

    Args:
        rows: ``[photo, component]``, the principal components of a space.
        audit: ``[photo]``, true for the photos that are held back. They are nobody's neighbours either.
        neighbours: number of neighbours.
        among: number of photos to look for neighbours in. Of more photos, a random sample is taken.
    """
    photos = np.flatnonzero(~audit)
    vectors = unit(checked(rows, audit)[photos])
    sample = np.sort(np.random.default_rng(0).permutation(len(photos))[:among])
    found = nearest(vectors, vectors[sample], neighbours + 1)
    cosines = 1 - np.square(found.distances) / 2
    # A photo of the sample finds itself, unless it has many exact copies. Then the last cosine is as good as its own.
    itself = sample[found.indices] == np.arange(len(photos))[:, None]
    itself[~itself.any(axis=1), -1:] = True
    n_neighbours = (~itself).sum(axis=1).max(initial=0)
    typical = np.full(len(rows), np.nan)
    typical[photos] = cosines[~itself].reshape(-1, n_neighbours).mean(axis=1) if n_neighbours else 1.0
    return typical


def odd_photos(rows: Rows, audit: Bools, *, count: int = 24, among: int = 10_000) -> Ints:
    """Return the photos that are least like their ten nearest neighbours; none of the audit.

    Args:
        rows: ``[photo, component]``, the principal components of a space.
        audit: ``[photo]``, true for the photos that are held back.
        count: number of photos to return at most.
        among: number of photos to look for neighbours in.
    """
    typical = typicality(rows, audit, neighbours=ODD_NEIGHBOURS, among=among)
    return np.argsort(typical, kind="stable")[: min(count, int(np.isfinite(typical).sum()))]


def review_order(rows: Rows, group: Ints) -> Ints:
    """Return a group of photos with the outliers first: by the cosine to the mean of the others."""
    vectors = unit(checked(rows)[group])
    others = unit(vectors.sum(axis=0) - vectors)
    return group[np.argsort(np.einsum("ij,ij->i", vectors, others), kind="stable")]


def doubtful_labels(rows: Rows, labels: Labels, audit: Bools) -> Doubts:
    """Return the labelled photos by the probability of their label, the lowest first.

    This is the self-confidence of confident learning (Northcutt, Jiang and Chuang 2021), for photos whose label another
    photo has too.
    """
    judged = held_out(rows, labels, audit)
    order = np.argsort(judged.probability, kind="stable")
    return Doubts(judged.photos[order], judged.probability[order])
