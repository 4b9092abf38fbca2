"""Rows of a CSV or Parquet file, and rows written to such a file, a part at a time."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from runtime.errors import UserError
from runtime.folder import new_file
from training.sales.data.readers import UnreadableError, read_csv_parts, read_parquet

PARQUET = ".parquet"
PART = 250_000  # rows of a CSV file that are in memory at a time


class RowsError(UserError):
    """A file that can't be forecast; the message names the columns and rows."""


class Source:
    """Rows of a file, a part at a time. A part is a frame: texts of a CSV file, typed values of a Parquet file.

    Attributes:
        file: the file, or its address.
        is_parquet: true if it is a Parquet file.
    """

    def __init__(self, file: Path | str, rows: pd.DataFrame | None = None) -> None:
        """Initialize the source; nothing is read yet.

        Args:
            file: the file, or its address if its rows are given.
            rows: rows of the file, in place of reading it; their index is that of `read_csv` or `read_parquet`.
        """
        self.file = file
        self.is_parquet = is_parquet(Path(file))
        self._only = rows  # the first part, until there is a second one
        self._index = [] if rows is None else [rows.index]  # of the parts; a range, unless there are blank lines

    def parts(self) -> Iterator[pd.DataFrame]:
        """Read the file, except its blank lines. A file of one part is read once.

        Raises:
            RowsError: if the file can't be read, or has no rows.
        """
        if self._only is not None:
            yield self._only
            return
        self._index, file = [], Path(self.file)
        try:
            for part in [read_parquet(file)] if self.is_parquet else read_csv_parts(file, PART):
                rows = part if self.is_parquet else without_blank_lines(part)
                self._only = rows if not self._index else None
                self._index.append(rows.index)
                yield rows
        except UnreadableError as error:
            raise RowsError(f"{self.file}: {error}") from None
        if not any(map(len, self._index)):
            raise RowsError(f"{self.file}: there are no rows below the header; add them")

    def distinct(self, part: pd.DataFrame, column: str) -> tuple[NDArray[np.int64], list[str]]:
        """Return the distinct cells of a column as texts without blanks around them; "" is an empty cell.

        Returns:
            The place of each row's text, ``[row]``, and the texts, of which some may be equal.
        """
        cells = part.iloc[:, names_of(part).index(column)]
        if not self.is_parquet:
            codes, words = pd.factorize(cells)
            return codes, [word.strip() for word in words]
        if cells.dtype == object:  # may have values that are equal and have different texts, such as 1 and True
            return np.arange(len(cells)), [_text(cell) for cell in cells.tolist()]
        codes, values = pd.factorize(cells, use_na_sentinel=False)
        return codes, [_text(value) for value in values.tolist()]

    def is_typed(self, part: pd.DataFrame, column: str) -> bool:
        """Return True if the cells of a column have a type of their own; a text may be written in several styles."""
        cells = part.iloc[:, names_of(part).index(column)]
        values = cells.cat.categories if isinstance(cells.dtype, pd.CategoricalDtype) else cells
        return self.is_parquet and pd.api.types.infer_dtype(values, skipna=True) != "string"

    def place(self, row: int) -> str:
        """Return the place of a row for an error message.

        It is the line in a CSV file, which counts the header and blank lines. It is the number of the row in a Parquet
        file, from 1.
        """
        for index in self._index:
            if row < len(index):
                # Of both formats: `read_parquet` returns an index that begins with -1.
                return f"{'row' if self.is_parquet else 'line'} {index[row] + 2}"
            row -= len(index)
        raise IndexError(row)


def names_of(part: pd.DataFrame) -> list[str]:
    """Return the names of a frame's columns."""
    return [str(name) for name in part.columns]


def is_parquet(file: Path) -> bool:
    """Return True if a file is Parquet by its name; every other file is CSV."""
    return file.suffix.lower() == PARQUET


def write_rows(parts: Iterable[pd.DataFrame], out: Path) -> None:
    """Write frames to a CSV file, or to a Parquet file if its name says so. The write is atomic.

    Args:
        parts: the rows, one frame or more, all with the same columns.
        out: file to write.
    """
    with new_file(out) as file:
        if is_parquet(out):
            _write_parquet(parts, file)
        else:
            with file.open("w", encoding="utf-8", newline="") as opened:
                for number, part in enumerate(parts):
                    opened.write(csv_text(part, header=number == 0))


def csv_text(part: pd.DataFrame, *, header: bool) -> str:
    """Return rows as CSV, as pandas writes them, but in less than half of its time where no cell needs quotes."""
    columns = [_plain_cells(part.iloc[:, place]) for place in range(part.shape[1])]
    plain = [column for column in columns if column is not None]
    if len(plain) < len(columns) or len(plain) < 2 or not len(part):
        text: str = part.to_csv(index=False, header=header, lineterminator="\n")
        return text
    head: str = part.iloc[:0].to_csv(index=False, lineterminator="\n") if header else ""
    return head + "\n".join(map(",".join, zip(*plain, strict=True))) + "\n"


def _plain_cells(column: pd.Series) -> list[str] | None:
    """Return a column's cells as CSV; None if one of them may need quotes, or is neither a text nor a number."""
    if column.dtype == np.float64:
        return list(map(repr, column.tolist())) if np.isfinite(column).all() else None
    if column.dtype != object and not isinstance(column.dtype, pd.StringDtype):
        return None
    cells: list[str] = column.tolist()
    try:
        text = "".join(cells)
    except TypeError:  # there are values of other types, or missing ones
        return None
    return None if any(character in text for character in ',"\r\n') else cells


def _write_parquet(parts: Iterable[pd.DataFrame], file: Path) -> None:
    """Write frames to a Parquet file, each as a row group, as pandas writes a single one."""
    import pyarrow as pa
    from pyarrow import parquet

    writer = None
    for part in parts:
        table = pa.Table.from_pandas(part, preserve_index=False, schema=writer and writer.schema)
        writer = writer or parquet.ParquetWriter(file, table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()


def without_blank_lines(part: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with a cell that is not empty."""
    filled = np.zeros(len(part), dtype=np.bool_)
    for place in range(part.shape[1]):
        filled |= (part.iloc[:, place] != "").to_numpy(np.bool_)
        if filled.all():  # the first column of nearly every file
            return part
    return part[filled]


def _text(value: Any) -> str:
    """Return a cell of a Parquet file as a CSV file would have it."""
    if value is None or value is pd.NaT or value is pd.NA or value != value:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()
