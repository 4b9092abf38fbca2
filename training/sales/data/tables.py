"""The seven tables of the fast.ai lesson: reading, checks, and one dtype for each column.

Only this module knows the format of the CSV files: quotes, empty fields, the state called "HB,NI". `table_checks.py`
has the schema. All problems of all tables are raised together, so that a user can solve them at once. Gaps (no known
competitor, no cloud cover on a day) stay gaps: `preprocess.py` fills them.
"""

import warnings
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sales.calendar import STATE_HOLIDAYS
from training.sales.data.demo_files import is_synthetic
from training.sales.data.table_checks import (
    COLUMNS,
    COUNTRY,
    Column,
    Frames,
    TableProblem,
    TablesError,
    Wrong,
    check_joins,
    check_rows,
    complain,
    wrong_numbers,
)

# Spellings in PromoInterval.
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sept", "Oct", "Nov", "Dec")
NOTHING = ["", "NA", "N/A", "NaN", "nan", "null", "NULL", "None"]  # spellings of an empty field in R, SQL and Python
_TEXTS = {"text", "holiday", "months", "date", "week"}  # kinds of columns that are not read as numbers
_EARLIEST, _LATEST = "1990-01-01", "2099-12-31"  # a date outside is a typing error, and would make the calendar huge


class UnreadableError(Exception):
    """A file that is no CSV.

    Attributes:
        cause: description of the problem in plain words.
        remedy: advice on how to solve it.
    """

    def __init__(self, cause: str, remedy: str) -> None:
        super().__init__(f"{cause}; {remedy}")
        self.cause, self.remedy = cause, remedy


@dataclass(frozen=True)
class Tables:
    """The seven checked tables, with rows in the order of the files.

    Dates are ``datetime64[s]``, stores and other whole numbers ``int32``, flags ``int8``, other numbers
    ``float64``, and whatever may have gaps is a float with NaN. ``StateHoliday`` is a categorical with the categories
    ``STATE_HOLIDAYS``, so its codes are 0 to 3.

    Attributes:
        train: one row per store and day: Store, Date, Sales, Open, Promo, StateHoliday, SchoolHoliday, and Customers if
            the file has it.
        test: the plan of the days to forecast, without sales; Open may be NaN. Id counts from 1 if the file has none.
        store: one row per store.
        store_states: Store, State.
        state_names: StateName, State.
        googletrend: file, trend, Date (the first day of the week) and State (``COUNTRY`` for the whole country; the
            file's "NI" is the state "HB,NI").
        weather: one row per state and day, with the State that belongs to its file.
        synthetic: True if `shopcat demo` made the tables, which bundles and reports then say.
    """

    train: pd.DataFrame
    test: pd.DataFrame
    store: pd.DataFrame
    store_states: pd.DataFrame
    state_names: pd.DataFrame
    googletrend: pd.DataFrame
    weather: pd.DataFrame
    synthetic: bool = False


def read_tables(folder: Path) -> Tables:
    """Read and check the seven CSV files in ``folder``: UTF-8, commas, a header line; columns and rows in any order.

    Raises:
        TablesError: if a table has a problem; the error lists all problems of all tables.
    """
    if not folder.is_dir():
        raise TablesError(folder, [TableProblem(str(folder), "-", 0, "no such folder", "name the folder of the CSVs")])
    problems: list[TableProblem] = []
    frames: Frames = {}
    for table in COLUMNS:
        raw = _read(folder / f"{table}.csv", COLUMNS[table], problems)
        if raw is not None:
            frames[table] = _parse(table, raw, problems)
    _add_keys(frames)
    check_rows(frames, problems)
    check_joins(frames, problems)
    if problems:
        problems.sort(key=lambda problem: list(COLUMNS).index(problem.table.removesuffix(".csv")))
        raise TablesError(folder, problems)
    finished = {table: _finish(frame, COLUMNS[table]) for table, frame in frames.items()}
    return Tables(**finished, synthetic=is_synthetic(folder))


def _read(file: Path, columns: Mapping[str, Column], problems: list[TableProblem]) -> pd.DataFrame | None:
    """Return a file's columns: numbers as float64 if all values are numbers, other columns as categories of text.

    Categories make a million rows cheap: only the distinct texts of a column are parsed.
    """
    dtypes = {name: "category" if column.kind in _TEXTS else "float64" for name, column in columns.items()}
    # Categories that are all numbers become numbers, and the state "06" would be 6. Only the big tables need the speed.
    words = {name: "str" for name, column in columns.items() if column.kind == "text"}
    # A state may be called NA; since it must have a name, only an empty field is a gap.
    nothing = {name: NOTHING if column.gaps or column.kind not in _TEXTS else [""] for name, column in columns.items()}
    try:
        try:
            frame = read_csv(file, columns, dtypes | words, nothing)
        except UnreadableError as error:
            if type(error.__cause__) is not ValueError:  # the file is broken, not just a number in it
                raise
            frame = read_csv(file, columns, defaultdict(lambda: "category", words), nothing)
    except UnreadableError as error:
        problems.append(TableProblem(file.name, "-", 0, error.cause, error.remedy))
        return None

    header = [str(name) for name in frame.columns]
    for name, column in columns.items():
        if name not in header and not column.optional:
            similar = get_close_matches(name.lower(), [other.strip().lower() for other in header], n=1)
            near = [other for other in header if [other.strip().lower()] == similar]
            remedy = f"rename {near[0]!r} to {name!r}" if near else f"add it; the file has {', '.join(header)}"[:120]
            problems.append(TableProblem(file.name, name, 0, "the column is missing", remedy))
        if f"{name}.1" in header:
            problems.append(TableProblem(file.name, name, 0, "the column is there twice", "keep one of them"))
    frame = frame[[name for name in columns if name in header]]
    frame = frame.assign(**{name: frame[name].astype("category") for name in words if name in header})
    if frame.shape[1] and frame.iloc[:, 0].isna().any():
        frame = frame.dropna(how="all")  # blank lines; the index keeps counting them, so that line numbers are right
    if frame.shape[1] and frame.empty:
        problems.append(TableProblem(file.name, "-", 0, "there are no rows below the header", "add them"))
        return None
    return frame


def read_csv(file: Path, columns: Iterable[str], dtype: Any, nothing: Mapping[str, list[str]]) -> pd.DataFrame:
    """Read a CSV file with UTF-8, commas and a header line. Row ``i`` is line ``i + 2``: blank lines are rows too.

    Args:
        file: file to read.
        columns: names of its columns, for the remedy if it is missing.
        dtype: pandas' dtype, for all columns or by name.
        nothing: spellings of an empty field, by column. If there are none, empty fields are empty texts.

    Raises:
        UnreadableError: if the file can't be read. Its ``__cause__`` is a ``ValueError`` if a value has another dtype.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # fields beyond the header would be lost
            frame = pd.read_csv(
                file,
                dtype=dtype,
                na_values=dict(nothing),
                na_filter=bool(nothing),
                keep_default_na=False,
                encoding="utf-8-sig",
                index_col=False,
                skip_blank_lines=False,
                low_memory=False,
            )
    except (OSError, ValueError, pd.errors.ParserWarning) as error:
        raise UnreadableError(*_why_unreadable(error, columns)) from error
    header = [str(name) for name in frame.columns]
    if len(header) == 1 and (";" in header[0] or "\t" in header[0]):
        cause = f"not CSV: fields are separated by {'semicolons' if ';' in header[0] else 'tabs'}"
        raise UnreadableError(cause, "save it with commas, and points in decimals")
    return frame


def _why_unreadable(error: Exception, columns: Iterable[str]) -> tuple[str, str]:
    """Return cause and remedy in plain words."""
    match error:
        case FileNotFoundError():
            return "the file is missing", f"add it, with the columns {', '.join(columns)}"
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


def _parse(table: str, raw: pd.DataFrame, problems: list[TableProblem]) -> pd.DataFrame:
    """Return a table in numbers: dates and weeks as days since 1970, holidays as codes, wrong values as NaN."""
    parsed: dict[str, Any] = {}
    for name, column in COLUMNS[table].items():
        if name not in raw:
            continue
        series = raw[name]
        if isinstance(series.dtype, pd.CategoricalDtype):
            if column.kind in _TEXTS:
                series = series.cat.rename_categories(str)  # otherwise 42004.0 would be quoted as a date
            codes = series.cat.codes.to_numpy()
            texts = np.array([str(text).strip() for text in series.cat.categories], dtype=object)
            values, wrong = parse_texts(texts, column)
            absent = codes < 0
            bad = [(np.append(mask, False)[codes], cause, remedy) for mask, cause, remedy in wrong]
            nothing: Any = None if values.dtype == object else np.nan
            values = np.append(values, nothing)[codes]  # code -1, an empty field, takes the last value
        else:
            values = series.to_numpy(copy=True)
            absent = np.isnan(values)
            bad = wrong_numbers(values, column)
        if not column.gaps:
            bad.append((absent, "empty", "fill it in"))
        for mask, cause, remedy in bad:
            if mask.any():
                complain(problems, table, series[mask].to_frame(), cause, remedy)
                if values.dtype != object:
                    values[mask] = np.nan
        parsed[name] = values
    return pd.DataFrame(parsed, index=raw.index)


def parse_texts(texts: NDArray[np.object_], column: Column) -> tuple[NDArray[Any], Wrong]:
    """Parse the texts of a column; they have no blanks around them.

    Args:
        texts: ``[text]``, values as written.
        column: values that the column may have.

    Returns:
        The values, ``[text]``: numbers, flags, days since 1970 and holiday codes as floats, NaN where unreadable, and
        texts unchanged. Then masks ``[text]`` of the wrong values, each with cause and remedy.
    """
    match column.kind:
        case "text":
            return texts, []
        case "months":
            known = {*MONTHS, "Sep"}
            unknown = [not {part.strip() for part in text.split(",")} <= known for text in texts]
            remedy = f"write months as in Jan,Apr,Jul,Oct; there are {', '.join(MONTHS)}"
            return texts, [(np.array(unknown, dtype=bool), "not a list of months", remedy)]
        case "holiday":
            codes = {text: float(code) for code, text in enumerate(STATE_HOLIDAYS)} | {"0.0": 0.0}
            values = np.array([codes.get(text, np.nan) for text in texts], dtype=np.float64)
            remedy = "write 0, a (public), b (Easter) or c (Christmas)"
            return values, [(np.isnan(values), "not a holiday code", remedy)]
        case "date":
            values = _days(texts)
            outside = (values < _days([_EARLIEST])) | (values > _days([_LATEST]))
            return values, [
                (np.isnan(values), "not a date", "write YYYY-MM-DD"),
                (outside, f"not between {_EARLIEST} and {_LATEST}", "correct the year"),
            ]
        case "week":
            values = _days(text.partition(" - ")[0] for text in texts)
            ends = _days(text.partition(" - ")[2] for text in texts)
            wrong = ~(ends - values == 6)  # NaN included
            return values, [(wrong, "not a week", "write its first and last day, as in 2012-12-02 - 2012-12-08")]
    if column.kind == "flag":
        texts = np.array([{"true": "1", "false": "0"}.get(text.lower(), text) for text in texts], dtype=object)
    values = pd.to_numeric(pd.Series(texts, dtype=object), errors="coerce").to_numpy(np.float64, copy=True)
    unreadable = (np.isnan(values), "not a number", "write digits, with a point for decimals")
    return values, [unreadable, *wrong_numbers(values, column)]


def _days(texts: Iterable[str]) -> NDArray[np.float64]:
    """Return dates like 2015-07-31 as days since 1970-01-01; NaN for other texts."""
    dates = pd.to_datetime(pd.Series(list(texts), dtype=object), format="%Y-%m-%d", errors="coerce")
    days = dates.to_numpy("datetime64[D]")
    return np.where(np.isnat(days), np.nan, days.astype(np.int64))


def _add_keys(frames: Frames) -> None:
    """Add the keys that joins need and files lack: the trend's Date and State, the weather's State, the plan's Id."""
    states = frames.get("state_names", pd.DataFrame()).reindex(columns=["StateName", "State"]).dropna()
    if "googletrend" in frames:
        trend = frames["googletrend"]
        if "week" in trend:
            frames["googletrend"] = trend = trend.rename(columns={"week": "Date"})
        if "file" in trend:
            # "NI" stands for the state "HB,NI", unless there is a state of just that name.
            codes = {part: code for code in states["State"] for part in code.split(",")}
            codes |= {code: code for code in states["State"]}
            part = trend["file"].str.split("_", n=2).str[2]
            trend["State"] = part.map(lambda name: codes.get(name, name)).where(part.notna(), COUNTRY)
    if "file" in frames.get("weather", ()):
        names = states.drop_duplicates("StateName").set_index("StateName")["State"]
        frames["weather"]["State"] = frames["weather"]["file"].map(names)
    if "test" in frames and "Id" not in frames["test"]:
        frames["test"].insert(0, "Id", np.arange(1, len(frames["test"]) + 1))


def _finish(frame: pd.DataFrame, columns: Mapping[str, Column]) -> pd.DataFrame:
    """Return a table with the dtypes of `Tables` and rows counted from 0."""
    done: dict[str, Any] = {}
    for name in map(str, frame):
        values = frame[name].to_numpy()
        column = columns.get(name, Column("date" if name == "Date" else "text"))
        if column.kind == "date":
            done[name] = values.astype("datetime64[D]").astype("datetime64[s]")
        elif column.kind == "holiday":
            done[name] = pd.Categorical.from_codes(values.astype(np.int8), pd.Index(STATE_HOLIDAYS))
        elif column.kind in ("flag", "whole") and not column.gaps:
            done[name] = values.astype(np.int8 if column.kind == "flag" else np.int32)
        else:
            done[name] = values
    return pd.DataFrame(done)
