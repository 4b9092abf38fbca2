"""Inspection of tables before a training: what was found, its use, what is absent, and what that costs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from runtime.words import counted
from sales.panel import YEAR
from schemas.sales.column_names import public_name
from training.sales.data.columns import COLUMNS, Kind
from training.sales.data.files import find_layout
from training.sales.data.own_columns import FILE, OwnTable
from training.sales.data.problems import Problems, TableProblem, TablesError
from training.sales.data.tables import Tables, load_tables
from training.sales.options import DEFAULT_HORIZON

_TITLES = {"train": "sales", "test": "plan", "store": "stores"}  # other tables have the lesson's names
_LAYOUTS = {
    "one file": "one file with the sales",
    "folder": "a folder with the sales",
    "rossmann": "the fast.ai lesson's folder",
}
_LESSON_ONLY = ("store_states", "state_names", "googletrend")
_USES: Mapping[str, Mapping[str, str]] = {
    "train": {
        "Sales": "what is forecast",
        "Customers": "checked, not used",
        "Open": "closed days have a forecast of 0 and change the days around them",
        "Promo": "promotion, yes or no",
        "StateHoliday": "public holiday, Easter or Christmas",
        "SchoolHoliday": "school holiday, yes or no",
    },
    "test": {
        "Id": "identifies the row for Kaggle",
        "Open": "stated for future days",
        "Promo": "stated for future days",
        "StateHoliday": "stated for future days",
        "SchoolHoliday": "stated for future days",
    },
    "store": {"State": "region of the store, for weather and holidays"},
    "weather": {"file": "region of the weather"},
    "events": {
        "Name": "own event, known ahead",
        "From": "first day of the event",
        "To": "last day of the event; the first day if it is empty",
        "Store": "store of the event; all stores if it is empty",
        "State": "region of the event; all regions if it is empty",
    },
}
"""Use of each column by table; other columns are used as their kind says."""

_KINDS: Mapping[Kind, str] = {
    "id": "identifies the store",
    "date": "identifies the day",
    "week": "identifies the week",
    "flag": "yes or no",
    "whole": "number",
    "number": "number",
    "text": "category",
    "months": "months of a year",
    "holiday": "kind of holiday",
}
_COSTS: Mapping[tuple[str, str], str] = {
    ("train", "Open"): "a store counts as open on the days with sales, and as closed on listed days without",
    ("train", "Promo"): "the model learns nothing about promotions",
    ("train", "StateHoliday"): "public holidays are unknown, unless --country names the country",
    ("train", "SchoolHoliday"): "the model learns nothing about school holidays",
    ("test", ""): "future days are assumed: usual opening, rhythm of promotions, recurring and --country holidays",
    ("test", "Open"): "stores are assumed to open as usual",
    ("store", ""): "stores differ by their sales alone; a new store is forecast like an average one",
    ("store", "State"): "all stores count as one region",
    ("weather", ""): "the model learns nothing about weather",
    ("googletrend", ""): "parity mode can't be trained",
    ("store_states", ""): "all stores count as one region",
    ("state_names", ""): "the weather must name states as store_states does",
}
"""Cost of an absent column, or of an absent table where there is no column."""


@dataclass(frozen=True)
class Inspection:
    """Result of an inspection.

    Attributes:
        path: file or folder that was inspected.
        layout: name of the layout; empty if none was found.
        files: file of each table that is there.
        unused: CSV and Parquet files that are no table.
        tables: the tables; None if they can't be used.
        problems: problems that prevent a training.
    """

    path: Path
    layout: str
    files: Mapping[str, Path]
    unused: tuple[str, ...]
    tables: Tables | None
    problems: list[TableProblem]

    def text(self) -> str:
        """Return the inspection as text for a terminal, without the problems."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        if self.layout:
            yield f"{self.path}: {_LAYOUTS[self.layout]}"
        if self.unused:
            yield f"  files that are not used: {', '.join(self.unused)}"
        if self.tables is None:
            return
        tables = self.tables
        for table, source in tables.sources.items():
            yield ""
            yield f"{_title(table)}: {source.file}, {_extent(getattr(tables, table))}"
            uses = [
                (header, public_name(name), _USES.get(table, {}).get(name) or _KINDS[COLUMNS[table][name].kind])
                for name, header in source.headers.items()
            ]
            yield from _aligned(uses)
            if source.unused:
                hint = f"; declare them in {FILE} to use their past" if table == "train" else ""
                yield f"  not used: {', '.join(source.unused)}{hint}"
        if tables.own_columns:
            yield ""
            yield "columns of your own"
            yield from _aligned([_own_column(table) for table in tables.own_columns])
        absent = [*_absent(self.layout, tables)]
        if absent:
            yield ""
            yield "absent, and what it costs"
            yield from _aligned(absent)
        yield ""
        yield "days"
        yield from (f"  {line}" for line in _days(tables))
        yield from (f"  WARNING: {warning}" for warning in tables.late_stores().warnings())


def inspect_tables(path: Path) -> Inspection:
    """Inspect a file or a folder, without an error if the tables have problems."""
    try:
        layout = find_layout(path)
    except TablesError as error:
        return Inspection(path, "", {}, (), None, error.problems)
    problems = Problems(layout.names())
    tables = load_tables(layout, problems)
    if tables is not None:
        _check_length(tables, problems)
    return Inspection(path, layout.name, layout.files, layout.unused, tables, problems.found())


def _check_length(tables: Tables, problems: Problems) -> None:
    """Add a problem if the sales leave nothing to hold out."""
    if _span(tables.train) < 2:
        cause = "all sales are of one day, and training holds out the last days"
        problems.add("train", "Date", cause, "add earlier sales, a year or more if you have them")


def _span(days: pd.DataFrame) -> int:
    """Return the number of days from the first to the last with sales."""
    sold = days.loc[days["Sales"] > 0, "Date"].to_numpy("datetime64[D]")
    return int((sold.max() - sold.min()).astype(int)) + 1


def _absent(layout: str, tables: Tables) -> Iterator[tuple[str, str]]:
    """Return the names of absent tables and columns with what their absence costs."""
    for (table, column), cost in _COSTS.items():
        of_lesson, of_others = table in _LESSON_ONLY, (table, column) == ("store", "State")
        if of_others if layout == "rossmann" else of_lesson:
            continue
        title = _title(table)
        if not column and table not in tables.sources:
            yield title, cost
        elif column and table in tables.sources and column not in tables.sources[table].headers:
            yield f"{public_name(column)} of {title}", cost


def _own_column(table: OwnTable) -> tuple[str, str, str]:
    """Return the name of a column of the user's, its kind and axes, and its use."""
    name, kind, axes, known_ahead = table.column
    values = "number" if kind == "cont" else f"category of {counted(len(table.words), 'word')}"
    if axes == "store":
        use = "attribute of the store"
    elif known_ahead:
        use = "known ahead: from the plan or the request; the last value where neither states it"
    else:
        use = "not known ahead: the mean of 28 days before a forecast, or the last word"
    return name, f"{values} by {'store and day' if axes == 'cell' else axes}", use


def _aligned(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Return the lines of a text table."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _title(table: str) -> str:
    """Return the name of a table for users."""
    return _TITLES.get(table, table)


def _extent(frame: pd.DataFrame) -> str:
    """Return the size of a table in words: rows, stores, first and last day."""
    parts = [counted(len(frame), "row")]
    if "Store" in frame:
        parts.append(counted(frame["Store"].nunique(), "store"))
    if "Date" in frame and len(frame):
        first, last = (frame["Date"].agg(edge).date() for edge in ("min", "max"))
        parts.append(f"{first} to {last}")
    return ", ".join(parts)


def _days(tables: Tables) -> Iterator[str]:
    """Return remarks about the days of the sales."""
    days = tables.train
    store, day = days["Store"].to_numpy(), days["Date"].to_numpy("datetime64[D]").astype(np.int64)
    spans = pd.Series(day).groupby(store).agg(["min", "max", "size"])
    listed, full = int(spans["size"].sum()), int((spans["max"] - spans["min"] + 1).sum())
    if listed < full:
        yield f"{full - listed:,} of {full:,} days between a store's first and last have no row: closed or unknown"
        by_weekday = np.bincount((day + 3) % 7, minlength=7)
        names = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
        never = [name for name, count in zip(names, by_weekday, strict=True) if not count]
        if never:
            yield f"no store has a row on a {' or '.join(never)}, so all count as closed then"
    zero = days["Sales"] == 0
    if not tables.states("train", "Open") and zero.any():
        rows = counted(int(zero.sum()), "row")
        yield f"{rows} without sales: counted as closed; add the column open if the store was open"
    elif zero.any() and (zero & (days["Open"] == 1)).any():
        yield f"not trained on: {counted(int((zero & (days['Open'] == 1)).sum()), 'open day')} without sales"
    sold = days[~zero]
    if len(sold) > 1 and sold["Sales"].nunique() == 1:
        yield f"all sales are {sold['Sales'].iloc[0]:g}, so every forecast of an open day will be that"
    span = _span(days)
    if span < 3 * DEFAULT_HORIZON:
        held_out = f"the evaluation holds out {max(span // 3, 1)} instead of {DEFAULT_HORIZON}"
        yield f"the sales span {counted(span, 'day')}; {held_out}"
    if span < YEAR:
        yield f"the sales span {counted(span, 'day')}, less than a year, so the model can't learn the seasons"
    last = sold["Date"].max().date()
    yield f"{counted(len(sold), 'row')} with sales to train on; the last day with sales is {last}"
    end = None if tables.test.empty else tables.test["Date"].max().date()
    if end is not None and (end - last).days < DEFAULT_HORIZON:
        yield f"the plan ends on {end}; forecasts reach {DEFAULT_HORIZON} days after the sales"
