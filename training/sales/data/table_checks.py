"""Schema and checks of the seven tables.

The checks go from small to large: columns, rows that repeat or contradict each other, references between tables. They
see parsed frames, not files; `tables.py` reads those. In a frame, numbers, flags, dates (days since 1970) and holidays
(codes) are floats, and unreadable values are gaps. A frame may be absent or lack columns, which has been reported then.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from runtime.errors import UserError

Kind = Literal["whole", "number", "flag", "date", "week", "holiday", "months", "text"]
Frames = dict[str, pd.DataFrame]  # by table; the index is the row in the file, from 0, with blank lines
Wrong = list[tuple[NDArray[np.bool_], str, str]]  # mask of the wrong values, cause, remedy

COUNTRY = "DE"  # the State of the trend that covers the whole country
_SHOWN = 3  # number of lines that a problem quotes


class Column(NamedTuple):
    """Values that a column may have."""

    kind: Kind
    gaps: bool = False  # a row may leave the field empty
    optional: bool = False  # the file may lack the column
    least: float = -math.inf
    most: float = math.inf


_DAY = {
    "Store": Column("whole", least=0, most=2**31 - 1),
    "Date": Column("date"),
    "Promo": Column("flag"),
    "StateHoliday": Column("holiday"),
    "SchoolHoliday": Column("flag"),
}
_DEGREES = Column("number", gaps=True, least=-100, most=100)
_PERCENT = Column("number", gaps=True, least=0, most=100)
_MEASURED = Column("number", gaps=True, least=0)

COLUMNS: Mapping[str, Mapping[str, Column]] = {
    "train": {
        **_DAY,
        "Sales": Column("number", least=0),
        "Customers": Column("number", gaps=True, optional=True, least=0),
        "Open": Column("flag"),
    },
    "test": {"Id": Column("whole", optional=True, least=0, most=2**31 - 1), **_DAY, "Open": Column("flag", gaps=True)},
    "store": {
        "Store": _DAY["Store"],
        "StoreType": Column("text", gaps=True),
        "Assortment": Column("text", gaps=True),
        "CompetitionDistance": _MEASURED,
        "CompetitionOpenSinceMonth": Column("whole", gaps=True, least=1, most=12),
        "CompetitionOpenSinceYear": Column("whole", gaps=True, least=1800, most=2099),
        "Promo2": Column("flag"),
        "Promo2SinceWeek": Column("whole", gaps=True, least=1, most=53),
        "Promo2SinceYear": Column("whole", gaps=True, least=1800, most=2099),
        "PromoInterval": Column("months", gaps=True),
    },
    "store_states": {"Store": _DAY["Store"], "State": Column("text")},
    "state_names": {"StateName": Column("text"), "State": Column("text")},
    "googletrend": {"file": Column("text"), "week": Column("week"), "trend": Column("number", gaps=True, least=0)},
    "weather": {
        "file": Column("text"),
        "Date": Column("date"),
        **{f"{which}_TemperatureC": _DEGREES for which in ("Max", "Mean", "Min")},
        **{f"{which}_Humidity": _PERCENT for which in ("Max", "Mean", "Min")},
        "Max_Wind_SpeedKm_h": _MEASURED,
        "Mean_Wind_SpeedKm_h": _MEASURED,
        "CloudCover": Column("number", gaps=True, least=0, most=9),  # eighths of the sky; 9: hidden by fog
        "Events": Column("text", gaps=True),
        # Columns that the model does not use may be left out.
        **{name: _DEGREES._replace(optional=True) for name in ("Dew_PointC", "MeanDew_PointC", "Min_DewpointC")},
        **{f"{which}_Sea_Level_PressurehPa": _MEASURED._replace(optional=True) for which in ("Max", "Mean", "Min")},
        **{name: _MEASURED._replace(optional=True) for name in ("Max_VisibilityKm", "Mean_VisibilityKm")},
        **{name: _MEASURED._replace(optional=True) for name in ("Min_VisibilitykM", "Max_Gust_SpeedKm_h")},
        "Precipitationmm": _MEASURED._replace(optional=True),
        "WindDirDegrees": Column("number", gaps=True, optional=True),
    },
}
"""For each table its columns; others are ignored. The file of table ``t`` is ``t.csv``."""

_UNIQUE = (
    ("train", ("Store", "Date")),
    ("test", ("Store", "Date")),
    ("test", ("Id",)),
    ("store", ("Store",)),
    ("store_states", ("Store",)),
    ("state_names", ("StateName",)),
    ("state_names", ("State",)),
    ("googletrend", ("file", "Date")),
    ("weather", ("file", "Date")),
)
_REFERENCES = (  # each value of the first table's column must be in the second's
    ("train", "Store", "store", "Store"),
    ("train", "Store", "store_states", "Store"),
    ("test", "Store", "store", "Store"),
    ("test", "Store", "store_states", "Store"),
    ("store_states", "State", "state_names", "State"),
    ("googletrend", "State", "state_names", "State"),
    ("weather", "file", "state_names", "StateName"),
)


@dataclass(frozen=True)
class TableProblem:
    """One problem of one column of one table.

    Attributes:
        table: name of the file, such as ``train.csv``.
        column: name of the column, or ``-`` for the file itself.
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

    def __init__(self, folder: Path, problems: Iterable[TableProblem]) -> None:
        self.problems = list(problems)
        rows = [("table", "column", "rows", "problem", "what to do")]
        rows += [(p.table, p.column, str(p.rows or "-"), p.cause, p.remedy) for p in self.problems]
        widths = [max(len(row[i]) for row in rows) for i in range(4)]
        lines = ["  ".join([*(cell.ljust(w) for cell, w in zip(row, widths, strict=False)), row[4]]) for row in rows]
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        super().__init__("\n".join([f"{count} with the tables in {folder}:", *lines]))


def complain(problems: list[TableProblem], table: str, rows: pd.DataFrame, cause: str, remedy: str) -> None:
    """Add a problem, if there are rows with it.

    Args:
        problems: list to add to.
        table: name of the table, without ``.csv``.
        rows: rows with the problem, and the columns to name and quote; empty fields are not quoted.
        cause: description of the problem.
        remedy: advice on how to solve it.
    """
    if rows.empty:
        return
    columns = [str(name) for name in rows]
    different = rows.drop_duplicates() if rows.notna().any(axis=None) else rows
    first = different.head(_SHOWN)
    quotes = [", ".join(map(_say, columns, row)) for row in first.itertuples(index=False)]
    # Lines count from 1, and the first is the header.
    where = [
        f"{line + 2}: {text[:40]!r}" if text else f"{line + 2}" for line, text in zip(first.index, quotes, strict=True)
    ]
    more = ", ..." if len(rows) > len(where) else ""
    cause = f"{cause} (line {', '.join(where)}{more})"
    problems.append(TableProblem(f"{table}.csv", ", ".join(columns), len(rows), cause, remedy))


def _say(column: str, value: Any) -> str:
    """Return a value as it was in the file; empty for an empty field."""
    if not isinstance(value, float):
        return str(value)
    if np.isnan(value):
        return ""
    return str(np.datetime64(int(value), "D")) if column == "Date" else f"{value:.12g}"


def wrong_numbers(values: NDArray[np.float64], column: Column) -> Wrong:
    """Return the problems of numbers; NaN is not one of them."""
    if column.kind == "flag":
        return [(~((values == 0) | (values == 1) | np.isnan(values)), "neither 0 nor 1", "write 0 or 1")]
    wrong: Wrong = [(np.isinf(values), "infinite", "write a finite number")]
    finite = np.isfinite(values)
    if column.kind == "whole":
        wrong.append((finite & (values != np.floor(values)), "not a whole number", "write a whole number"))
    low, high = finite & (values < column.least), finite & (values > column.most)
    if column.least == 0:
        wrong.append((low, "negative", "correct the value or remove the row"))
    else:
        wrong.append((low, f"below {column.least:g}", "correct the value"))
    wrong.append((high, f"above {column.most:g}", "correct the value"))
    return wrong


def check_rows(frames: Frames, problems: list[TableProblem]) -> None:
    """Add the problems of rows that contradict each other or themselves."""
    for table, keys in _UNIQUE:
        if _has(frames, table, *keys):
            rows = frames[table][list(keys)].dropna()
            complain(problems, table, rows[rows.duplicated()], "is there already", "keep one row for each")
    if _has(frames, "train", "Open", "Sales"):
        days = frames["train"][["Open", "Sales"]]
        closed = days[(days["Open"] == 0) & (days["Sales"] > 0)]
        complain(problems, "train", closed, "closed, yet it has sales", "set Open to 1 or Sales to 0")
        if days["Sales"].max() == 0:
            problems.append(TableProblem("train.csv", "Sales", len(days), "0 in every row", "add days with sales"))
    if _has(frames, "store", "Promo2SinceWeek", "Promo2SinceYear"):
        since = frames["store"][["Promo2SinceWeek", "Promo2SinceYear"]].dropna()
        weeks = [date(int(year), 12, 28).isocalendar().week for year in since["Promo2SinceYear"]]  # 52 or 53
        late = since[since["Promo2SinceWeek"] > np.array(weeks)]
        complain(problems, "store", late, "that year has 52 weeks", "correct one of them")


def check_joins(frames: Frames, problems: list[TableProblem]) -> None:
    """Add the problems of rows without a partner in another table, and of days that are both past and planned."""
    for table, column, other, key in _REFERENCES:
        if _has(frames, table, column) and _has(frames, other, key):
            known = {*frames[other][key].dropna().unique()} | ({COUNTRY} if table == "googletrend" else set())
            rows = frames[table][[column]].dropna()
            lost = rows[~rows[column].isin(known)]
            complain(problems, table, lost, f"not in {other}.csv", f"add it to {other}.csv, or remove these rows")
    if _has(frames, "train", "Store", "Date") and _has(frames, "test", "Store", "Date"):
        past, plan = (frames[table][["Store", "Date"]].dropna() for table in ("train", "test"))
        days = [frame["Store"] * 2**17 + frame["Date"] for frame in (past, plan)]  # one number for each store and day
        complain(problems, "test", plan[days[1].isin(days[0])], "is in train.csv too", "plan later days only")
    if _has(frames, "store_states", "State") and _has(frames, "state_names", "StateName", "State"):
        states = frames["store_states"][["State"]].dropna()
        if _has(frames, "weather", "file"):
            with_weather = {*frames["weather"]["State"].dropna()}
            named = states["State"].isin(frames["state_names"]["State"])
            dry = states[named & ~states["State"].isin(with_weather)]
            complain(problems, "store_states", dry, "no weather for this state", "add its rows to weather.csv")
    if _has(frames, "googletrend", "file") and COUNTRY not in set(frames["googletrend"]["State"]):
        cause = f"no trend of the whole country (Rossmann_{COUNTRY})"
        problems.append(TableProblem("googletrend.csv", "file", 0, cause, "add its weeks"))


def _has(frames: Frames, table: str, *columns: str) -> bool:
    return table in frames and all(column in frames[table] for column in columns)
