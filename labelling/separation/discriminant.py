"""Discriminant axes by linear discriminant analysis (LDA) with a shrunk covariance, for many training sets at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labelling.separation.splits import Splits

SHRINKAGES = (1.0, 0.9, 0.5, 0.1)  # share of a sphere in the covariance; at 1, LDA is the difference of means
AXES = 2
TINY = 1e-100  # keeps zeros from being divided by zero


@dataclass(frozen=True)
class Discriminants:
    """Axes of each training set and shrinkage, and the means of the labels on them.

    The covariance within labels is 1 along each axis.
    """

    axes: NDArray[np.float64]  # (sets, shrinkages, dimensions, axes)
    centres: NDArray[np.float64]  # (sets, shrinkages, labels, axes)


def discriminants(
    rows: NDArray[np.float64],
    labels: NDArray[np.int64],
    training: NDArray[np.bool_],
    shrinkages: tuple[float, ...] = SHRINKAGES,
    dimensions: int | None = None,
) -> Discriminants:
    """Return the axes that separate the labels best: one for two labels, two for more.

    With the mean covariance within labels S of d dimensions and a shrinkage g, the covariance is
    (1 - g) S + g trace(S) / d I.

    Args:
        rows: labelled rows, (n, dimensions).
        labels: label of each row, 0 to the number of labels less 1.
        training: rows of each training set, (sets, n); each set has each label.
        shrinkages: share of the sphere in each covariance.
        dimensions: dimensions of the space, if `rows` are coordinates within their span.
    """
    size = rows.shape[1]
    member = (labels == np.arange(labels.max() + 1)[:, None]) & training[:, None]
    counts = member.sum(axis=2)
    means = (member / counts[:, :, None]) @ rows
    within = (rows.T * training[:, None]) @ rows - (means.transpose(0, 2, 1) * counts[:, None]) @ means
    within /= counts.sum(axis=1)[:, None, None]
    level = np.trace(within, axis1=1, axis2=2) / (dimensions or size)
    # Labels of one row each, or of copies, have no covariance: a very small sphere leaves the difference of means.
    level = np.maximum(level, 1e-12 * (rows**2).mean() + TINY)
    share = np.asarray(shrinkages)[:, None, None]
    covariance = (1 - share) * within[:, None] + share * level[:, None, None, None] * np.eye(size)
    offsets = (means - means.mean(axis=1, keepdims=True))[:, None]
    solved = np.linalg.solve(covariance, offsets.transpose(0, 1, 3, 2))
    strengths, vectors = np.linalg.eigh(offsets @ solved)
    n_axes = min(AXES, means.shape[1] - 1)
    strengths, vectors = strengths[..., : -n_axes - 1 : -1], vectors[..., : -n_axes - 1 : -1]
    lengths = np.sqrt(np.maximum(strengths, 1e-12 * strengths[..., :1] + TINY))
    axes = solved @ (vectors / lengths[..., None, :])
    return Discriminants(axes, means[:, None] @ axes)


def compare(found: Discriminants, rows: NDArray[np.float64], splits: Splits) -> NDArray[np.float64]:
    """Compare the rows that each set holds out, by pairs of rows with two labels.

    A pair is compared along the line through the means of its labels on the map. Its lead is 1 if the two rows lie as
    far apart as the means, in the right order.

    Returns:
        A tally, (sets, shrinkages, 4, labels, labels): the number of pairs, the pairs in the right order, the sum of
        leads and the sum of squared leads. Equal values count as half. Tallies add up.
    """
    places = rows[splits.held][:, None] @ found.axes
    across = found.centres.transpose(0, 1, 3, 2)
    members = splits.members[:, None]
    turned = members.transpose(0, 1, 3, 2)
    lead = _lead(places @ across @ turned)  # of held row i over held row j
    gap = np.maximum(_lead(found.centres @ across), TINY)  # squared distance of the means of two labels
    won, leads, squares = (turned @ part @ members for part in (np.sign(lead) / 2 + 0.5, lead, lead**2))
    count = np.broadcast_to(splits.n_pairs[:, None], won.shape)
    return np.stack([count, won, leads / gap, squares / gap**2], axis=2)


def _lead(closeness: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the lead of row i over row j towards the label of i, from products of rows i and label means of j."""
    same = np.einsum("...ii->...i", closeness)
    lead: NDArray[np.float64] = same[..., :, None] - closeness - np.swapaxes(closeness, -1, -2) + same[..., None, :]
    return lead


def area(tally: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the area under the ROC curve (AUC) of each two labels, averaged over the pairs of labels.

    Labels without pairs are left out. The area is 0.5 if there are none.
    """
    above = np.triu(tally[..., 0, :, :] > 0, 1)
    shares = np.where(above, tally[..., 1, :, :] / np.maximum(tally[..., 0, :, :], 1), 0)
    n_pairs = above.sum(axis=(-2, -1))
    mean: NDArray[np.float64] = np.where(n_pairs > 0, shares.sum(axis=(-2, -1)) / np.maximum(n_pairs, 1), 0.5)
    return mean


def merit(tally: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a value to choose by: the area, and among equal areas the mean lead in units of its deviation.

    With few labels, many candidates order all pairs.
    """
    count, _, lead, square = np.moveaxis(np.triu(tally, 1).sum(axis=(-2, -1)), -1, 0)
    count = np.maximum(count, 1)
    mean = lead / count
    deviation = np.sqrt(np.maximum(square / count - mean**2, 0))
    value: NDArray[np.float64] = area(tally) + 1e-6 * mean / (np.abs(mean) + deviation + TINY)
    return value
