"""Choice of space and shrinkage by cross-validation, and the score of this choice on pairs that it did not know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labelling.separation.discriminant import SHRINKAGES, area, compare, discriminants, merit
from labelling.separation.splits import nested


@dataclass(frozen=True)
class Choice:
    """Best space and shrinkage, and their scores.

    Attributes:
        space: name of the space with the best score.
        shrinkage: shrinkage with the best score in this space.
        score: score when space and shrinkage are chosen anew in each fold.
        ranking: spaces, best first, with the score when the shrinkage is chosen anew in each fold.
    """

    space: str
    shrinkage: float
    score: float
    ranking: tuple[tuple[str, float], ...]


def choose(spaces: Mapping[str, NDArray[np.float64]], labels: NDArray[np.int64], random: np.random.Generator) -> Choice:
    """Choose the space and the shrinkage that order the most held-out pairs of rows.

    The best of many cross-validated scores is too good, most of all with few labels. So inner folds within the training
    rows of each outer fold choose, and the outer fold's pairs are counted with their choice. Pairs are compared within
    a fold alone. Then a score of random labels is 0.5 on average, whatever the rows are: given the training rows, each
    assignment of labels to the held-out rows is as likely as the others. Values of different folds compared with each
    other, as in leave-one-out, score below 0.5.

    Args:
        spaces: labelled rows in each space, (n, dimensions). Among equal ones, the first is taken.
        labels: label of each row, 0 to the number of labels less 1; each has two rows or more.
        random: generator of the folds.
    """
    splits = list(nested(labels, random))
    outer, inner = [], []  # by space: tallies by fold and shrinkage, and the merit of their inner folds
    for features in spaces.values():
        rows, size = _within_span(features), features.shape[1]
        tallies = [
            compare(discriminants(rows, labels, split.training, dimensions=size), rows, split) for split in splits
        ]
        outer.append(np.array([tally[0] for tally in tallies]))
        inner.append(np.array([merit(tally[1:].sum(axis=0)) for tally in tallies]))
    merits = np.array([merit(tally.sum(axis=0)) for tally in outer])  # (spaces, shrinkages)
    scores = np.array([_nested(tally, of_inner) for tally, of_inner in zip(outer, inner, strict=True)])
    order = np.lexsort((-merits.max(axis=1), -scores))
    names = list(spaces)
    return Choice(
        space=names[order[0]],
        shrinkage=SHRINKAGES[merits[order[0]].argmax()],
        score=_nested(np.concatenate(outer, axis=1), np.concatenate(inner, axis=1)),
        ranking=tuple((names[row], float(scores[row])) for row in order),
    )


def _within_span(features: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return centred coordinates within the span of the rows, which has fewer dimensions if there are few rows."""
    rows: NDArray[np.float64] = features - features.mean(axis=0)
    if len(rows) > rows.shape[1]:
        return rows
    left, strengths, _ = np.linalg.svd(rows, full_matrices=False)
    inside: NDArray[np.float64] = left * strengths
    return inside


def _nested(tallies: NDArray[np.float64], merits: NDArray[np.float64]) -> float:
    """Return the area of the candidates with the best merit in each fold, (folds, candidates, ...)."""
    return float(area(tallies[np.arange(len(tallies)), merits.argmax(axis=1)].sum(axis=0)))
