"""Softmax regression with an L2 penalty, fitted by L-BFGS."""

from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from labelling.learning.arrays import Floats, Ints, Rows

STRENGTH = 20.0  # C, weight of the data against the penalty
MEMORY, STEPS, TOLERANCE = 10, 300, 1e-6  # pairs kept, iterations at most, largest gradient at the end

Objective = Callable[[Floats], tuple[float, Floats]]


def softmax(logits: Floats) -> Floats:
    """Return probabilities along the last axis.

    >>> softmax(np.array([[0.0, 0.0], [0.0, 1000.0]])).tolist()
    [[0.5, 0.5], [0.0, 1.0]]
    """
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probabilities: Floats = powers / powers.sum(axis=-1, keepdims=True)
    return probabilities


def fit(rows: Rows, classes: Ints, n_classes: int, start: Floats | None = None) -> Floats:
    """Return the weights of a softmax regression in which all classes weigh the same, ``[component + 1, class]``.

    They minimise the mean over classes of the mean ``-log(p)`` of their photos, plus ``|W|² / (2 * STRENGTH *
    photos)``. The last row, which is the intercept, has no penalty. The minimum is the same for any start, and a good
    start reaches it sooner.

    Args:
        rows: ``[photo, component]``, the photos to learn from.
        classes: class of each photo, from 0.
        n_classes: number of classes; each has a photo.
        start: weights to start from, zeros by default.
    """
    n_photos, width = len(rows), rows.shape[1] + 1
    inputs = np.concatenate([rows, np.ones((n_photos, 1), rows.dtype)], axis=1)
    truth = np.eye(n_classes)[classes]
    sample = (1 / (n_classes * np.bincount(classes, minlength=n_classes)))[classes]  # sums to 1

    def objective(flat: Floats) -> tuple[float, Floats]:
        weights = flat.reshape(width, n_classes)
        probabilities = softmax(inputs @ weights)
        loss = -float(sample @ np.log(np.maximum(probabilities[np.arange(n_photos), classes], 1e-300)))
        slope = inputs.T @ (sample[:, None] * (probabilities - truth))
        slope[:-1] += weights[:-1] / (STRENGTH * n_photos)
        return loss + float(np.square(weights[:-1]).sum()) / (2 * STRENGTH * n_photos), slope.ravel()

    first = np.zeros((width, n_classes)) if start is None else start
    return minimise(objective, first.ravel()).reshape(width, n_classes)


def minimise(objective: Objective, point: Floats) -> Floats:
    """Return the minimum of a convex function by L-BFGS (Liu and Nocedal 1989), with steps halved until they help.

    Args:
        objective: function that returns value and gradient.
        point: the point to start from.
    """
    value, slope = objective(point)
    pairs: deque[tuple[Floats, Floats, float]] = deque(maxlen=MEMORY)
    for _ in range(STEPS):
        if np.abs(slope).max() <= TOLERANCE:
            break
        direction = _direction(slope, pairs)
        descent, step = float(slope @ direction), 1.0
        while True:
            moved = point + step * direction
            new_value, new_slope = objective(moved)
            if new_value <= value + 1e-4 * step * descent or step < 1e-10:
                break
            step /= 2
        change, bend = moved - point, new_slope - slope
        if (product := float(change @ bend)) > 0:
            pairs.append((change, bend, 1 / product))
        point, value, slope = moved, new_value, new_slope
    return point


def _direction(slope: Floats, pairs: deque[tuple[Floats, Floats, float]]) -> NDArray[np.float64]:
    """Return minus the inverse Hessian, as the pairs of steps and changes of slope know it, times the slope."""
    direction, factors = -slope, []
    for change, bend, inverse in reversed(pairs):
        factors.append(inverse * float(change @ direction))
        direction -= factors[-1] * bend
    if pairs:
        _, bend, inverse = pairs[-1]
        direction /= inverse * float(bend @ bend)
    else:
        direction /= np.linalg.norm(slope)
    for change, bend, inverse in pairs:
        direction += (factors.pop() - inverse * float(bend @ direction)) * change
    return direction
