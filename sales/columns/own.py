"""Columns of the user's own: numbers or categories, by store, by day, or by store and day.

A column that is known ahead has the day's value. Where no table states a later day's value, it is the last one, and the
forecast says that it was assumed. A column that is not known ahead enters as history: the mean of a number over the 28
days up to the origin, or the last word of a category.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from sales.arrays import AnyArray, Bool, Float32, Int64
from sales.columns.column import FeatureSet, Table
from sales.panel import MISSING, Panel

PREFIX = "own."  # of the names of the columns in a model, so that no name of the user's hides one of ours
DAYS = 28  # days up to the origin whose mean stands for a number that is not known ahead
NAMES, KINDS, TABLES, AHEAD = "OwnColumn", "OwnKind", "OwnTable", "OwnAhead"  # levels of a panel

Kind = Literal["cat", "cont"]
Axes = Literal["store", "day", "cell"]


class OwnColumn(NamedTuple):
    """One column of the user's.

    Attributes:
        name: name in the user's tables and in requests.
        kind: ``cat`` for a category, ``cont`` for a number.
        axes: ``store``, ``day``, or ``cell`` for a value of each store and day.
        known_ahead: true if the values of future days are known when the forecast is made.
    """

    name: str
    kind: Kind
    axes: Axes
    known_ahead: bool

    @property
    def column(self) -> str:
        """Name of the column in a model."""
        return f"{PREFIX}{self.name}"

    @property
    def is_history(self) -> bool:
        """True if the column depends on the origin of a row."""
        return self.axes != "store" and not self.known_ahead


def levels_of(columns: Sequence[OwnColumn]) -> dict[str, tuple[int | str, ...]]:
    """Return the levels of a panel that declare its columns. ``own_columns`` is the inverse."""
    return {
        NAMES: tuple(column.name for column in columns),
        KINDS: tuple(column.kind for column in columns),
        TABLES: tuple(column.axes for column in columns),
        AHEAD: tuple(int(column.known_ahead) for column in columns),
    }


def own_columns(panel: Panel) -> tuple[OwnColumn, ...]:
    """Return the user's columns of a panel; none if its levels declare none."""
    levels = panel.levels
    if NAMES not in levels:
        return ()
    parts = zip(levels[NAMES], levels[KINDS], levels[TABLES], levels[AHEAD], strict=True)
    return tuple(OwnColumn(str(name), kind, axes, bool(ahead)) for name, kind, axes, ahead in parts)  # type: ignore[arg-type]


def feature_set(panel: Panel) -> FeatureSet:
    """Return the names of the user's columns in a model."""
    columns = own_columns(panel)
    return FeatureSet(
        tuple(column.column for column in columns if column.kind == "cat"),
        tuple(column.column for column in columns if column.kind == "cont"),
    )


def values(panel: Panel, column: OwnColumn) -> Float32:
    """Return the stated values of a column, ``[store]``, ``[day]`` or ``[store, day]``; NaN where nobody states them.

    The values of a category are codes, indices into the panel's levels of the column.
    """
    same = [other.name for other in own_columns(panel) if other.axes == column.axes]
    grid: Float32 = getattr(panel, f"own_{column.axes}")[same.index(column.name)]
    return grid


def tables(panel: Panel) -> Mapping[str, Table]:
    """Return the columns that do not depend on the origin, by table: ``store``, ``day`` and ``cell``."""
    by_table: dict[str, dict[str, AnyArray]] = {"store": {}, "day": {}, "cell": {}}
    for column in own_columns(panel):
        if not column.is_history:
            grid = values(panel, column)
            filled = grid if column.axes == "store" else _continued(grid, panel.cutoff)
            by_table[column.axes][column.column] = _as_kind(filled, column.kind)
    return by_table


def assumed(panel: Panel, names: Sequence[str]) -> Bool:
    """Return the days on which a value of a column that is known ahead is assumed, ``[store, day]``.

    Args:
        panel: facts of all stores and days.
        names: names of the columns that the model has.
    """
    result = np.zeros(panel.calendar.open.shape, dtype=np.bool_)
    ahead = np.arange(panel.calendar.days) > panel.cutoff
    for column in own_columns(panel):
        if column.known_ahead and column.axes != "store" and column.column in names:
            result |= ahead & np.isnan(values(panel, column))
    return result


def stated(panel: Panel, store: int, day: int) -> dict[str, float | str]:
    """Return the values of the columns known ahead that the tables state for a store and day, by the user's names."""
    facts: dict[str, float | str] = {}
    for column in own_columns(panel):
        if column.known_ahead and column.axes != "store":
            grid = values(panel, column)
            value = grid[day] if column.axes == "day" else grid[store, day]
            if not np.isnan(value):
                facts[column.name] = (
                    float(value) if column.kind == "cont" else str(panel.levels[column.column][int(value)])
                )
    return facts


class OwnHistory:
    """Columns that are not known ahead, as they were up to the origin of a row."""

    def __init__(self, panel: Panel) -> None:
        """Prepare the columns.

        Args:
            panel: facts of all stores and days; values after its cutoff are not read.
        """
        self._columns = [column for column in own_columns(panel) if column.is_history]
        self.names = tuple(column.column for column in self._columns)
        known = panel.cutoff + 1
        self._grids = [np.atleast_2d(values(panel, column))[:, :known] for column in self._columns]
        self._sums = [
            np.pad(
                np.cumsum([np.nan_to_num(grid), ~np.isnan(grid)], axis=2, dtype=np.float64), ((0, 0), (0, 0), (1, 0))
            )
            for grid in self._grids
        ]
        day = np.arange(known)
        self._last = [np.maximum.accumulate(np.where(np.isnan(grid), -1, day), axis=1) for grid in self._grids]

    def columns(self, store: Int64, origin: Int64) -> Table:
        """Return the columns of some rows, each ``[row]``.

        Args:
            store: ``[row]``, index into the panel's stores.
            origin: ``[row]``, the last known day; it may lie before the panel's first day.
        """
        columns: dict[str, AnyArray] = {}
        end = np.maximum(origin + 1, 0)
        for column, grid, sums, last in zip(self._columns, self._grids, self._sums, self._last, strict=True):
            row = np.zeros_like(store) if column.axes == "day" else store
            if column.kind == "cont":
                total, count = sums[:, row, end] - sums[:, row, np.maximum(end - DAYS, 0)]
                mean = np.divide(total, count, out=np.full(len(row), np.nan), where=count > 0)
                columns[column.column] = mean.astype(np.float32)
            else:
                day = np.where(origin < 0, -1, last[row, np.maximum(origin, 0)])
                codes = np.where(day < 0, np.float32(np.nan), grid[row, np.maximum(day, 0)])
                columns[column.column] = _as_kind(codes, "cat")
        return columns


class OwnStatements:
    """Statements of clients about the user's columns."""

    def __init__(self, panel: Panel, names: Sequence[str]) -> None:
        """Prepare the look-up.

        Args:
            panel: facts of all stores and days.
            names: names of the columns that the model has.
        """
        used = [column for column in own_columns(panel) if column.column in names]
        self.known_ahead = {column.name for column in used if column.known_ahead and column.axes != "store"}
        self._codes: dict[str, dict[str, int] | None] = {
            column.name: _codes(panel.levels[column.column]) if column.kind == "cat" else None
            for column in used
            if column.name in self.known_ahead
        }

    def texts_for_numbers(self, facts: Mapping[str, Any]) -> list[str]:
        """Return the names of number columns for which a client states a text."""
        return [name for name, value in facts.items() if isinstance(value, str) and self._codes.get(name, "") is None]

    def read(self, facts: Mapping[str, Any]) -> dict[str, float]:
        """Return the values of the columns that a client states, by the model's names; other names are left out.

        A word that training never saw, and a text in place of a number, is a code that no word has, or NaN.
        """
        read: dict[str, float] = {}
        for name, value in facts.items():
            if name not in self._codes or value is None:
                continue
            codes = self._codes[name]
            if codes is not None:
                read[f"{PREFIX}{name}"] = codes.get(word(value), len(codes))
            else:
                read[f"{PREFIX}{name}"] = float("nan") if isinstance(value, str) else float(value)
        return read


def word(value: Any) -> str:
    """Return a value of a category as its word: a whole number without decimals, a flag as 0 or 1.

    >>> word(2.0), word(True), word("red ")
    ('2', '1', 'red')
    """
    if isinstance(value, bool | int) or (isinstance(value, float) and value.is_integer()):
        return str(int(value))
    return str(value).strip()


def _codes(words: Sequence[int | str]) -> dict[str, int]:
    """Return the codes of words."""
    return {str(word): code for code, word in enumerate(words)}


def _continued(grid: Float32, cutoff: int) -> Float32:
    """Return ``[..., day]`` with the last stated value on the days after the cutoff that have none."""
    day = np.arange(grid.shape[-1])
    last = np.maximum.accumulate(np.where(np.isnan(grid), 0, day), axis=-1)
    continued: Float32 = np.where(np.isnan(grid) & (day > cutoff), np.take_along_axis(grid, last, axis=-1), grid)
    return continued


def _as_kind(grid: Float32, kind: Kind) -> AnyArray:
    """Return numbers as they are, and codes as integers, ``MISSING`` for NaN."""
    return grid if kind == "cont" else np.nan_to_num(grid, nan=MISSING).astype(np.int32)
