"""Forecasts of the store-days in a CSV file, written to another CSV file."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError

from runtime.errors import UserError
from runtime.folder import write_file
from sales.calendar import STATE_HOLIDAYS
from sales.forecaster import Forecaster
from schemas.problems import Problem, validation_problem
from schemas.sales.answer import Forecasts, ItemForecast, ItemProblem
from schemas.sales.column_names import match_columns
from schemas.sales.parse import ForecastRequest, RejectedItem
from schemas.sales.request import ITEM_NAMES, Item
from training.sales.data.columns import COLUMNS, Column
from training.sales.data.files import UnreadableError, read_csv
from training.sales.data.values import NOTHING, parse_texts

_FIELDS = {  # names of the columns in the contract and at Kaggle
    "store": "Store",
    "date": "Date",
    "open": "Open",
    "promo": "Promo",
    "state_holiday": "StateHoliday",
    "school_holiday": "SchoolHoliday",
}
_TEST = {name.lower() for name in (*COLUMNS["test"], "DayOfWeek")}  # all columns of Kaggle's test.csv
# By the kind of column: function from the tables' number to the contract's value.
_VALUES: Mapping[str, Callable[[float], Any]] = {
    "id": int,
    "flag": bool,
    "date": lambda day: np.datetime64(int(day), "D").item(),
    "holiday": lambda code: STATE_HOLIDAYS[int(code)],
}
_SHOWN = 5  # number of wrong rows that an error quotes


class RowsError(UserError):
    """A CSV file that can't be forecast; the message names the rows."""


def forecast_csv(forecaster: Forecaster, source: Path, out: Path) -> tuple[int, Counter[str]]:
    """Forecast every row of a CSV file.

    Kaggle's test.csv, which has an Id and only Kaggle's columns, gives ``Id,Sales``. Any other file with a store and a
    date keeps its columns and gets ``Sales`` added, or ``Forecast`` if it has sales already. The rows' statements on a
    store's days (open, promo, holidays) form one plan, as those of the items of one request do.

    Args:
        forecaster: model that forecasts.
        source: CSV file. Columns are found and values are read as `read_tables` does it. An empty field states nothing.
        out: CSV file to write, atomically.

    Returns:
        The number of rows, and the number of rows with each kind of warning and each assumed field.

    Raises:
        RowsError: if the file is not such a CSV, or a row can't be forecast; then nothing is written.
    """
    table = _read(source)
    columns = _columns(source, table)
    added = _added_column(source, table)
    stated = [_values(table[name], COLUMNS["test"][_FIELDS[field]]) for field, name in columns.items()]
    if isinstance(forecaster.model.panel.store_ids[0], str):
        stated[[*columns].index("store")] = [text.strip() or None for text in table[columns["store"]]]
    items = [_item(dict(zip(columns, values, strict=True))) for values in zip(*stated, strict=True)]
    forecasts = _predict(forecaster, source, items, lines=[row + 2 for row in table.index])  # the header is line 1
    names = _lower_names(table)
    if names.count("id") == 1 and {*names} <= _TEST:
        table = pd.DataFrame({"Id": table.iloc[:, names.index("id")]})
    table[added] = [forecast.sales for forecast in forecasts]
    text = StringIO()
    table.to_csv(text, index=False)
    write_file(out, text.getvalue().encode())
    return len(forecasts), Counter(
        code
        for forecast in forecasts
        for code in {*(w.code for w in forecast.warnings), *(f"{field} assumed" for field in forecast.assumed)}
    )


def _columns(source: Path, table: pd.DataFrame) -> dict[str, str]:
    """Return the names of the table's columns by the fields of the contract.

    Raises:
        RowsError: if there are two columns for a field, no store, no date, or no row.
    """
    matched = match_columns([str(name) for name in table.columns], _FIELDS.values())
    columns = {field: matched.headers[name] for field, name in _FIELDS.items() if name in matched.headers}
    twice = {field: [name, name] for field, name in columns.items() if f"{name}.1" in table}  # pandas' second name
    twice |= {field: matched.ambiguous[name] for field, name in _FIELDS.items() if name in matched.ambiguous}
    for field, (first, second, *_) in twice.items():
        raise RowsError(f"{source} has two columns for {field}: {first!r} and {second!r}; keep one of them")
    missing = [name for name in ("store", "date") if name not in columns]
    if missing:
        raise RowsError(
            f"{source} has no column {' and '.join(missing)}; its columns are {', '.join(map(str, table.columns))}"
        )
    if table.empty:
        raise RowsError(f"{source}: there are no rows below the header; add them")
    return columns


def _added_column(source: Path, table: pd.DataFrame) -> str:
    """Return the name of the column for the forecasts.

    Raises:
        RowsError: if the table has both names already.
    """
    names = _lower_names(table)
    for name in ("Sales", "Forecast"):
        if name.lower() not in names:
            return name
    raise RowsError(f"{source} has the columns Sales and Forecast already; rename one, so that forecasts have a name")


def _predict(
    forecaster: Forecaster, source: Path, items: Sequence[Item | RejectedItem], lines: Sequence[int]
) -> list[ItemForecast]:
    """Return the forecast of each item.

    Raises:
        RowsError: if an item can't be forecast; the message names its line.
    """
    (answer,) = forecaster.predict([ForecastRequest(tuple(items), single=False)])
    if isinstance(answer, Problem):  # no row is good; each has its own reason
        answers = forecaster.predict([ForecastRequest((item,), single=True) for item in items])
        raise RowsError(
            _wrong(source, [(line, a) for line, a in zip(lines, answers, strict=True) if isinstance(a, Problem)])
        )
    assert isinstance(answer, Forecasts)  # the request was not a single one
    bad = [(line, r.problem) for line, r in zip(lines, answer.items, strict=True) if isinstance(r, ItemProblem)]
    if bad:
        raise RowsError(_wrong(source, bad))
    return [result for result in answer.items if isinstance(result, ItemForecast)]


def _lower_names(table: pd.DataFrame) -> list[str]:
    """Return the names of the columns in lower case."""
    return [name.strip().lower() for name in table.columns]


def _read(source: Path) -> pd.DataFrame:
    """Return the CSV file as text, without blank lines; the index counts them, so that line numbers are right."""
    try:
        table = read_csv(source, dtype=str, nothing={})
    except UnreadableError as error:
        raise RowsError(f"{source}: {error}") from None
    return table[(table != "").any(axis=1)]


def _values(texts: pd.Series, column: Column) -> list[Any]:
    """Return a column's values as the contract has them, None where nothing is stated.

    The tables' spellings are accepted, such as 1.0 for a store. Other texts are left to the contract's own checks.
    """
    words = np.array([text.strip() for text in texts], dtype=object)
    values, wrong = parse_texts(words, column)
    unread = np.any([mask for mask, _, _ in wrong], axis=0)
    read = _VALUES[column.kind]
    return [
        None if word in NOTHING else word if left else read(value)
        for word, value, left in zip(words, values, unread, strict=True)
    ]


def _item(values: Mapping[str, Any]) -> Item | RejectedItem:
    """Return one row as an item; a value of None is not stated."""
    try:
        return Item.model_validate({name: value for name, value in values.items() if value is not None})
    except ValidationError as error:
        return RejectedItem(values.get("store"), values.get("date"), validation_problem(error, names=ITEM_NAMES))


def _wrong(source: Path, bad: Sequence[tuple[int, Problem]]) -> str:
    """Return the message of an error: the number of wrong rows, and the first of them."""
    first = "\n".join(f"  line {line}: {problem.detail.removeprefix('/')}" for line, problem in bad[:_SHOWN])
    more = f"\n  and {len(bad) - _SHOWN:,} more" if len(bad) > _SHOWN else ""
    rows = "1 row" if len(bad) == 1 else f"{len(bad):,} rows"
    return f"{source}: {rows} can't be forecast, so nothing was written\n{first}{more}"
