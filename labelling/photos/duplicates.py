"""Groups of near duplicates: photos that look alike by their difference hash and by their features.

The hash alone takes plain photos for alike, the features alone take two photos of one cat for alike.
"""

import numpy as np
from numpy.typing import NDArray

# Limits of a pair; why: measured copies of pets that are found 0.32 -> 0.98, of drawn vehicles 0.32 -> 0.96, and no
# pair of different photos, not even of cats of one breed (benchmarks.labelling.copies, its half to judge).
MAX_DISTANCE = 8  # bits of the difference hash
MIN_COSINE = 0.6  # of the features
_TILE = 1024  # photos; why: a tile of distances fits into the processor's cache


def near_duplicates(
    dhashes: NDArray[np.uint64],
    features: NDArray[np.float32],
    *,
    max_distance: int = MAX_DISTANCE,
    min_cosine: float = MIN_COSINE,
) -> NDArray[np.int64]:
    """Group near duplicates.

    Args:
        dhashes: difference hash of each photo, ``[photo]``.
        features: features of each photo, ``[photo, column]``, such as the components of ``final-what``.
        max_distance: largest number of bits in which the hashes of a pair differ.
        min_cosine: smallest cosine of the features of a pair.

    Returns:
        ``[photo]``: the number of the first photo of its group. A photo that is like no other is a group alone.
        Pairs join their groups, so that two photos of a group may differ by more than a pair.
    """
    dhashes = np.asarray(dhashes, np.uint64)
    unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    groups = np.arange(len(dhashes))
    for top in range(0, len(dhashes), _TILE):
        for left in range(top, len(dhashes), _TILE):
            down, across = slice(top, top + _TILE), slice(left, left + _TILE)
            near = np.bitwise_count(dhashes[down, None] ^ dhashes[None, across]) <= max_distance
            near = np.triu(near, 1) if top == left else near
            if near.any():
                near &= groups[down, None] != groups[None, across]
                rows, columns = _alike(near, unit[down], unit[across], min_cosine)
                groups = join(groups, rows + top, columns + left)
    return groups


def join(groups: NDArray[np.int64], rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the groups in which the two photos of each pair are together: union-find for all pairs at once.

    Args:
        groups: ``[photo]``: number of the first photo of each photo's group.
        rows: first photo of each pair.
        columns: second photo of each pair.
    """
    if not len(rows):
        return groups
    groups = groups.copy()
    while len(rows):
        first, second = groups[rows], groups[columns]
        apart = first != second
        rows, columns = rows[apart], columns[apart]
        np.minimum.at(groups, np.maximum(first, second)[apart], np.minimum(first, second)[apart])
        while not np.array_equal(above := groups[groups], groups):
            groups = above
    return groups


def _alike(
    near: NDArray[np.bool_], one: NDArray[np.float32], other: NDArray[np.float32], min_cosine: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the pairs of a tile that are near and whose features have a large cosine: rows and columns.

    Args:
        near: pairs whose hashes are near, ``[row, column]``.
        one: features of the rows, of length 1.
        other: features of the columns, of length 1.
        min_cosine: smallest cosine.
    """
    rows, columns = np.flatnonzero(near.any(axis=1)), np.flatnonzero(near.any(axis=0))
    alike = near[np.ix_(rows, columns)] & (one[rows] @ other[columns].T >= min_cosine)
    found_rows, found_columns = np.nonzero(alike)
    return rows[found_rows], columns[found_columns]
