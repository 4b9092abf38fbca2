"""Stratified cross-validation, in which each held-out pair of photos is compared within one fold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FOLDS, FEW = 5, 10  # folds, and labels a side below which each fold holds one of them
SETS, SETS_OF_MANY = 20, 10  # outer training sets of all repeats together, at least
MANY = 100  # labelled rows from which on fewer repeats are enough


@dataclass(frozen=True)
class Splits:
    """Training sets, with the rows that each holds out."""

    training: NDArray[np.bool_]  # (sets, n)
    held: NDArray[np.int64]  # (sets, most), indices of rows; row 0 fills the places that are left over
    members: NDArray[np.float64]  # (sets, most, labels), 1 where the held row has the label, 0 in left-over places

    @classmethod
    def of(cls, training: NDArray[np.bool_], held: NDArray[np.bool_], labels: NDArray[np.int64]) -> Splits:
        """Return the splits of masks over rows, (sets, n)."""
        order = np.argsort(~held, axis=1, kind="stable")[:, : np.count_nonzero(held, axis=1).max(initial=0)]
        valid = np.take_along_axis(held, order, axis=1)
        members = (labels[order, None] == np.arange(labels.max() + 1)) & valid[:, :, None]
        return cls(training, np.where(valid, order, 0), members.astype(np.float64))

    @property
    def n_pairs(self) -> NDArray[np.float64]:
        """Number of held-out pairs by two labels, (sets, labels, labels)."""
        counts = self.members.sum(axis=1)
        pairs: NDArray[np.float64] = counts[:, :, None] * counts[:, None, :]
        return pairs


def hold_out(labels: NDArray[np.int64], random: np.random.Generator, repeats: int = 1) -> NDArray[np.bool_]:
    """Return masks of held-out rows, (sets, n): folds that share each label out evenly, several times anew.

    There are 5 folds. Below 10 labels a side there are more, up to 9, so that each fold holds at most one of that side.

    Args:
        labels: label of each row, 0 to the number of labels less 1. The row of a label with one row is never held out.
        random: generator that shuffles the rows.
        repeats: number of times that the folds are made.
    """
    sizes = np.bincount(labels)
    smallest = int(sizes[sizes > 1].min(initial=FEW))
    count = FOLDS if smallest >= FEW else max(smallest, FOLDS)
    masks = []
    for _ in range(repeats):
        shuffled = random.permutation(len(labels))
        shuffled = shuffled[np.argsort(labels[shuffled], kind="stable")]
        firsts = np.searchsorted(labels[shuffled], labels[shuffled])  # place of the first row of the same label
        fold = np.empty(len(labels), np.int64)
        fold[shuffled] = (np.arange(len(labels)) - firsts) % count
        masks.append((fold == np.arange(count)[:, None]) & (sizes[labels] > 1))
    held = np.concatenate(masks)
    return held[held.any(axis=1)]


def nested(labels: NDArray[np.int64], random: np.random.Generator) -> Iterator[Splits]:
    """Yield splits of which the first is an outer one, and the others divide its training rows again.

    There are no inner splits where all labels have a single training row.
    """
    sets = SETS if len(labels) < MANY else SETS_OF_MANY
    folds = len(hold_out(labels, np.random.default_rng(0)))
    for held in hold_out(labels, random, -(-sets // folds)):
        part = hold_out(labels[~held], random)
        inner = np.zeros((len(part), len(labels)), np.bool_)
        inner[:, ~held] = part
        yield Splits.of(np.vstack([~held[None], ~held & ~inner]), np.vstack([held[None], inner]), labels)
