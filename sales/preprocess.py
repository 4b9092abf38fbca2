"""Preprocessing: FillMissing, Categorify and Normalize, fitted once on the training rows, saved, and then applied.

Names and rules are those of fastai, with two differences that a service needs. In every category, code 0 (``#na#``)
stands for a value that is missing or was never seen in training. Every continuous column has a median, even if it had
no gaps in training. Filled and unseen values are reported for each row.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from sales.arrays import Bool, Float32, Float64, Int32, Int64, in_chunks
from sales.columns.column import FeatureSet
from sales.features import Columns
from sales.panel import MISSING
from schemas.sales.manifest import PreprocessSpec

Levels = Mapping[str, Sequence[int | str]]
Run = Callable[[Int32, Float32], Float32]  # the network: from ``Prepared`` to log sales ``[row]``

BOUND = 10.0  # standard deviations; values further from the mean are taken as this far
KNOWN, FILLED = np.int32(1), np.int32(2)  # codes of an ``_na`` column


class Prepared(NamedTuple):
    """The network's input for some rows. The exported graph names its inputs after the fields.

    Attributes:
        cats: ``[row, cat]`` int32 codes, the ``_na`` columns last.
        conts: ``[row, cont]`` float32, normalised.
    """

    cats: Int32
    conts: Float32


class InputQuality(NamedTuple):
    """Doubtful places of the network's input, which become warnings of the forecast.

    Attributes:
        filled: ``[row, cont]``, true where a missing value was filled with the median in a column without an ``_na``
            column. A gap that training knew is no doubt.
        unseen: ``[row, cat]`` without the ``_na`` columns, true where a value did not occur in training, or is missing
            in a column without gaps in training. Its code is ``#na#``.
        outside: ``[row, cont]``, true where a value lies clearly outside the range of training.
    """

    filled: Bool
    unseen: Bool
    outside: Bool


def varying(columns: Columns, feature_set: FeatureSet) -> tuple[FeatureSet, dict[str, float | None]]:
    """Separate the columns that vary in the training rows from those that do not.

    A network cannot learn the effect of a column that never varied, so the first new value would move its forecast at
    random.

    Args:
        columns: columns of the training rows.
        feature_set: names of the columns.

    Returns:
        The names of the columns that vary, in order, and the only value of each other column; None where it is missing.
    """
    constant: dict[str, float | None] = {}
    for names, table in ((feature_set.cat_names, columns.cats), (feature_set.cont_names, columns.conts)):
        for name, column in zip(names, table.T, strict=True):
            first = float(column[0])
            missing = np.isnan(first) if column.dtype.kind == "f" else first == MISSING
            if (np.isnan(column) if np.isnan(first) else column == column[0]).all():
                constant[name] = None if missing else first
    return FeatureSet(
        tuple(name for name in feature_set.cat_names if name not in constant),
        tuple(name for name in feature_set.cont_names if name not in constant),
    ), constant


@dataclass(frozen=True)
class FillMissing:
    """Fill gaps of continuous columns with the training median, and flag them in ``_na`` columns.

    Attributes:
        medians: ``[cont]``, training medians; 0 for a column without any value.
        gapped: ``[cont]``, true for columns that get an ``_na`` column: those with gaps in training.
    """

    medians: Float32
    gapped: Bool

    @classmethod
    def fit(cls, conts: Float32, flagged: Bool) -> FillMissing:
        """Compute the medians of the training rows ``[row, cont]``.

        Args:
            conts: training rows.
            flagged: ``[cont]``, true for columns that may get an ``_na`` column.
        """
        medians, gapped = np.zeros(conts.shape[1], dtype=np.float32), np.zeros(conts.shape[1], dtype=np.bool_)
        for i, column in enumerate(conts.T):
            known = column[~np.isnan(column)]
            gapped[i] = known.size < column.size
            if known.size:
                medians[i] = np.median(known)
        return cls(medians, gapped & flagged)

    def __call__(self, conts: Float32) -> tuple[Float32, Int32]:
        """Return the filled columns ``[row, cont]`` and the codes of the ``_na`` columns ``[row, na]``."""
        missing = np.isnan(conts)
        return np.where(missing, self.medians, conts), np.where(missing[:, self.gapped], FILLED, KNOWN)


class Categorify:
    """Encode values: 1 for the smallest value of training, 2 for the next; 0 for a missing or unseen value.

    A column with a single value and no gaps in training encodes every value as 1. The embedding of any other code was
    never trained, so it could only spoil a forecast.
    """

    def __init__(self, classes: Sequence[Int64], gapped: Bool) -> None:
        """Initialize the codes.

        Args:
            classes: values of each column in training, each once and not negative; ascending in training.
            gapped: ``[cat]``, true for columns with missing values in training.
        """
        self.classes, self.gapped = classes, gapped
        # All columns share one table, so that a row costs one look-up. Each column has a 0 before and after its values;
        # all values outside its range are mapped to these.
        self._smallest = np.array([values.min() if values.size else 0 for values in classes], dtype=np.int32)
        self._size = np.array([np.ptp(values) + 1 if values.size else 0 for values in classes], dtype=np.int32)
        self._start = np.concatenate([[0], np.cumsum(self._size + 2)[:-1]]).astype(np.int32) + np.int32(1)
        self._codes = np.zeros(int((self._size + 2).sum()), dtype=np.int32)
        for values, start, smallest in zip(classes, self._start, self._smallest, strict=True):
            self._codes[start + values - smallest] = np.arange(1, values.size + 1)
        self._constant = np.array([values.size == 1 for values in classes], dtype=np.bool_) & ~gapped
        for start in self._start[self._constant]:
            self._codes[start - 1 : start + 2] = 1

    @classmethod
    def fit(cls, cats: Int32) -> Categorify:
        """Collect the values of the training rows ``[row, cat]``."""
        seen = [np.unique(column).astype(np.int64) for column in cats.T]
        return cls([v[v != MISSING] for v in seen], np.array([MISSING in v for v in seen], dtype=np.bool_))

    def __call__(self, cats: Int32) -> Int32:
        """Return the codes ``[row, cat]``."""
        place = cats - self._smallest
        np.clip(place, np.int32(-1), self._size, out=place)
        place += self._start
        return self._codes.take(place)

    def unseen(self, cats: Int32, codes: Int32) -> Bool:
        """Return true where a value ``[row, cat]`` was not in training, or is missing in a column without gaps."""
        changed = self._constant & (cats != self._smallest)  # a single value is also the smallest
        return np.asarray(changed | ((codes == 0) & ~((cats == MISSING) & self.gapped)))

    def decode(self, codes: Int32) -> list[int | None]:
        """Return the values of one row's codes; None for a missing or unseen value."""
        return [int(values[code - 1]) if code else None for values, code in zip(self.classes, codes, strict=True)]


@dataclass(frozen=True)
class Normalize:
    """Scale continuous columns to mean 0 and standard deviation 1 on the training rows, as fastai v1 does (ddof 1).

    fastai v2 divides by n instead of n - 1; on the Rossmann rows the results differ by 1e-6. A column that never varied
    becomes 0 for every value, because training could not learn the effect of a change. The network's batch norm has
    variance 0 for such a column and would multiply a change by 316. fastai would divide it by 1e-7.
    """

    means: Float64
    stds: Float64
    mins: Float64
    maxs: Float64

    @classmethod
    def fit(cls, conts: Float32, fill: Float32) -> Normalize:
        """Compute statistics of the training rows ``[row, cont]``, with gaps filled from ``fill`` ``[cont]``."""
        means, stds, mins, maxs = np.zeros((4, conts.shape[1]))
        for i, column in enumerate(conts.T):
            values = np.where(np.isnan(column), fill[i], column).astype(np.float64)
            means[i], mins[i], maxs[i] = values.mean(), values.min(), values.max()
            stds[i] = values.std(ddof=1) if len(values) > 1 else 0.0
        return cls(means, stds, mins, maxs)

    def __call__(self, conts: Float32) -> Float32:
        """Return the normalised columns ``[row, cont]``."""
        return np.clip((conts - self.means) / self._scale, -BOUND, BOUND).astype(np.float32)

    def decode(self, conts: Float32) -> Float64:
        """Return the values of normalised columns, to about six digits."""
        return np.asarray(conts * np.where(self.stds > 0, self._scale, 0.0) + self.means)

    @cached_property
    def bounds(self) -> tuple[Float64, Float64]:
        """Lowest and highest value ``[cont]`` that give no warning: the range of training, and 5 percent more."""
        margin = 0.05 * (self.maxs - self.mins)
        return self.mins - margin, self.maxs + margin

    @cached_property
    def _scale(self) -> Float64:
        return np.where(self.stds > 0, self.stds + 1e-7, np.inf)


@dataclass(frozen=True)
class Preprocessor:
    """FillMissing, Categorify and Normalize, applied in the order of the fast.ai lesson.

    Attributes:
        cat_names: names of the categorical columns, in order.
        cont_names: names of the continuous columns, in order.
        fill_missing: medians.
        categorify: codes.
        normalize: means, standard deviations and ranges.
        unused: only value in training of each column that the network does not take; None where it is missing.
    """

    cat_names: tuple[str, ...]
    cont_names: tuple[str, ...]
    fill_missing: FillMissing
    categorify: Categorify
    normalize: Normalize
    unused: Mapping[str, float | None] = field(default_factory=dict)

    @classmethod
    def fit(
        cls,
        columns: Columns,
        cat_names: Sequence[str],
        cont_names: Sequence[str],
        unused: Mapping[str, float | None] = MappingProxyType({}),
        unflagged: Collection[str] = (),
    ) -> Preprocessor:
        """Fit on the training rows.

        Args:
            columns: columns of the training rows.
            cat_names: names of the categorical columns.
            cont_names: names of the continuous columns.
            unused: only value in training of each column that was left out; see `varying`.
            unflagged: names of continuous columns whose gaps get no ``_na`` column.

        Raises:
            ValueError: if there are no rows.
        """
        if not len(columns.cats):
            raise ValueError("there are no training rows to fit the preprocessors on")
        flagged = np.array([name not in unflagged for name in cont_names], dtype=np.bool_)
        fill_missing = FillMissing.fit(columns.conts, flagged)
        normalize = Normalize.fit(columns.conts, fill_missing.medians)
        return cls(tuple(cat_names), tuple(cont_names), fill_missing, Categorify.fit(columns.cats), normalize, unused)

    @property
    def n_codes(self) -> list[int]:
        """Number of codes of each categorical column, including ``#na#``; the ``_na`` columns come last."""
        return [len(values) + 1 for values in self.categorify.classes] + [3] * int(self.fill_missing.gapped.sum())

    def transform(self, columns: Columns) -> Prepared:
        """Return the network's input."""

        def transform(chunk: slice) -> Prepared:
            conts, na = self.fill_missing(columns.conts[chunk])
            return Prepared(
                np.concatenate([self.categorify(columns.cats[chunk]), na], axis=1, dtype=np.int32),
                self.normalize(conts),
            )

        return in_chunks(transform, len(columns.cats))

    def input_quality(self, columns: Columns, prepared: Prepared) -> InputQuality:
        """Return the places where values were filled or unseen, or lie outside the range of training."""
        unseen = self.categorify.unseen(columns.cats, prepared.cats[:, : len(self.cat_names)])
        low, high = self.normalize.bounds
        outside = (columns.conts < low) | (columns.conts > high)  # false for a gap
        return InputQuality(np.isnan(columns.conts) & ~self.fill_missing.gapped, unseen, outside)

    def spec(self, levels: Levels) -> PreprocessSpec:
        """Return the preprocessing as saved in a bundle. ``levels`` has the words of each column's codes."""
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
            unused=dict(self.unused),
        )

    @classmethod
    def of(cls, spec: PreprocessSpec, levels: Levels) -> Preprocessor:
        """Return the preprocessing that a bundle saved.

        Args:
            spec: the preprocessing.
            levels: words of the panel's codes. They may lack words of training, and have others, such as new stores.
        """
        classes = [_raw_codes(spec.classes[name], levels.get(name)) for name in spec.cat_names]
        return cls(
            tuple(spec.cat_names),
            tuple(spec.cont_names),
            FillMissing(
                np.array(spec.medians, dtype=np.float32), np.array([name in spec.na_names for name in spec.cont_names])
            ),
            Categorify(classes, np.array([name in spec.gapped for name in spec.cat_names])),
            Normalize(np.array(spec.means), np.array(spec.stds), np.array(spec.mins), np.array(spec.maxs)),
            spec.unused,
        )


def _raw_codes(values: Sequence[int | str], words: Sequence[int | str] | None) -> Int64:
    """Return the panel's codes of the values of a column, in their order.

    Args:
        values: words, or numbers if the column has no words.
        words: words of the panel's codes. A value that they lack gets a code beyond theirs, which no row has.
    """
    if words is None:
        return np.array(values, dtype=np.int64)
    known = {*words}
    index = {word: code for code, word in enumerate([*words, *(value for value in values if value not in known)])}
    return np.array([index[value] for value in values], dtype=np.int64)
