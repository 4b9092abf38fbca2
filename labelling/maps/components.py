"""Maps that show two principal components as they are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def principal(rows: NDArray[np.floating], first: int = 0) -> NDArray[np.float32]:
    """Return principal components `first` and `first + 1` of rows that are principal components already.

    Components that the rows lack are zero.

    Raises:
        ValueError: a value is not finite.
    """
    positions = np.zeros((len(rows), 2), np.float32)
    columns = finite(rows)[:, first : first + 2]
    positions[:, : columns.shape[1]] = columns
    return positions


def finite(rows: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the rows, or raise ValueError that names the first row with a value that is not finite."""
    bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if len(bad):
        raise ValueError(f"row {bad[0]} has a value that is not finite; leave the photo out or compute its row again")
    return rows
