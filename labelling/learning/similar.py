"""Exact search for photos that are like some, and unlike others."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from labelling.learning.arrays import Bools, Floats, Ints, Rows, checked, unit

# Weight of the most similar negative; why: of 0 to 1, it found most after one page of answers, for labels of one breed
# and for those of three. So did the mean of two cosines to positives: the mean of all is better for one breed (average
# precision 0.54 to 0.69, not 0.53 to 0.61), and fails if a label has several kinds (0.15 to 0.22, not 0.32 to 0.43).
DISLIKE = 0.5


class Similar(NamedTuple):
    """Photos like the positives, the most similar first.

    Attributes:
        photos: ``[found]``, their rows.
        scores: ``[found]``, mean of the two highest cosines to positives, less half the highest cosine to a negative.
        near_duplicate: ``[found]``, true for a near-duplicate of a positive.
    """

    photos: Ints
    scores: Floats
    near_duplicate: Bools


def find_similar(
    rows: Rows,
    positives: Sequence[int] | Ints,
    negatives: Sequence[int] | Ints = (),
    *,
    audit: Bools,
    leave_out: Bools | None = None,
    groups: Ints | None = None,
    count: int = 200,
) -> Similar:
    """Return the photos that are like the positives and unlike the negatives, from all photos.

    Args:
        rows: ``[photo, component]``, the principal components of a space.
        positives: rows of photos that the others should be like, one at least.
        negatives: rows of photos that they should not be like, such as those that were deselected in a review.
        audit: ``[photo]``, true for the photos that are held back; they are not found.
        leave_out: ``[photo]``, true for other photos that should not be found, such as labelled ones.
        groups: ``[photo]``, number of each photo's group of near-duplicates; without it, none is marked.
        count: number of photos to return at most.

    Raises:
        ValueError: if there is no positive, or a value of the rows is not finite.
    """
    liked, disliked = np.asarray(positives, np.int64), np.asarray(negatives, np.int64)
    if not liked.size:
        raise ValueError("positives: there are none; choose one photo at least")
    cosines = _cosines(checked(rows, audit), np.concatenate([liked, disliked]))
    best = cosines[:, : liked.size]
    if liked.size > 2:
        best = np.partition(best, -2, axis=1)[:, -2:]
    scores = best.mean(axis=1)
    if disliked.size:
        scores -= DISLIKE * cosines[:, liked.size :].max(axis=1)
    hidden = audit.copy() if leave_out is None else audit | leave_out
    hidden[liked] = hidden[disliked] = True
    scores[hidden] = -np.inf
    found = min(count, len(rows) - int(hidden.sum()))
    photos = _highest(scores, found)
    copies = np.zeros(found, np.bool_) if groups is None else np.isin(groups[photos], groups[liked])
    return Similar(photos, scores[photos].astype(np.float64), copies)


def _highest(scores: NDArray[np.float32], count: int) -> Ints:
    """Return the places of the highest scores in descending order; of equal ones, the first."""
    if count == 0:
        return np.zeros(0, np.int64)
    candidates = np.flatnonzero(scores >= np.partition(scores, -count)[-count])
    return candidates[np.argsort(-scores[candidates], kind="stable")][:count]


def _cosines(rows: Rows, photos: Ints) -> NDArray[np.float32]:
    """Return the cosine of each photo to some of them, ``[photo, chosen]``; 0 for a row of zeros."""
    single = rows.astype(np.float32, copy=False)
    lengths = np.sqrt(np.einsum("ij,ij->i", single, single))
    products: NDArray[np.float32] = single @ unit(single[photos]).T
    products /= np.maximum(lengths, np.finfo(np.float32).tiny)[:, None]
    return products
