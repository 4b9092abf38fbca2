"""Pairs of photos whose distances on the map PaCMAP sets: near, middle and far."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labelling.neighbours import nearest

NEAR, MIDDLE, FAR = 10, 5, 20  # pairs of each photo
MORE = 50  # candidates beyond the near pairs, by plain distance
DRAWN = 6  # random photos, of which a middle pair takes the second closest
BLOCK = 4_000_000  # values of one block of differences


@dataclass(frozen=True)
class Pairs:
    """Partners of each row. The first axis counts the pairs, so that sums over pairs run over contiguous rows."""

    near: NDArray[np.int64]  # (NEAR, n)
    middle: NDArray[np.int64]  # (MIDDLE, n)
    far: NDArray[np.int64]  # (FAR, n)


def choose_pairs(rows: NDArray[np.floating], random: np.random.Generator) -> Pairs:
    """Choose the pairs of at least 8 rows. Few rows have fewer near pairs, so that two thirds can be far."""
    near = _near(rows, min(NEAR, (len(rows) - 1) // 3))
    far = _others(len(rows), FAR, random)
    while (clash := (far[:, None, :] == near[None, :, :]).any(axis=1)).any():
        far[clash] = _others(len(rows), FAR, random)[clash]
    return Pairs(near, _middle(rows, random), far)


def _near(rows: NDArray[np.floating], count: int) -> NDArray[np.int64]:
    """Return the nearest partners by distance divided by the local scale of both rows."""
    found = nearest(rows, rows, count + MORE, exclude_self=True)
    scale = found.distances[:, 3:6].mean(axis=1)  # mean distance to neighbours 4 to 6
    scale = np.maximum(scale, max(scale.max() * 1e-6, np.finfo(np.float32).tiny))  # copies have distance 0
    scaled = (found.distances / scale[:, None]) * (found.distances / scale[found.indices])
    order = np.argsort(scaled, axis=1, kind="stable")[:, :count]
    return np.take_along_axis(found.indices, order, axis=1).T.copy()


def _middle(rows: NDArray[np.floating], random: np.random.Generator) -> NDArray[np.int64]:
    """Return partners that are the second closest of a few random rows."""
    drawn = _others(len(rows), MIDDLE * DRAWN, random)
    squares = np.empty(drawn.shape, np.float32)
    step = max(1, BLOCK // max(1, len(drawn) * rows.shape[1]))
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        difference = rows[drawn[:, part]] - rows[part]
        squares[:, part] = np.einsum("pij,pij->pi", difference, difference)
    second = np.argsort(squares.reshape(MIDDLE, DRAWN, -1), axis=1, kind="stable")[:, 1:2]
    return np.take_along_axis(drawn.reshape(MIDDLE, DRAWN, -1), second, axis=1)[:, 0]


def _others(n: int, count: int, random: np.random.Generator) -> NDArray[np.int64]:
    """Return `count` random rows for each of n rows, never the row itself."""
    drawn = random.integers(n - 1, size=(count, n))
    return drawn + (drawn >= np.arange(n))
