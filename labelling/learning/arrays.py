"""Arrays that all functions take, and their checks."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

UNLABELLED = -1  # nobody has answered
CANT_TELL = -2  # somebody has looked, and can't tell: never trained on, and not suggested again

Rows = NDArray[np.floating[Any]]  # [photo, component]
Labels = NDArray[np.integer[Any]]  # [photo]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def checked(rows: Rows, *columns: NDArray[Any]) -> Rows:
    """Return the rows, after a check that they are finite and that each column has one value a photo.

    Raises:
        ValueError: if they are not.
    """
    fitting(rows, *columns)
    if not np.isfinite(rows.sum()):  # a sum is cheap, and not finite if a value is not
        broken = np.flatnonzero(~np.isfinite(rows).all(axis=1))
        if broken.size:
            raise ValueError(f"rows: photo {broken[0]} has a value that is not finite; compute its features again")
    return rows


def fitting(rows: Rows, *columns: NDArray[Any]) -> Rows:
    """Return the rows, after a check that each column has one value a photo.

    Raises:
        ValueError: if one has not.
    """
    if rows.ndim != 2:
        raise ValueError(f"rows: the shape is {rows.shape}; give one row a photo, [photo, component]")
    for column in columns:
        if column.shape != rows.shape[:1]:
            raise ValueError(f"shape {column.shape} for {len(rows)} photos; give labels and marks one value a photo")
    return rows


def unit(rows: Rows) -> NDArray[np.float32]:
    """Return rows of length 1, so that products are cosines; rows of zeros stay as they are.

    >>> unit(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist()
    [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    single = rows.astype(np.float32, copy=False)
    lengths = np.sqrt(np.einsum("ij,ij->i", single, single))
    return np.asarray(single / np.maximum(lengths, np.finfo(np.float32).tiny)[:, None])


def trainable(labels: Labels, audit: Bools) -> Ints:
    """Return the photos whose label may be learnt from: labelled, and not held back for the audit."""
    return np.flatnonzero((labels >= 0) & ~audit)
