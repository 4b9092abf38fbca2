"""Separating projection: the space and the direction in which labels differ most, with an honest score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labelling.maps.alignment import align
from labelling.separation.chance import chance
from labelling.separation.choice import choose
from labelling.separation.discriminant import discriminants
from labelling.separation.splits import hold_out

DIMENSIONS = 50  # principal components that take part
MOST = 200  # labelled photos that choose and score; why: half a second of CPU for 14 spaces
REPEATS = 4  # folds of each labelled photo, whose positions are averaged
WEAK = 0.6  # score below which the labels are not separated
RARE = 0.001  # p-value above which chance may have separated them


@dataclass(frozen=True)
class Separation:
    """Map on which two or more labels lie apart, as far as the features allow.

    Attributes:
        space: name of the space.
        shrinkage: share of a sphere in the covariance; 1 for the difference of means.
        positions: the map, (n, 2). A labelled photo lies where folds put it that did not know its label.
        score: share of pairs of photos with two labels that are in the right order, averaged over pairs of labels. In
            each fold, space and shrinkage are chosen anew. Labels that mean nothing score 0.5 on average.
        p_value: share of random labels that lie as far apart, by a permutation test over all spaces.
        ranking: all spaces, best first, each with its score when the shrinkage is chosen anew in each fold.
        n_labelled: number of photos by label that took part; labels with a single photo do not.
    """

    space: str
    shrinkage: float
    positions: NDArray[np.float32]
    score: float
    p_value: float
    ranking: tuple[tuple[str, float], ...]
    n_labelled: dict[int, int]

    @property
    def text(self) -> str:
        """Return the score as a sentence.

        It says "separates 94 of 100 pairs (cross-validated)" for a score from 0.94 to 0.95, and never rounds up.
        """
        return f"separates {int(100 * self.score + 1e-9)} of 100 pairs (cross-validated)"

    @property
    def warning(self) -> str | None:
        """Return the reason not to trust the map, or None."""
        if self.score < WEAK:
            alone = len(self.ranking) == 1
            remedy = "try all spaces" if alone else "no space tells them apart yet, so label more photos"
            return f"these labels are not separated here; {remedy}"
        if self.p_value > RARE:
            return "so few labels may lie apart by chance; label more photos to be sure"
        return None


def separate(spaces: Mapping[str, NDArray[np.floating]], labels: NDArray[np.integer], *, seed: int = 0) -> Separation:
    """Find the space and the projection that separate the labels best by cross-validation.

    Axis 1 is the discriminant direction. With two labels, their means lie at -1 and 1, and axis 2 is the first
    principal component of what is orthogonal to axis 1. With more labels, both axes are discriminant directions.

    Args:
        spaces: principal components by name of the space, (n, dimensions). The first 50 take part.
        labels: label of each photo, (n,), counted from 0; -1 for photos without a label.
        seed: seed of the folds and the permutations.

    Raises:
        ValueError: fewer than two labels have two photos.
    """
    found, counts = np.unique(labels[labels >= 0], return_counts=True)
    used = found[counts >= 2]
    if len(used) < 2:
        raise ValueError("separating needs two labels with two photos each; label more photos")
    labelled = np.flatnonzero(np.isin(labels, used))
    code = np.searchsorted(used, labels[labelled])
    random = np.random.default_rng(seed)
    judged = _some(code, random)
    rows = {name: features[labelled[judged], :DIMENSIONS].astype(np.float64) for name, features in spaces.items()}
    choice = choose(rows, code[judged], random)
    return Separation(
        space=choice.space,
        shrinkage=choice.shrinkage,
        positions=_positions(spaces[choice.space][:, :DIMENSIONS], code, labelled, choice.shrinkage, random),
        score=choice.score,
        p_value=chance(rows.values(), code[judged], random),
        ranking=choice.ranking,
        n_labelled=dict(zip(used.tolist(), counts[counts >= 2].tolist(), strict=True)),
    )


def _some(code: NDArray[np.int64], random: np.random.Generator) -> NDArray[np.int64]:
    """Return the rows that choose and score: all, or as many of each label at most as make 200 together."""
    if len(code) <= MOST:
        return np.arange(len(code))
    share = max(2, MOST // (int(code.max()) + 1))
    shuffled = random.permutation(len(code))
    parts = [shuffled[code[shuffled] == label][:share] for label in range(code.max() + 1)]
    return np.sort(np.concatenate(parts))


def _positions(
    features: NDArray[np.floating],
    code: NDArray[np.int64],
    labelled: NDArray[np.int64],
    shrinkage: float,
    random: np.random.Generator,
) -> NDArray[np.float32]:
    """Return the map: rows along the axes of all labels, and labelled rows along the axes of folds without them."""
    rows = features - features[labelled].mean(axis=0, dtype=np.float64)
    known = rows[labelled]
    held = hold_out(code, random, REPEATS)
    axes, centres = _axes(known, code, np.ones(len(code), np.bool_), shrinkage)
    target = np.array([[-1.0], [1.0]]) if len(centres) == 2 else centres
    positions = _moved(rows @ axes, centres, target)
    unseen = np.zeros((len(code), target.shape[1]))
    for out in held:
        fold_axes, fold_centres = _axes(known, code, ~out, shrinkage)
        unseen[out] += _moved(known[out] @ fold_axes, fold_centres, target)
    positions[labelled] = unseen / REPEATS
    if len(target) > 2:
        return positions
    return np.hstack([positions, _across(rows, axes[:, 0], positions.std())])


def _axes(
    rows: NDArray[np.float64], code: NDArray[np.int64], training: NDArray[np.bool_], shrinkage: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the axes of one training set, (dimensions, axes), and the means of the labels on them."""
    found = discriminants(rows, code, training[None], (shrinkage,))
    return found.axes[0, 0], found.centres[0, 0]


def _moved(
    places: NDArray[np.float64], centres: NDArray[np.float64], target: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Return places moved so that the means of the labels fit the target, which makes folds comparable."""
    moved = align(np.vstack([centres, places]), np.vstack([target, np.full_like(places, np.nan)]))
    places_moved: NDArray[np.float32] = moved[len(centres) :]
    return places_moved


def _across(rows: NDArray[np.float64], axis: NDArray[np.float64], spread: np.floating) -> NDArray[np.float32]:
    """Return the first principal component of what is orthogonal to an axis, with a given spread."""
    length = np.linalg.norm(axis)
    rest = rows - rows.mean(axis=0)
    if length > 0:
        rest -= np.outer(rest @ (axis / length), axis / length)
    direction = np.linalg.eigh(rest.T @ rest)[1][:, -1:]
    values = rest @ (direction * np.sign(direction[np.abs(direction).argmax()]))
    deviation = values.std()
    if deviation > 0:
        values *= spread / deviation
    across: NDArray[np.float32] = values.astype(np.float32)
    return across
