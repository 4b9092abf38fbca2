"""CSV and Parquet files as frames of texts and numbers, and the layouts of folders that hold them."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from schemas.sales.column_names import match_columns, names_of, plain_name, public_name
from training.sales.data.columns import COLUMNS, Column
from training.sales.data.problems import Problems, TableProblem, TablesError
from training.sales.data.readers import UnreadableError, read_csv, read_parquet
from training.sales.data.values import NOTHING

SUFFIXES = (".csv", ".parquet")
_ROSSMANN = ("train", "test", "store", "store_states", "state_names", "googletrend", "weather")
_OWN = {
    "sales": "train",
    "plan": "test",
    "stores": "store",
    "weather": "weather",
    "events": "events",
}  # table by the file's stem
_TEXTS = {"text", "holiday", "months", "date", "week"}  # kinds of columns that are not read as numbers


class Source(NamedTuple):
    """File that a table was read from.

    Attributes:
        file: name of the file.
        headers: names of the used columns in the file, by Kaggle's names.
        unused: names of the columns that are not used.
    """

    file: str
    headers: Mapping[str, str]
    unused: tuple[str, ...]


@dataclass(frozen=True)
class Layout:
    """Files of the tables.

    Attributes:
        name: ``one file``, ``folder`` or ``rossmann``.
        files: file of each table that is there, in the order of ``COLUMNS``. The sales are the table ``train``.
        unused: names of CSV and Parquet files that are no table.
    """

    name: str
    files: Mapping[str, Path]
    unused: tuple[str, ...] = field(default=())

    def names(self) -> dict[str, str]:
        """Return the name of each table's file; for an absent table, the name that it would have."""
        stems = {table: stem for stem, table in _OWN.items()} if self.name != "rossmann" else {}
        absent = {table: f"{stems.get(table, table)}.csv" for table in COLUMNS}
        return absent | {table: file.name for table, file in self.files.items()}


def find_layout(path: Path) -> Layout:
    """Return the layout of a file or a folder.

    A file is the table of sales. A folder has ``sales`` and may have ``stores``, ``plan`` and ``weather``, or it has
    the fast.ai lesson's files: ``train`` and up to six others. Both may have ``events``. Each is a ``.csv`` or a
    ``.parquet``.

    Raises:
        TablesError: if there is no such file or folder, or its files fit no layout.
    """
    if path.is_file():
        if path.suffix.lower() in SUFFIXES:
            return Layout("one file", {"train": path})
        raise _error(path, path.name, "neither .csv nor .parquet", "save it as CSV or Parquet")
    if not path.is_dir():
        raise _error(path, str(path), "no such folder or file", "name a CSV or Parquet file, or a folder of them")
    found: dict[str, list[Path]] = {}
    for file in sorted(path.iterdir()):
        if file.suffix.lower() in SUFFIXES:
            found.setdefault(file.stem.lower(), []).append(file)
    has_sales = "sales" in found
    tables = _OWN if has_sales else {stem: stem for stem in (*_ROSSMANN, "events")}
    twice = [(stem, [file.name for file in found[stem]]) for stem in tables if len(found.get(stem, ())) > 1]
    if has_sales and "train" in found:
        twice.append(("sales", [found["sales"][0].name, found["train"][0].name]))
    if twice:
        cause = "there are two files of one table"
        raise TablesError(path, [TableProblem(" and ".join(names), "-", 0, cause, "keep one") for _, names in twice])
    if not has_sales and not {*found} & {*_ROSSMANN}:
        if not found:
            raise _error(path, str(path), "no CSV or Parquet file", "add sales.csv: store, date, sales")
        first = next(iter(found.values()))[0]
        remedy = f"rename the file with the sales to sales{first.suffix}, or name it: {first}"
        raise _error(path, str(path), "no sales.csv or sales.parquet", remedy)
    files = {table: found[stem][0] for stem, table in tables.items() if stem in found}
    if not has_sales and "train" not in files:
        files["train"] = path / "train.csv"  # which is missing
    unused = tuple(file.name for stem, several in found.items() if stem not in tables for file in several)
    return Layout(
        "folder" if has_sales else "rossmann", {name: files[name] for name in COLUMNS if name in files}, unused
    )


def _error(path: Path, name: str, cause: str, remedy: str) -> TablesError:
    """Return an error with one problem of a file or a folder."""
    return TablesError(path, [TableProblem(name, "-", 0, cause, remedy)])


def read_table(table: str, file: Path, problems: Problems) -> tuple[pd.DataFrame, Source] | None:
    """Read a table's columns: numbers as float64 if all values are numbers, other columns as categories of text.

    Categories make a million rows cheap: only the distinct texts of a column are parsed.

    Returns:
        The columns by Kaggle's names, and the source; None if the file can't be read or has no rows.
    """
    columns = COLUMNS[table]
    parquet = file.suffix.lower() == ".parquet"
    try:
        frame = read_parquet(file) if parquet else read_csv(file, dtype=str, nothing={}, n_rows=0)
        header = [str(name) for name in frame.columns]
        matched = match_columns(header, columns)
        if (
            table == "train"
            and "Sales" not in (*matched.headers, *matched.ambiguous)
            and "Customers" in matched.headers
            and not matched.unused
        ):
            matched.headers["Sales"] = matched.headers.pop("Customers")  # a restaurant's visitors are what is forecast
        of_header = {matched.headers[name]: columns[name] for name in columns if name in matched.headers}
        frame = _as_texts(frame, of_header) if parquet else _read_columns(file, of_header)
    except UnreadableError as error:
        problems.add(table, "-", error.cause, _with_names(error, columns))
        return None
    problems.headers[table] = matched.headers
    for name, names in matched.ambiguous.items():
        cause = f"each of these columns fits {public_name(name)}"
        problems.add(table, ", ".join(names), cause, f"keep one of them, or rename one to {public_name(name)}")
    for name, column in columns.items():
        if name not in matched.headers:
            if not column.optional and name not in matched.ambiguous:
                _complain_of_missing(table, name, header, problems)
        elif f"{matched.headers[name]}.1" in header:
            problems.add(table, name, "the column is there twice", "keep one of them")
    frame = frame.rename(columns={header: name for name, header in matched.headers.items()})
    frame = frame[[name for name in columns if name in frame]]
    if frame.shape[1] and frame.iloc[:, 0].isna().any():
        frame = frame.dropna(how="all")  # blank lines; the index keeps counting them, so that line numbers are right
    if frame.shape[1] and frame.empty:
        problems.add(table, "-", "there are no rows below the header", "add them")
        return None
    return frame, Source(file.name, matched.headers, tuple(matched.unused))


def _complain_of_missing(table: str, name: str, header: list[str], problems: Problems) -> None:
    """Add the problem of a column that the file must have, with a similar name if there is one."""
    close = [other for other in header if _close(plain_name(other), names_of(name))]
    remedy = (
        f"rename {close[0]!r} to {public_name(name)!r}" if close else f"add it; the file has {', '.join(header)}"[:120]
    )
    problems.add(table, name, "the column is missing", remedy)


def _close(name: str, names: list[str]) -> bool:
    """Return True if a name is nearly one of several names."""
    return bool(get_close_matches(name, names, n=1, cutoff=0.7))


def _with_names(error: UnreadableError, columns: Mapping[str, Column]) -> str:
    """Return the remedy of an error, with the columns that a missing file needs."""
    if not isinstance(error.__cause__, FileNotFoundError):
        return error.remedy
    needed = [public_name(name) for name, column in columns.items() if not column.optional]
    return f"add it, with the columns {', '.join(needed)}"


def _read_columns(file: Path, columns: Mapping[str, Column]) -> pd.DataFrame:
    """Return some columns of a CSV file, by their names in the file.

    Raises:
        UnreadableError: if the file is no CSV.
    """
    dtypes = {name: "category" if column.kind in _TEXTS else "float64" for name, column in columns.items()}
    # Categories that are all numbers become numbers: the state "06" and the store "007" would be 6 and 7.
    words = {name: "str" for name, column in columns.items() if column.kind in ("text", "id")}
    # A state may be called NA; since it must have a name, only an empty field is a gap.
    nothing = {name: NOTHING if column.gaps or column.kind not in _TEXTS else [""] for name, column in columns.items()}
    try:
        frame = read_csv(file, dtype=defaultdict(lambda: "category", dtypes | words), nothing=nothing)
    except UnreadableError as error:
        if type(error.__cause__) is not ValueError:  # the file is broken, not just a number in it
            raise
        frame = read_csv(file, dtype=defaultdict(lambda: "category", words), nothing=nothing)
    frame = frame[list(columns)]
    return frame.assign(**{name: frame[name].astype("category") for name in words})


def read_texts(file: Path, name: str, column: Column) -> pd.Series:
    """Return one column of a CSV or Parquet file as texts without blanks around them, with gaps; see `read_table`.

    Args:
        file: file that was read before.
        name: name of the column in the file.
        column: values that the column may have.
    """
    if file.suffix.lower() == ".parquet":
        return _as_text(read_parquet(file)[name], column).astype(object)
    texts = read_csv(file, dtype=str, nothing={name: NOTHING})[name]
    return texts.astype(object).map(str.strip, na_action="ignore")


def _as_texts(frame: pd.DataFrame, columns: Mapping[str, Column]) -> pd.DataFrame:
    """Return some columns of a Parquet file as `_read_columns` returns those of a CSV file."""
    return pd.DataFrame({name: _as_text(frame[name], column) for name, column in columns.items()}, index=frame.index)


def _as_text(series: pd.Series, column: Column) -> pd.Series:
    """Return a column of a Parquet file as float64 or as categories of text."""
    if column.kind not in _TEXTS and pd.api.types.is_numeric_dtype(series.dtype):  # flags are numeric too
        return pd.Series(series.to_numpy(np.float64, na_value=np.nan), index=series.index)
    series = series.astype("category")
    texts = [_text(value) for value in series.cat.categories]
    if len({*texts}) < len(texts):
        series = series.astype(object).map(_text, na_action="ignore").astype("category")
    else:
        series = series.cat.rename_categories(texts)
    empty = [text for text in (NOTHING if column.gaps or column.kind not in _TEXTS else [""]) if text in texts]
    return series.cat.remove_categories(empty)


def _text(value: Any) -> str:
    """Return a value of a Parquet file as a CSV file would have it."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()
