"""Exact search for photos that are like some, and unlike others."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from labelling.learning.arrays import Bools, Floats, Ints, Rows, checked, fitting, unit

# Weight of the most similar negative; why: of 0 to 1, it found most after one page of answers, for labels of one breed
# and for those of three. So did the mean of two cosines to positives: the mean of all is better for one breed (average
# precision 0.54 to 0.69, not 0.53 to 0.61), and fails if a label has several kinds (0.15 to 0.22, not 0.32 to 0.43).
DISLIKE = 0.5

# Bounds of scores; why: with 200 positives and a negative of 50,000 photos, measured 113 -> 45 ms of CPU time
# (find_similar, rows of benchmarks.labelling.api.scale). Heads of 47 to 96 components and blocks of 1,024 to 16,384
# photos were no faster. Random rows, whose later components say as much as the first, lose a tenth.
_MANY = 32  # positives from which on bounds come first; below, the products cost less than reading the rows
_HEAD = 63  # components that bounds are computed from
_LIKELY = 4  # photos by found one whose scores set the limit that bounds have to reach
_ROUNDING = np.float32(1e-4)  # more than the rounding of a sum of 256 products
_BLOCK = 8192  # photos whose products are computed at once


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
    single = fitting(rows, audit).astype(np.float32, copy=False)
    hidden = audit.copy() if leave_out is None else audit | leave_out
    hidden[liked] = hidden[disliked] = True
    found = min(count, len(rows) - int(hidden.sum()))
    examples = _Examples(unit(single[liked]), unit(single[disliked]))
    photos, scores = _candidates(single, examples, hidden, found)
    order = _highest(scores, found)
    photos = photos[order]
    copies = np.zeros(found, np.bool_) if groups is None else np.isin(groups[photos], groups[liked])
    return Similar(photos, scores[order].astype(np.float64), copies)


class _Examples(NamedTuple):
    """Positives and negatives as rows of length 1."""

    liked: NDArray[np.float32]
    disliked: NDArray[np.float32]

    def scores(self, rows: NDArray[np.float32], heads: bool = False) -> NDArray[np.float32]:
        """Return the score of each row; 0 for a row of zeros.

        Args:
            rows: ``[photo, component]``, of any length.
            heads: return upper bounds instead, by comparing heads of rows with those of the positives; see `_heads`.

        Raises:
            ValueError: if a value of the rows is not finite.
        """
        liked = _heads(self.liked) if heads else self.liked
        scores = np.empty(len(rows), np.float32)
        with np.errstate(invalid="ignore", over="ignore"):
            for start in range(0, len(rows), _BLOCK):
                block = rows[start : start + _BLOCK]
                compared = _heads(block) if heads else block
                found = _mean_of_two_highest(liked @ compared.T)
                if len(self.disliked):
                    found -= DISLIKE * (self.disliked @ block.T).max(axis=0)
                lengths = np.sqrt(np.einsum("ij,ij->i", compared, compared))
                scores[start : start + _BLOCK] = found / np.maximum(lengths, np.finfo(np.float32).tiny)
        if not np.isfinite(scores).all():
            checked(rows)
        return scores


def _candidates(
    rows: NDArray[np.float32], examples: _Examples, hidden: Bools, count: int
) -> tuple[Ints, NDArray[np.float32]]:
    """Return the photos that may be among those with the highest scores, in order, and the scores of these photos."""
    photos, likely = np.flatnonzero(~hidden), _LIKELY * count
    if len(examples.liked) < _MANY or likely >= len(photos):
        return photos, examples.scores(rows)[photos]
    bounds = examples.scores(rows, heads=True)[photos] + _ROUNDING
    first = photos[np.argpartition(bounds, -likely)[-likely:]]
    photos = photos[bounds >= np.partition(examples.scores(rows[first]), -count)[-count]]
    return photos, examples.scores(rows[photos])


def _heads(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the first components of rows, and in a further column the length of the other components.

    The product of two heads is at least that of the rows, by the inequality of Cauchy and Schwarz.
    """
    tails = rows[:, _HEAD:]
    return np.concatenate([rows[:, :_HEAD], np.sqrt(np.einsum("ij,ij->i", tails, tails))[:, None]], axis=1)


def _mean_of_two_highest(columns: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mean of the two highest values of each column; of the only value if there is but one."""
    if len(columns) == 1:
        return np.asarray(columns[0])
    high, low = np.maximum(columns[0], columns[1]), np.minimum(columns[0], columns[1])
    for row in columns[2:]:
        np.maximum(low, np.minimum(high, row), out=low)
        np.maximum(high, row, out=high)
    return np.asarray((high + low) / 2)


def _highest(scores: NDArray[np.float32], count: int) -> Ints:
    """Return the places of the highest scores in descending order; of equal ones, the first."""
    if count == 0:
        return np.zeros(0, np.int64)
    candidates = np.flatnonzero(scores >= np.partition(scores, -count)[-count])
    return candidates[np.argsort(-scores[candidates], kind="stable")][:count]
