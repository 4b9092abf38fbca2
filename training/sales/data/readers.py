"""CSV and Parquet files as frames, and the reasons why they can't be read."""

import io
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

SEPARATORS = (",", ";", "\t", "|")


class UnreadableError(Exception):
    """A file that is no table.

    Attributes:
        cause: description of the problem in plain words.
        remedy: advice on how to solve it.
    """

    def __init__(self, cause: str, remedy: str) -> None:
        super().__init__(f"{cause}; {remedy}")
        self.cause, self.remedy = cause, remedy


def read_csv(file: Path, *, dtype: Any, nothing: Mapping[str, list[str]], n_rows: int | None = None) -> pd.DataFrame:
    """Read a CSV file with UTF-8 and a header line. Row ``i`` is line ``i + 2``: blank lines are rows too.

    Fields are separated by commas, or by the semicolons, tabs or vertical bars that the header has instead. Excel's
    line ``sep=;`` before the header is skipped.

    Args:
        file: file to read.
        dtype: pandas' dtype, for all columns or by name.
        nothing: spellings of an empty field, by column. If there are none, empty fields are empty texts.
        n_rows: number of rows to read; None for all.

    Raises:
        UnreadableError: if the file can't be read. Its ``__cause__`` is a ``ValueError`` if a value has another dtype.
    """
    with _readable():
        options, skipped = _csv_options(file)
        frame: pd.DataFrame = pd.read_csv(
            file, dtype=dtype, na_values=dict(nothing), na_filter=bool(nothing), nrows=n_rows, **options
        )
    frame.index += skipped
    return frame


def read_csv_parts(file: Path, rows: int) -> Iterator[pd.DataFrame]:
    """Read a CSV file as texts, a number of rows at a time, so that memory does not grow with the file.

    Args:
        file: file to read; see `read_csv`.
        rows: number of rows of a part. The index goes on from part to part.

    Raises:
        UnreadableError: if the file can't be read.
    """
    with _readable():
        options, skipped = _csv_options(file)
        with pd.read_csv(file, dtype=str, na_filter=False, chunksize=rows, **options) as parts:
            for frame in parts:
                frame.index += skipped
                yield frame


def read_csv_lines(header: bytes, lines: bytes, place: int, columns: list[int] | None = None) -> pd.DataFrame:
    """Read some lines of a CSV file as texts.

    Args:
        header: the file's first line, and Excel's line before it if there is one.
        lines: whole lines below the header.
        place: number of lines between the header and these.
        columns: places of the columns to read; None for all.

    Raises:
        UnreadableError: if they can't be read.
    """
    content = header + lines
    try:
        with _readable():
            options, skipped = _options_of(_first_line(header))
            options |= {"dtype": str, "na_filter": False, "usecols": columns}
            frame: pd.DataFrame = pd.read_csv(io.BytesIO(content), **options)
    except UnreadableError as error:
        raise UnreadableError(_cause_in_file(error, content, place), error.remedy) from error.__cause__
    frame.index += skipped + place
    return frame


def may_quote_commas(header: bytes, lines: bytes) -> bool:
    """Return True if a cell of some lines may have a comma; see `read_csv_lines`."""
    separator, _ = _separator(_first_line(header))
    return (b'"' if separator == "," else b",") in lines


def _first_line(header: bytes) -> str:
    return header.decode("utf-8-sig").splitlines()[0]


def _cause_in_file(error: UnreadableError, content: bytes, place: int) -> str:
    """Return the cause of an error with the line of the file that it is about, as `read_csv_lines` has these."""
    cause, found = error.cause, re.search(r"\b(line|row) (\d+)", error.cause)
    if isinstance(error.__cause__, UnicodeDecodeError):
        return f"not UTF-8 text (line {_line_of_byte(content) + place})"
    if found is None:
        return cause
    row = int(found[2]) + (found[1] != "line")  # pandas counts some rows from 0
    if isinstance(error.__cause__, pd.errors.ParserWarning):
        row += content.startswith((b"sep=", b"\xef\xbb\xbfsep="))
    return f"{cause[: found.start()]}line {_line_of_row(content, row) + place}{cause[found.end() :]}"


def _line_of_byte(content: bytes) -> int:
    """Return the line with the first byte that is not UTF-8, from 1."""
    try:
        content.decode()
    except UnicodeDecodeError as error:
        return content.count(b"\n", 0, error.start) + 1
    raise AssertionError("all bytes are UTF-8")


def _line_of_row(content: bytes, row: int) -> int:
    """Return the line that a row begins with, both from 1. pandas counts a row of several lines, in quotes, as one."""
    rows, quotes, lines = 1, 0, content.split(b"\n")
    for line, text in enumerate(lines, 1):
        if rows == row:
            return line
        quotes += text.count(b'"')
        rows += quotes % 2 == 0
    return len(lines)


@contextmanager
def _readable() -> Iterator[None]:
    """Turn the errors of files and of pandas to `UnreadableError`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # fields beyond the header would be lost
            yield
    except (OSError, ValueError, pd.errors.ParserWarning) as error:
        raise UnreadableError(*_why_unreadable(error)) from error


def _csv_options(file: Path) -> tuple[dict[str, Any], int]:
    """Return pandas' options for a CSV file, and the number of lines before its header."""
    with file.open(encoding="utf-8-sig") as lines:
        return _options_of(lines.readline())


def _options_of(first: str) -> tuple[dict[str, Any], int]:
    """Return pandas' options for a CSV file with a first line, and the number of lines before its header."""
    separator, skipped = _separator(first)
    return {
        "keep_default_na": False,
        "encoding": "utf-8-sig",
        "index_col": False,
        "skip_blank_lines": False,
        "low_memory": False,
        "sep": separator,
        "skiprows": skipped,
    }, skipped


def separator_of(first: bytes) -> tuple[str, int]:
    """Return the separator of a CSV file with a first line, and the number of lines before its header."""
    return _separator(first.decode("utf-8-sig", "replace"))


def _separator(first: str) -> tuple[str, int]:
    """Return the separator of a CSV file's fields, and the number of lines before the header.

    It is the most frequent one in the first line outside quotes; a comma if there is none.
    """
    if re.fullmatch(r"sep=.\s*", first):
        return first[4], 1
    bare = re.sub(r'"[^"]*"', "", first)
    return max(SEPARATORS, key=bare.count), 0


def _why_unreadable(error: Exception) -> tuple[str, str]:
    """Return cause and remedy in plain words."""
    match error:
        case FileNotFoundError():
            return "the file is missing", "add it"
        case OSError():
            return f"the file can't be read: {error.strerror or error}", "make it a file that you may read"
        case UnicodeDecodeError():
            return f"not UTF-8 text (byte {error.start})", "save it as CSV in UTF-8"
        case pd.errors.EmptyDataError():
            return "the file or its first line is empty", "put the columns' names in the first line"
    why = "line 2 has more fields than the header"
    if not isinstance(error, pd.errors.ParserWarning):
        why = str(error).strip().removeprefix("Error tokenizing data. C error: ")
    return f"not CSV: {why}", "separate fields by commas; put a field with a comma in it in double quotes"


def read_parquet(file: Path) -> pd.DataFrame:
    """Read a Parquet file. The index is such that problems count its rows from 1, as `Problems.complain` says.

    Raises:
        UnreadableError: if the file can't be read.
    """
    try:
        frame = pd.read_parquet(file)
    except FileNotFoundError as error:
        raise UnreadableError(*_why_unreadable(error)) from error
    except (OSError, ValueError) as error:
        raise UnreadableError(f"not Parquet: {str(error).splitlines()[0]}", "save it as Parquet or CSV") from error
    if any(name is not None for name in frame.index.names):  # store and date may be the index
        frame = frame.reset_index()
    frame.index = pd.RangeIndex(-1, len(frame) - 1)
    return frame
