"""What a good heatmap is, in numbers: pure functions of a map and what is known about its image.

A map is compared as an overlay shows it: at the pixels of the network's input, bilinear, 0 at its smallest value and 1
at its largest.
"""

import numpy as np
from numpy.typing import NDArray

from pets.heatmap import bilinear, scale
from pets.images import Box

Pixels = NDArray[np.uint8]  # [side, side, 3]
Heat = NDArray[np.float32]  # [side, side], 0 to 1
Mask = NDArray[np.bool_]  # [side, side]

STEPS = 20  # of deletion and insertion


def shown(grid: NDArray[np.float32], side: int) -> Heat:
    """A grid as an overlay shows it: bilinear at ``[side, side]`` pixels, 0 to 1.

    One that has the same value everywhere says nothing, and becomes 1 everywhere: each score below is then that of
    chance.

    >>> shown(np.array([[0, 4]], np.float32), 4)[0]
    array([0.  , 0.25, 0.75, 1.  ], dtype=float32)
    >>> shown(np.array([[4, 4]], np.float32), 4)[0]
    array([1., 1., 1., 1.], dtype=float32)
    """
    scaled = scale(grid)
    centres = (np.arange(side) + 0.5) / side
    return bilinear(scaled if scaled.any() else np.ones_like(scaled), centres, centres)


def spread(heat: Heat) -> float:
    """How wide a map is: the standard deviation of where its heat is, in sides of the map, over x and y.

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
    """The map that looks at the middle whatever there is, exp(-d² / 2σ²), with σ such that its spread is ``width``.

    Energy inside an animal rewards narrow maps, wherever they come from: only a Gaussian that is as wide as a map is
    its equal.

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
    """The energy-based pointing game (Wang et al. 2020, "Score-CAM"): Σ heat inside / Σ heat. More is better.

    Args:
        heat: ``[side, side]``, not negative.
        inside: where the animal is.
        counted: where it is known whether the animal is there.

    >>> heat = np.array([[3, 1], [2, 4]], np.float32)
    >>> energy_inside(heat, np.array([[True, False], [False, False]]), np.array([[True, True], [True, False]]))
    0.5
    """
    return float(heat[inside & counted].sum() / heat[counted].sum())


def hits(heat: Heat, box: Box) -> float:
    """The pointing game (Zhang et al. 2018, "Excitation backprop") without its tolerance: is the largest value inside?

    Args:
        heat: ``[side, side]``.
        box: in pixels of the map.

    Returns:
        1 or 0; where several pixels share the largest value, the share of them that are inside. More is better.

    >>> hits(np.array([[0, 9], [9, 1]], np.float32), Box(1, 0, 2, 2))
    0.5
    """
    y, x = np.nonzero(heat == heat.max())
    return float(np.mean((x + 0.5 > box.left) & (x + 0.5 < box.right) & (y + 0.5 > box.top) & (y + 0.5 < box.bottom)))


def replaced(start: Pixels, end: Pixels, heat: Heat, steps: int = STEPS) -> Pixels:
    """``start`` turning into ``end``, the pixels with the most heat first (Petsiuk et al. 2018, "RISE").

    Deletion goes from the photo to a blurred one, insertion back from the blurred one to the photo.

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
    gone = place.reshape(heat.shape) < until[:, None, None]
    return np.where(gone[..., None], end, start)


def area(probability: NDArray[np.float32]) -> float:
    """The area under the curve of the class's probability over the share of replaced pixels, 0 to 1: trapezoids.

    Less is better for deletion (the map found what the answer needs), more for insertion.

    >>> area(np.array([1, 0.5, 0], np.float32))
    0.5
    """
    return float(np.mean((probability[1:] + probability[:-1]) / 2))


def rank_correlation(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Spearman's: Pearson's of the cells' ranks, where cells that tie share the mean of their ranks.

    Returns:
        -1 to 1; 0 if one of them has the same value everywhere.

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
    """Of the mean: the sample's standard deviation / √n.

    >>> standard_error(np.array([1.0, 2, 3])) * 3**0.5
    1.0
    """
    return float(scores.std(ddof=1) / np.sqrt(len(scores)))
