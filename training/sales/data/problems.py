"""Problems of tables: collected while the tables are read and checked, and raised together."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from runtime.errors import UserError
from training.sales.data.columns import COLUMNS

_SHOWN = 3  # number of lines that a problem quotes


@dataclass(frozen=True)
class TableProblem:
    """One problem of one column of one table.

    Attributes:
        table: name of the file, such as ``train.csv``.
        column: name of the column in the file, or ``-`` for the file itself.
        rows: number of rows with the problem; 0 for the file itself.
        cause: description of the problem, with its first lines and values.
        remedy: advice on how to solve it.
    """

    table: str
    column: str
    rows: int
    cause: str
    remedy: str


class TablesError(UserError):
    """Tables that can't be used. ``problems`` lists all problems; the message is a table with a line for each."""

    def __init__(self, path: Path, problems: Iterable[TableProblem]) -> None:
        self.problems = list(problems)
        rows = [("table", "column", "rows", "problem", "what to do")]
        rows += [(p.table, p.column, str(p.rows or "-"), p.cause, p.remedy) for p in self.problems]
        widths = [max(len(row[i]) for row in rows) for i in range(4)]
        lines = ["  ".join([*(cell.ljust(w) for cell, w in zip(row, widths, strict=False)), row[4]]) for row in rows]
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        super().__init__("\n".join([f"{count} with the tables in {path}:", *lines]))


class Problems:
    """Problems found so far.

    Attributes:
        files: name of the file of each table.
        store_ids: ids of the stores if they are texts; a table then has a store's place among them, from 1.
        headers: for each table that was read, the names in the file by Kaggle's names.
    """

    def __init__(self, files: Mapping[str, str]) -> None:
        self.files = files
        self.store_ids: tuple[str, ...] = ()
        self.headers: dict[str, Mapping[str, str]] = {}
        self._found: list[tuple[str, TableProblem]] = []

    def found(self) -> list[TableProblem]:
        """Return the problems in the order of the tables."""
        order = list(COLUMNS)
        return [problem for _, problem in sorted(self._found, key=lambda pair: order.index(pair[0]))]

    def add(self, table: str, column: str, cause: str, remedy: str, *, rows: int = 0, file: str | None = None) -> None:
        """Add a problem of a column, or of the file if the column is ``-``; ``file`` replaces the table's file."""
        name = self.headers.get(table, {}).get(column, column)
        self._found.append((table, TableProblem(file or self.files[table], name, rows, cause, remedy)))

    def complain(self, table: str, rows: pd.DataFrame, cause: str, remedy: str) -> None:
        """Add a problem, if there are rows with it.

        Args:
            table: name of the table, a key of ``COLUMNS``.
            rows: rows with the problem, and the columns to name and quote; empty fields are not quoted. The index is
                the line in the file less 2, because lines count from 1 and the first is the header.
            cause: description of the problem.
            remedy: advice on how to solve it.
        """
        if rows.empty:
            return
        columns = [str(name) for name in rows]
        different = rows.drop_duplicates() if rows.notna().any(axis=None) else rows
        first = different.head(_SHOWN)
        quotes = [", ".join(map(self._quote, columns, row)) for row in first.itertuples(index=False)]
        places = [
            f"{line + 2}: {text[:40]!r}" if text else f"{line + 2}"
            for line, text in zip(first.index, quotes, strict=True)
        ]
        unit = "row" if self.files[table].endswith(".parquet") else "line"
        more = ", ..." if len(rows) > len(places) else ""
        cause = f"{cause} ({unit} {', '.join(places)}{more})"
        names = ", ".join(self.headers.get(table, {}).get(name, name) for name in columns)
        self._found.append((table, TableProblem(self.files[table], names, len(rows), cause, remedy)))

    def _quote(self, column: str, value: Any) -> str:
        """Return a value as it was in the file; empty for an empty field."""
        if not isinstance(value, float):
            return str(value)
        if np.isnan(value):
            return ""
        if column == "Store" and self.store_ids:
            return self.store_ids[int(value) - 1]
        return str(np.datetime64(int(value), "D")) if column in ("Date", "From", "To") else f"{value:.12g}"
