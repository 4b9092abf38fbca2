"""Procrustes alignment: turn, mirror, scale and shift a map so that its photos stay near their earlier places."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def align(positions: NDArray[np.floating], onto: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return `positions` rotated, reflected, scaled and shifted so that they fit `onto` best.

    The rows that both maps have decide; a row that a map lacks is NaN there. The rotation is the one of least squares.
    The scale makes the spread of the shared rows equal. The scale of least squares would shrink maps that differ, and
    shrink them further with each alignment.

    Args:
        positions: map to move, (n, 2).
        onto: map that stays, (n, 2), with the same photos in the same order.
    """
    moved = np.asarray(positions, np.float64)
    shared = np.isfinite(moved).all(axis=1) & np.isfinite(onto).all(axis=1)
    if not shared.any():
        return moved.astype(np.float32)
    target = np.asarray(onto, np.float64)[shared]
    centre, target_centre = moved[shared].mean(axis=0), target.mean(axis=0)
    moved = moved - centre
    target = target - target_centre
    spread, target_spread = np.linalg.norm(moved[shared]), np.linalg.norm(target)
    if spread > 0 and target_spread > 0:
        left, _, right = np.linalg.svd(moved[shared].T @ target)
        moved = moved @ (left @ right) * (target_spread / spread)
    aligned: NDArray[np.float64] = moved + target_centre
    return aligned.astype(np.float32)
