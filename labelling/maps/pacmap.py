"""PaCMAP (Wang, Huang, Rudin and Shaposhnik, 2021) in numpy: a map that keeps both neighbours and the large shape.

The packages `pacmap` and `umap-learn` compile with numba for 38 s at the first map and bring 208 MB; this module needs
0.5 s for 564 photos. The result is deterministic.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labelling.maps.components import finite, principal
from labelling.maps.pairs import Pairs, choose_pairs
from labelling.neighbours import nearest

PHASES = (100, 100, 250)  # steps in which the weight of middle pairs falls, stays and is zero
STEPS = sum(PHASES)
REPORTED = 50  # steps between two reports
RATE, DECAYS, EPSILON = 1.0, (0.9, 0.999), 1e-7  # Adam
FEWEST = 8  # with fewer rows, principal components are the map
MOST = 10_000  # rows that are laid out; the others are placed between them
BETWEEN = 5  # neighbours that a row is placed between


@dataclass(frozen=True)
class Layout:
    """State of a map while it is laid out."""

    step: int
    steps: int
    positions: NDArray[np.float32]  # (n, 2)

    @property
    def done(self) -> bool:
        """True for the last state, the map itself."""
        return self.step == self.steps


def lay_out(
    rows: NDArray[np.floating], *, previous: NDArray[np.floating] | None = None, seed: int = 0
) -> Iterator[Layout]:
    """Lay out the rows on a map, and yield its state every 50 steps. The last state is the map.

    The caller may stop at any state. Above 10,000 rows, a random 10,000 are laid out, and each other row is placed
    between its 5 nearest ones of them. The random rows stay nearly the same when rows are added at the end.

    Args:
        rows: principal components, (n, dimensions).
        previous: an earlier map to start from, (n, 2), of any size and alignment; NaN for rows that it lacks.
        seed: seed of the random pairs.

    Raises:
        ValueError: a value is not finite.
    """
    rows = finite(rows).astype(np.float32)
    if len(rows) < FEWEST:
        yield Layout(STEPS, STEPS, principal(rows))
        return
    random = np.random.default_rng(seed)
    if len(rows) <= MOST:
        yield from _steps(rows, previous, random)
        return
    chosen = np.sort(np.argsort(random.random(len(rows)), kind="stable")[:MOST])
    others = np.setdiff1d(np.arange(len(rows)), chosen)
    place = Place.between(rows[others], rows[chosen])
    for layout in _steps(rows[chosen], None if previous is None else previous[chosen], random):
        positions = np.empty((len(rows), 2), np.float32)
        positions[chosen] = layout.positions
        positions[others] = place(layout.positions)
        yield Layout(layout.step, layout.steps, positions)


@dataclass(frozen=True)
class Place:
    """Places of rows between the positions of their nearest known rows."""

    known: NDArray[np.int64]  # (n, BETWEEN)
    weights: NDArray[np.float32]  # the same shape, sum 1

    @classmethod
    def between(cls, rows: NDArray[np.float32], known: NDArray[np.float32]) -> Place:
        """Find the nearest known rows, and weigh them by the reciprocal of their distance."""
        found = nearest(rows, known, BETWEEN)
        near = 1e-6 * found.distances.max(axis=1, keepdims=True, initial=0)
        weights = 1 / np.maximum(found.distances, near + np.finfo(np.float32).tiny)
        weights /= weights.max(axis=1, keepdims=True)
        return cls(found.indices, weights / weights.sum(axis=1, keepdims=True))

    def __call__(self, positions: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the weighted means of the positions of the known rows."""
        means: NDArray[np.float32] = np.einsum("nk,nkd->nd", self.weights, positions[self.known])
        return means


def _steps(
    rows: NDArray[np.float32], previous: NDArray[np.floating] | None, random: np.random.Generator
) -> Iterator[Layout]:
    """Choose pairs and a start, and yield the states."""
    pairs = choose_pairs(rows, random)
    start = None if previous is None else _earlier(rows, previous, pairs)
    if start is not None:
        yield from _descend(start, pairs, STEPS - PHASES[-1])
        return
    start = principal(rows)
    start -= start.mean(axis=0)
    deviation = start.std(axis=0).max()
    yield from _descend(start * (0.01 / deviation) if deviation > 0 else start, pairs, 0)


def _earlier(rows: NDArray[np.float32], previous: NDArray[np.floating], pairs: Pairs) -> NDArray[np.float32] | None:
    """Return a start from an earlier map in the size that suits the pairs best, or None if it has no extent."""
    start = previous.astype(np.float32)
    known = np.isfinite(start).all(axis=1)
    if not known.any() or (start[known] == start[known][0]).all():
        return None
    if not known.all():
        start[~known] = Place.between(rows[~known], rows[known])(start[known])
    start -= start.mean(axis=0)
    start /= start.std()
    sizes = [start * size for size in np.geomspace(0.5, 128, 17, dtype=np.float32)]
    best: NDArray[np.float32] = min(sizes, key=lambda positions: _loss(positions, pairs))
    return best


def _loss(positions: NDArray[np.float32], pairs: Pairs) -> float:
    """Return PaCMAP's loss of near and far pairs."""
    near, far = (1 + ((positions - positions[partners]) ** 2).sum(axis=-1) for partners in (pairs.near, pairs.far))
    return float((near / (10 + near)).sum() + (1 / (1 + far)).sum())


def _descend(start: NDArray[np.float32], pairs: Pairs, first: int) -> Iterator[Layout]:
    """Minimise PaCMAP's loss by Adam from step `first` on, and yield the state every 50 steps."""
    positions = start.T.copy()
    mean, square = np.zeros_like(positions), np.zeros_like(positions)
    for step in range(first, STEPS):
        near, middle = _weights(step)
        gradient = _gradient(positions, pairs, near, middle)
        mean += (1 - DECAYS[0]) * (gradient - mean)
        square += (1 - DECAYS[1]) * (gradient**2 - square)
        done = step - first + 1
        rate = RATE * np.sqrt(1 - DECAYS[1] ** done) / (1 - DECAYS[0] ** done)
        positions -= np.float32(rate) * mean / (np.sqrt(square) + np.float32(EPSILON))
        if done % REPORTED == 0:
            yield Layout(step + 1, STEPS, positions.T.copy())


def _weights(step: int) -> tuple[float, float]:
    """Return the weights of near and middle pairs; that of far pairs is 1."""
    if step < PHASES[0]:
        fallen = step / PHASES[0]
        return 2, 1000 * (1 - fallen) + 3 * fallen
    return (3, 3) if step < PHASES[0] + PHASES[1] else (1, 0)


def _gradient(positions: NDArray[np.float32], pairs: Pairs, near: float, middle: float) -> NDArray[np.float32]:
    """Return the gradient of the loss, (2, n).

    With d = 1 + squared distance on the map, the loss of a pair is its weight times a function of d. It is d / (10 + d)
    for near pairs, d / (10,000 + d) for middle ones, and 1 / (1 + d) for far ones. Each derivative is
    factor / (offset + d)².
    """
    terms = [(pairs.near, 20 * near, 10), (pairs.far, -2, 1)]
    if middle:
        terms.append((pairs.middle, 20_000 * middle, 10_000))
    partners = np.concatenate([partner for partner, _, _ in terms])
    factor, offset = (
        np.repeat(np.array(values, np.float32), [len(partner) for partner, _, _ in terms])[:, None]
        for values in ([term[1] for term in terms], [term[2] for term in terms])
    )
    difference = positions[:, None] - positions[:, partners]
    distance = 1 + difference[0] ** 2 + difference[1] ** 2
    force = difference * (factor / (offset + distance) ** 2)
    partner = partners.ravel()
    reaction = np.stack([np.bincount(partner, axis.ravel(), positions.shape[1]) for axis in force])
    gradient: NDArray[np.float32] = force.sum(axis=1) - reaction.astype(np.float32)
    return gradient
