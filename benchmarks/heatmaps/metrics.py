"""Scores of heatmaps: pure functions of a map and the annotations of its image.

A map is scored as an overlay shows it: interpolated to the pixels of the network's input, 0 at its smallest value and
1 at its largest.
"""

import numpy as np
from numpy.typing import NDArray

from pets.heatmap import bilinear, scale
from pets.images import Box

Pixels = NDArray[np.uint8]  # [side, side, 3]
Heat = NDArray[np.float32]  # [side, side], 0 to 1
Mask = NDArray[np.bool_]  # [side, side]

STEPS = 20  # frames of deletion and insertion, less one


def shown(grid: NDArray[np.float32], side: int) -> Heat:
    """Interpolate a grid as an overlay does: bilinear at ``[side, side]`` pixels, 0 to 1.

    A grid with the same value everywhere becomes 1 everywhere, so that each score below is that of chance.

    >>> shown(np.array([[0, 4]], np.float32), 4)[0]
    array([0.  , 0.25, 0.75, 1.  ], dtype=float32)
    >>> shown(np.array([[4, 4]], np.float32), 4)[0]
    array([1., 1., 1., 1.], dtype=float32)
    """
    scaled = scale(grid)
    centres = (np.arange(side) + 0.5) / side
    return bilinear(scaled if scaled.any() else np.ones_like(scaled), centres, centres)


def spread(heat: Heat) -> float:
    """Return the width of a map: the standard deviation of its heat's position, in sides of the map, over x and y.

    It is 0 for a single pixel, and 1 / √12 = 0.29 for a map that is the same everywhere.

    >>> round(spread(np.array([[0, 0], [1, 1]], np.float32)) ** 2, 6)  # the mean of 1/16 for x and 0 for y
    0.03125
    """
    variances = []
    for axis in (0, 1):
        share = heat.sum(axis=axis, dtype=np.float64) / heat.sum(dtype=np.float64)
        place = (np.arange(len(share)) + 0.5) / len(share)
        variances.append(share @ (place - share @ place) ** 2)
    return float(np.sqrt(np.mean(variances)))


def gaussian(side: int, width: float) -> Heat:
    """Return a Gaussian around the middle, exp(-d² / 2σ²), with σ chosen so that its spread is ``width``.

    Energy inside an animal rewards every narrow map. A fair comparison needs a Gaussian as wide as the map.

    >>> round(spread(gaussian(100, 0.2)), 3)
    0.2
    """
    centres = (np.arange(side) + 0.5) / side - 0.5
    sigmas = np.geomspace(0.02, 5, 200)
    along = np.exp(-((centres / sigmas[:, None]) ** 2) / 2)
    spreads = np.sqrt((along * centres**2).sum(axis=1) / along.sum(axis=1))
    sigma = np.interp(width, spreads, sigmas)
    profile = np.exp(-((centres / sigma) ** 2) / 2).astype(np.float32)
    return np.outer(profile, profile)


def energy_inside(heat: Heat, inside: Mask, counted: Mask) -> float:
    """Return the score of the energy-based pointing game, Σ heat inside / Σ heat. More is better.

    Wang et al., "Score-CAM", 2020.

    Args:
        heat: ``[side, side]``, not negative.
        inside: pixels of the animal.
        counted: pixels that the annotation calls animal or background.

    >>> heat = np.array([[3, 1], [2, 4]], np.float32)
    >>> energy_inside(heat, np.array([[True, False], [False, False]]), np.array([[True, True], [True, False]]))
    0.5
    """
    return float(heat[inside & counted].sum() / heat[counted].sum())


def hits(heat: Heat, box: Box) -> float:
    """Return the score of the pointing game without tolerance: 1 if the largest value is inside the box.

    Zhang et al., "Top-down neural attention by excitation backprop", 2018.

    Args:
        heat: ``[side, side]``.
        box: part of the map that counts, pixels.

    Returns:
        1 or 0. If several pixels have the largest value, the share of them inside the box. More is better.

    >>> hits(np.array([[0, 9], [9, 1]], np.float32), Box(1, 0, 2, 2))
    0.5
    """
    y, x = np.nonzero(heat == heat.max())
    return float(np.mean((x + 0.5 > box.left) & (x + 0.5 < box.right) & (y + 0.5 > box.top) & (y + 0.5 < box.bottom)))


def replaced(start: Pixels, end: Pixels, heat: Heat, steps: int = STEPS) -> Pixels:
    """Return frames in which ``start`` turns into ``end``, the pixels with the most heat first.

    Petsiuk et al., "RISE", 2018. Deletion goes from the photo to a blurred one, insertion from the blurred one to the
    photo.

    Returns:
        ``[steps + 1, side, side, 3]``.

    >>> start, end = np.zeros((1, 4, 3), np.uint8), np.full((1, 4, 3), 9, np.uint8)
    >>> replaced(start, end, np.array([[0.1, 0.4, 0.2, 0.3]], np.float32), steps=2)[:, 0, :, 0]
    array([[0, 0, 0, 0],
           [0, 9, 0, 9],
           [9, 9, 9, 9]], dtype=uint8)
    """
    place = np.empty(heat.size, np.int64)
    place[np.argsort(-heat, axis=None, kind="stable")] = np.arange(heat.size)
    until = np.linspace(0, heat.size, steps + 1).round()
    replaced = place.reshape(heat.shape) < until[:, None, None]
    return np.where(replaced[..., None], end, start)


def area(probability: NDArray[np.float32]) -> float:
    """Return the area under the class's probability over the share of replaced pixels, by trapezoids.

    Less is better for deletion: the map found the pixels that the answer needs. More is better for insertion.

    >>> area(np.array([1, 0.5, 0], np.float32))
    0.5
    """
    return float(np.mean((probability[1:] + probability[:-1]) / 2))


def rank_correlation(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Return Spearman's rank correlation of two maps; tied cells share the mean of their ranks.

    Returns:
        -1 to 1; 0 if one map has the same value everywhere.

    >>> rank_correlation(np.array([1, 2, 30], np.float32), np.array([3, 2, 1], np.float32))
    -1.0
    """

    def ranks(grid: NDArray[np.float32]) -> NDArray[np.float64]:
        _, place, count = np.unique(grid, return_inverse=True, return_counts=True)
        rank: NDArray[np.float64] = (np.cumsum(count) - (count - 1) / 2)[place].ravel()
        return rank - (grid.size + 1) / 2

    x, y = ranks(one), ranks(other)
    spread = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / spread if spread else 0.0


def standard_error(scores: NDArray[np.float64]) -> float:
    """Return the standard error of the mean: the sample's standard deviation / √n.

    >>> standard_error(np.array([1.0, 2, 3])) * 3**0.5
    1.0
    """
    return float(scores.std(ddof=1) / np.sqrt(len(scores)))
