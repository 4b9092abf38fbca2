"""FillMissing, Categorify, Normalize: set up once on the training rows, saved, and then only applied.

The names are fastai's, and so are the rules, with two differences that a service needs. Code 0 (``#na#``) stands for
missing or never seen in every category; and every continuous column has a median, also one that had no gaps in
training. What was filled or never seen is reported, row by row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from sales.arrays import Bool, Float32, Float64, Int32, Int64
from sales.chunks import in_chunks
from sales.features import Columns
from sales.panel import MISSING
from schemas.sales.manifest import PreprocessSpec

Levels = Mapping[str, Sequence[int | str]]
Run = Callable[[Int32, Float32], Float32]  # the network: ``Prepared`` -> log sales

KNOWN, FILLED = np.int32(1), np.int32(2)  # the codes of an ``_na`` column


class Prepared(NamedTuple):
    """The network's input for some rows.

    Attributes:
        cats: ``[row, cat]`` int32 codes, the ``_na`` columns last.
        conts: ``[row, cont]`` float32, normalised.
    """

    cats: Int32
    conts: Float32


class InputQuality(NamedTuple):
    """What had to be done to get the network's input: what a client should know of a forecast.

    Attributes:
        filled: ``[row, cont]``, true where a missing value was filled with the median.
        unseen: ``[row, cat]``, true where a value that training never saw became ``#na#``, or a missing one in a
            column that had no gaps in training; without the ``_na`` columns.
        outside: ``[row, cont]``, true where a value lies outside the range of training.
    """

    filled: Bool
    unseen: Bool
    outside: Bool


@dataclass(frozen=True)
class FillMissing:
    """Gaps in continuous columns become the training median, and a column of their own says where they were.

    Attributes:
        medians: ``[cont]``; 0 for a column that had no value at all.
        gapped: ``[cont]``, true for columns with gaps in training: only they get an ``_na`` column.
    """

    medians: Float32
    gapped: Bool

    @classmethod
    def fit(cls, conts: Float32) -> FillMissing:
        """Medians of the training rows ``[row, cont]``."""
        medians, gapped = np.zeros(conts.shape[1], dtype=np.float32), np.zeros(conts.shape[1], dtype=np.bool_)
        for i, column in enumerate(conts.T):
            known = column[~np.isnan(column)]
            gapped[i] = known.size < column.size
            if known.size:
                medians[i] = np.median(known)
        return cls(medians, gapped)

    def __call__(self, conts: Float32) -> tuple[Float32, Int32]:
        """The filled columns ``[row, cont]``, and the codes of the ``_na`` columns ``[row, na]``."""
        missing = np.isnan(conts)
        return np.where(missing, self.medians, conts), np.where(missing[:, self.gapped], FILLED, KNOWN)


class Categorify:
    """Values become codes: 1 for the smallest that training saw, 2 for the next; 0 for missing or never seen.

    A column that had one value in training, and no gaps, has one code for all values: the embedding of any other code
    was never trained, so that it could only spoil a forecast.
    """

    def __init__(self, classes: Sequence[Int64], gapped: Bool) -> None:
        """Set up.

        Args:
            classes: by column, the values that training saw, ascending and none negative.
            gapped: ``[cat]``, true for columns with missing values in training.
        """
        self.classes, self.gapped = classes, gapped
        # All columns share one table, so that a row costs one look-up. Each has a 0 before and after its values, where
        # everything outside them lands.
        self._least = np.array([values[0] if values.size else 0 for values in classes], dtype=np.int32)
        self._size = np.array([values[-1] - values[0] + 1 if values.size else 0 for values in classes], dtype=np.int32)
        self._start = np.concatenate([[0], np.cumsum(self._size + 2)[:-1]]).astype(np.int32) + np.int32(1)
        self._codes = np.zeros(int((self._size + 2).sum()), dtype=np.int32)
        for values, start, least in zip(classes, self._start, self._least, strict=True):
            self._codes[start + values - least] = np.arange(1, values.size + 1)
        self._constant = np.array([values.size == 1 for values in classes], dtype=np.bool_) & ~gapped
        for start in self._start[self._constant]:
            self._codes[start - 1 : start + 2] = 1

    @classmethod
    def fit(cls, cats: Int32) -> Categorify:
        """The classes of the training rows ``[row, cat]``."""
        seen = [np.unique(column).astype(np.int64) for column in cats.T]
        return cls([v[v != MISSING] for v in seen], np.array([MISSING in v for v in seen], dtype=np.bool_))

    def __call__(self, cats: Int32) -> Int32:
        """The codes ``[row, cat]``."""
        place = cats - self._least
        np.clip(place, np.int32(-1), self._size, out=place)
        place += self._start
        return self._codes.take(place)

    def unseen(self, cats: Int32, codes: Int32) -> Bool:
        """True where a value ``[row, cat]`` is not one of training, or is missing in a column without gaps there."""
        other = self._constant & (cats != self._least)  # of one value, which is the smallest
        return np.asarray(other | ((codes == 0) & ~((cats == MISSING) & self.gapped)))

    def decode(self, codes: Int32) -> list[int | None]:
        """The values that one row's codes stand for; None for missing or never seen."""
        return [int(values[code - 1]) if code else None for values, code in zip(self.classes, codes, strict=True)]


@dataclass(frozen=True)
class Normalize:
    """Continuous columns get mean 0 and standard deviation 1 on the training rows, as fastai v1 does it (ddof 1).

    fastai v2 divides by n where v1 divides by n - 1: 1e-6 apart on the Rossmann rows. A column that never varied is 0
    for every value: nobody knows what a change of it means, and the network's batch norm, whose variance of it is 0,
    would multiply it by 316. fastai would divide by 1e-7 and turn the first new value into millions.
    """

    means: Float64
    stds: Float64
    mins: Float64
    maxs: Float64

    @classmethod
    def fit(cls, conts: Float32, fill: Float32) -> Normalize:
        """Statistics of the training rows ``[row, cont]`` with their gaps filled, ``fill`` is ``[cont]``."""
        means, stds, mins, maxs = np.zeros((4, conts.shape[1]))
        for i, column in enumerate(conts.T):
            values = np.where(np.isnan(column), fill[i], column).astype(np.float64)
            means[i], mins[i], maxs[i] = values.mean(), values.min(), values.max()
            stds[i] = values.std(ddof=1) if len(values) > 1 else 0.0
        return cls(means, stds, mins, maxs)

    def __call__(self, conts: Float32) -> Float32:
        """The normalised columns ``[row, cont]``."""
        return ((conts - self.means) / self._scale).astype(np.float32)

    def decode(self, conts: Float32) -> Float64:
        """The values that normalised columns stand for, to about six digits."""
        return np.asarray(conts * np.where(self.stds > 0, self._scale, 0.0) + self.means)

    @cached_property
    def _scale(self) -> Float64:
        return np.where(self.stds > 0, self.stds + 1e-7, np.inf)


@dataclass(frozen=True)
class Preprocessor:
    """The three, in the lesson's order."""

    cat_names: tuple[str, ...]
    cont_names: tuple[str, ...]
    fill_missing: FillMissing
    categorify: Categorify
    normalize: Normalize

    @classmethod
    def fit(cls, columns: Columns, cat_names: Sequence[str], cont_names: Sequence[str]) -> Preprocessor:
        """Set up on the training rows alone.

        Raises:
            ValueError: if there are no rows.
        """
        if not len(columns.cats):
            raise ValueError("there are no training rows to fit the preprocessors on")
        fill_missing = FillMissing.fit(columns.conts)
        normalize = Normalize.fit(columns.conts, fill_missing.medians)
        return cls(tuple(cat_names), tuple(cont_names), fill_missing, Categorify.fit(columns.cats), normalize)

    @property
    def n_codes(self) -> list[int]:
        """How many codes each categorical column has, ``#na#`` included; the ``_na`` columns last."""
        return [len(values) + 1 for values in self.categorify.classes] + [3] * int(self.fill_missing.gapped.sum())

    def transform(self, columns: Columns) -> Prepared:
        """The network's input."""

        def transform(some: slice) -> Prepared:
            conts, na = self.fill_missing(columns.conts[some])
            return Prepared(
                np.concatenate([self.categorify(columns.cats[some]), na], axis=1, dtype=np.int32), self.normalize(conts)
            )

        return in_chunks(transform, len(columns.cats))

    def input_quality(self, columns: Columns, prepared: Prepared) -> InputQuality:
        """Where the network's input is not what the columns say, or not like any that it was trained on."""
        unseen = self.categorify.unseen(columns.cats, prepared.cats[:, : len(self.cat_names)])
        outside = (columns.conts < self.normalize.mins) | (columns.conts > self.normalize.maxs)  # a gap is neither
        return InputQuality(np.isnan(columns.conts), unseen, outside)

    def spec(self, levels: Levels) -> PreprocessSpec:
        """What the bundle saves; ``levels`` says what the codes of a column stand for."""
        classes = {
            name: [levels[name][value] if name in levels else int(value) for value in values]
            for name, values in zip(self.cat_names, self.categorify.classes, strict=True)
        }
        return PreprocessSpec(
            cat_names=list(self.cat_names),
            cont_names=list(self.cont_names),
            classes=classes,
            gapped=[n for n, gaps in zip(self.cat_names, self.categorify.gapped, strict=True) if gaps],
            na_names=[n for n, gaps in zip(self.cont_names, self.fill_missing.gapped, strict=True) if gaps],
            medians=self.fill_missing.medians.tolist(),
            means=self.normalize.means.tolist(),
            stds=self.normalize.stds.tolist(),
            mins=self.normalize.mins.tolist(),
            maxs=self.normalize.maxs.tolist(),
        )

    @classmethod
    def of(cls, spec: PreprocessSpec, levels: Levels) -> Preprocessor:
        """The preprocessors that a bundle saved."""
        index = {name: {word: code for code, word in enumerate(words)} for name, words in levels.items()}
        classes = [
            np.array([index[name][v] if name in index else v for v in spec.classes[name]], dtype=np.int64)
            for name in spec.cat_names
        ]
        return cls(
            tuple(spec.cat_names),
            tuple(spec.cont_names),
            FillMissing(
                np.array(spec.medians, dtype=np.float32), np.array([name in spec.na_names for name in spec.cont_names])
            ),
            Categorify(classes, np.array([name in spec.gapped for name in spec.cat_names])),
            Normalize(np.array(spec.means), np.array(spec.stds), np.array(spec.mins), np.array(spec.maxs)),
        )
