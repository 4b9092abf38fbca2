"""Rows of a CSV or Parquet file as texts, and rows written back to such a file."""

from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from runtime.errors import UserError
from runtime.folder import write_file
from training.sales.data.files import UnreadableError, read_csv, read_parquet

PARQUET = ".parquet"


class RowsError(UserError):
    """A file that can't be forecast; the message names the columns and rows."""


class Rows(NamedTuple):
    """Rows of a file.

    Attributes:
        source: the file.
        frame: the rows as they are in the file: texts of a CSV, typed values of a Parquet file.
        numbers: ``[row]``, line of each row in a CSV file, which counts the header and blank lines; number of the row
            in a Parquet file, from 1.
    """

    source: Path
    frame: pd.DataFrame
    numbers: list[int]

    @property
    def header(self) -> list[str]:
        """Names of the columns."""
        return [str(name) for name in self.frame.columns]

    def texts(self, column: str) -> NDArray[np.object_]:
        """Return the cells of a column as texts without blanks around them, ``[row]``; "" is an empty cell."""
        cells = self.frame.iloc[:, self.header.index(column)]
        texts = [_text(cell) for cell in cells.tolist()] if is_parquet(self.source) else cells.str.strip().tolist()
        return np.array(texts, dtype=object)

    def place(self, row: int) -> str:
        """Return the place of a row for an error message."""
        return f"{'row' if is_parquet(self.source) else 'line'} {self.numbers[row]}"


def is_parquet(file: Path) -> bool:
    """Return True if a file is Parquet by its name; every other file is CSV."""
    return file.suffix.lower() == PARQUET


def read_rows(source: Path) -> Rows:
    """Read the rows of a CSV or Parquet file. Blank lines are left out.

    Raises:
        RowsError: if the file can't be read, or has no rows.
    """
    try:
        frame = read_parquet(source) if is_parquet(source) else read_csv(source, dtype=str, nothing={})
    except UnreadableError as error:
        raise RowsError(f"{source}: {error}") from None
    if not is_parquet(source):
        frame = frame[(frame != "").any(axis=1)]
    if frame.empty:
        raise RowsError(f"{source}: there are no rows below the header; add them")
    numbers = [row + 2 for row in frame.index]  # of both formats: `read_parquet` has an index that begins with -1
    return Rows(source, frame.reset_index(drop=True), numbers)


def write_rows(frame: pd.DataFrame, out: Path) -> None:
    """Write a frame to a CSV file, or to a Parquet file if its name says so. The write is atomic."""
    if is_parquet(out):
        content = BytesIO()
        frame.to_parquet(content, index=False)
        write_file(out, content.getvalue())
    else:
        write_file(out, frame.to_csv(index=False).encode())


def _text(value: Any) -> str:
    """Return a cell of a Parquet file as a CSV file would have it."""
    if value is None or value is pd.NaT or value is pd.NA or value != value:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()
