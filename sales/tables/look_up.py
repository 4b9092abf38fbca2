"""Look-up of columns in tables, so that a row costs few operations, whatever the number of columns."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from sales.arrays import AnyArray, Float32, Int64
from sales.columns.column import Table

Tables = Mapping[str, tuple[int, Iterable[Table]]]  # length of each table's first axis, and its consecutive parts


def one_part(table: Table) -> tuple[int, Iterable[Table]]:
    """Return a table in one part."""
    return len(next(iter(table.values()))), [table]


class LookUp:
    """Columns of several tables, stacked so that a row costs few look-ups, whatever the number of columns."""

    def __init__(self, names: Sequence[str], tables: Tables) -> None:
        """Stack the tables.

        Args:
            names: names of the columns; the caller fills in those that no table has.
            tables: columns by table.
        """
        self._stacks: list[tuple[str, Int64, AnyArray]] = []
        self.names: set[str] = set()
        for key, (n_rows, blocks) in tables.items():
            # Integers are stacked apart, in the smallest type: that takes a quarter of the memory of float32.
            stacks: dict[bool, _Stack] = {}
            first = 0
            for table in blocks:
                if not stacks:
                    self.names |= table.keys()
                    used = [place for place, name in enumerate(names) if name in table]
                    integers = [table[names[place]].dtype.kind != "f" for place in used]
                    for kind in {*integers}:
                        places = [place for place, integer in zip(used, integers, strict=True) if integer == kind]
                        stacks[kind] = _Stack(places, n_rows)
                for stack in stacks.values():
                    stack.fill(first, [table[names[place]] for place in stack.places])
                first += len(next(iter(table.values())))
            for stack in stacks.values():
                self._stacks.append((key, np.array(stack.places), stack.array.reshape(-1, len(stack.places))))

    def __call__(self, columns: Float32, index: Mapping[str, Int64]) -> None:
        """Fill in the columns of some rows.

        Args:
            columns: ``[row, column]``, all columns of the rows.
            index: ``[row]`` by table, indices into the table's flattened axes.
        """
        for key, places, stack in self._stacks:
            columns[:, places] = stack.take(index[key], axis=0)


class _Stack:
    """Columns of one shape, stacked along a new last axis, in the smallest type that holds them."""

    def __init__(self, places: Sequence[int], n_rows: int) -> None:
        """Initialize the stack.

        Args:
            places: places of the columns among all columns.
            n_rows: length of the first axis.
        """
        self.places, self._n_rows = places, n_rows
        self.array: AnyArray = np.empty(0, dtype=np.int8)

    def fill(self, first: int, columns: Sequence[AnyArray]) -> None:
        """Fill in the next part of the first axis, which begins at ``first``."""
        dtype = _smallest(columns)
        if first == 0:
            self.array = np.empty((self._n_rows, *columns[0].shape[1:], len(columns)), dtype)
        self.array = self.array.astype(np.result_type(self.array, dtype), copy=False)
        for row in range(len(columns[0])):  # a row stays in the cache while it is filled
            for i, column in enumerate(columns):
                self.array[first + row, ..., i] = column[row]


def _smallest(columns: Sequence[AnyArray]) -> np.dtype[Any]:
    """Return the smallest integer type that holds all columns, or float32 if a column has floats."""
    if any(column.dtype.kind == "f" for column in columns):
        return np.dtype(np.float32)
    low = min((int(column.min()) for column in columns if column.size), default=0)
    high = max((int(column.max()) for column in columns if column.size), default=0)
    fitting = (
        kind for kind in (np.int8, np.int16, np.int32) if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max
    )
    return np.dtype(next(fitting, np.int64))
