"""Regions of a photo: the part with the animal, found on the grid that one run of the network gives.

The grid is Grad-CAM of the predicted class, ``[rows, columns]``, not negative. Its cells divide the network's input
evenly. The rules were chosen on training photos and on copies of them in which the animal is small;
``benchmarks/heatmaps/regions.py`` measures them.
"""

import numpy as np
from numpy.typing import NDArray

from pets.images import Box

SMALL_SHARE = 0.25  # effective share of the cells below which the animal is small; 2 % of ordinary photos are below
LEVEL = 0.3  # share of the largest value from which a cell belongs to the animal
MARGIN = 0.5  # cells added to the animal's box on each side
MIN_CELLS = 3  # shortest side of a box, cells
MAX_SIDE = 0.75  # side of a box as a share of the input's; a larger box shows too little detail that is new
MIN_GRID = 7  # rows and columns; coarser grids locate nothing


def evidence_share(grid: NDArray[np.float32]) -> float:
    """Return the effective share of the cells that hold the evidence: the participation ratio, ``(Σg)² / (n Σg²)``.

    The value does not depend on the grid's scale. It is ``1 / n`` if one of ``n`` cells has all evidence, and 1 if all
    cells have the same, or none has any.

    Args:
        grid: ``[rows, columns]``, not negative.

    >>> evidence_share(np.array([[0, 3], [0, 0]], np.float32)), evidence_share(np.array([[0, 3], [3, 0]], np.float32))
    (0.25, 0.5)
    """
    scaled = _scaled(grid)
    if not scaled.any():
        return 1.0
    return float(scaled.sum() ** 2 / (scaled.size * (scaled**2).sum()))


def has_small_subject(grid: NDArray[np.float32]) -> bool:
    """Return True if the evidence lies in so small a part of the input that the animal is likely to be small.

    Args:
        grid: ``[rows, columns]``, not negative. For grids with fewer than ``MIN_GRID`` rows or columns the result is
            False.
    """
    return min(grid.shape) >= MIN_GRID and evidence_share(grid) < SMALL_SHARE


def closer_box(grid: NDArray[np.float32], box: Box, width: int, height: int) -> Box | None:
    """Return the square part of a photo with the animal; None if a closer look would not show more detail.

    The square surrounds all cells with at least ``LEVEL`` of the largest value, with a margin. Next to the photo's edge
    it is shifted into the photo.

    Args:
        grid: ``[rows, columns]``, not negative. For grids with fewer than ``MIN_GRID`` rows or columns, or without
            evidence, the result is None.
        box: square part of the photo that the grid covers, pixels.
        width: width of the photo, pixels.
        height: height of the photo, pixels.
    """
    scaled = _scaled(grid)
    if min(grid.shape) < MIN_GRID or not scaled.any():
        return None
    inside: NDArray[np.bool_] = scaled >= LEVEL
    top, bottom = _span(inside, axis=1)
    left, right = _span(inside, axis=0)
    down, across = (box.bottom - box.top) / grid.shape[0], (box.right - box.left) / grid.shape[1]
    cell = max(down, across)
    side = max((bottom - top) * down, (right - left) * across) + 2 * MARGIN * cell
    side = min(max(side, MIN_CELLS * cell), width, height)
    if side > MAX_SIDE * (box.right - box.left):
        return None
    x = _place(box.left + (left + right) / 2 * across, side, width)
    y = _place(box.top + (top + bottom) / 2 * down, side, height)
    return Box(x, y, x + side, y + side)


def _scaled(grid: NDArray[np.float32]) -> NDArray[np.float64]:
    """Divide a grid by its largest value, if that is above 0; in double precision, where no square becomes 0."""
    return grid.astype(np.float64) / (float(grid.max()) or 1.0)


def _span(inside: NDArray[np.bool_], axis: int) -> tuple[int, int]:
    """Return the first row (``axis=1``) or column (``axis=0``) with a True value, and the one after the last.

    >>> _span(np.array([[False, True, False, True, False]]), axis=0)
    (1, 4)
    """
    (indices,) = np.nonzero(inside.any(axis=axis))
    return int(indices[0]), int(indices[-1]) + 1


def _place(middle: float, side: float, length: int) -> float:
    """Return the start of a side around a middle, shifted into 0 to ``length``.

    >>> _place(50, 20, 100), _place(3, 20, 100), _place(99, 20, 100)
    (40.0, 0.0, 80.0)
    """
    return float(min(max(middle - side / 2, 0), length - side))
