"""A CSV of store days in, a CSV with their forecasts out. Offline: pandas reads and writes."""

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
from schemas.sales.parse import ForecastRequest, RejectedItem
from schemas.sales.request import ITEM_NAMES, Item
from training.sales.data.table_checks import COLUMNS, Column
from training.sales.data.tables import NOTHING, UnreadableError, parse_texts, read_csv

_FIELDS = {  # the columns that count, as the contract and as Kaggle call them
    "store": "Store",
    "date": "Date",
    "open": "Open",
    "promo": "Promo",
    "state_holiday": "StateHoliday",
    "school_holiday": "SchoolHoliday",
}
_NAMES = {name.lower(): field for field, kaggles in _FIELDS.items() for name in (field, kaggles)}
_TEST = {name.lower() for name in (*COLUMNS["test"], "DayOfWeek")}  # all columns of Kaggle's test.csv
# By the kind of column: what the contract has for the number that the tables have.
_VALUES: Mapping[str, Callable[[float], Any]] = {
    "whole": int,
    "flag": bool,
    "date": lambda day: np.datetime64(int(day), "D").item(),
    "holiday": lambda code: STATE_HOLIDAYS[int(code)],
}
_SHOWN = 5  # how many wrong rows an error quotes


class RowsError(UserError):
    """A CSV that can't be forecast; the message names the rows."""


def forecast_csv(forecaster: Forecaster, source: Path, out: Path) -> tuple[int, Counter[str]]:
    """Forecast every row of a CSV.

    Kaggle's test.csv, which has an Id and none but Kaggle's columns, gives ``Id,Sales``; any other CSV with a store
    and a date keeps its columns and gets ``Sales`` added (``Forecast`` if it has sales already). What the rows state of
    a store's days (open, promo, holidays) is taken together as its plan, as among the items of one request.

    Args:
        forecaster: the model.
        source: the rows. Names of columns count without case, values are read as `read_tables` reads them, and an empty
            field is not stated.
        out: where to write; whole or not at all.

    Returns:
        How many rows; and how many have each kind of warning, and each field assumed.

    Raises:
        RowsError: if it is not such a CSV, or a row can't be forecast; then nothing is written.
    """
    table = _read(source)
    columns: dict[str, str] = {}
    for name in table.columns:
        field = _NAMES.get(name.strip().lower())
        if field is None:
            continue
        if field in columns or f"{name}.1" in table:  # pandas' name for a second column of the same name
            first = columns.get(field, name)
            raise RowsError(f"{source} has two columns for {field}: {first!r} and {name!r}; keep one of them")
        columns[field] = name
    missing = [name for name in ("store", "date") if name not in columns]
    if missing:
        raise RowsError(
            f"{source} has no column {' and '.join(missing)}; its columns are {', '.join(map(str, table.columns))}"
        )
    if table.empty:
        raise RowsError(f"{source}: there are no rows below the header; add them")
    names = [name.strip().lower() for name in table.columns]
    kaggles = names.count("id") == 1 and {*names} <= _TEST
    added = next((name for name in ("Sales", "Forecast") if name.lower() not in names), None)
    if added is None:
        raise RowsError(
            f"{source} has the columns Sales and Forecast already; rename one, so that forecasts have a name"
        )
    stated = [_values(table[name], COLUMNS["test"][_FIELDS[field]]) for field, name in columns.items()]
    items = [_item(dict(zip(columns, values, strict=True))) for values in zip(*stated, strict=True)]
    lines = table.index + 2  # the header is line 1
    (answer,) = forecaster.predict([ForecastRequest(tuple(items), single=False)])
    if isinstance(answer, Problem):  # no row is good; each has its own reason
        answers = forecaster.predict([ForecastRequest((item,), single=True) for item in items])
        raise RowsError(
            _wrong(source, [(line, a) for line, a in zip(lines, answers, strict=True) if isinstance(a, Problem)])
        )
    assert isinstance(answer, Forecasts)  # the request was not a single one
    results = answer.items
    bad = [(line, r.problem) for line, r in zip(lines, results, strict=True) if isinstance(r, ItemProblem)]
    if bad:
        raise RowsError(_wrong(source, bad))
    good = [result for result in results if isinstance(result, ItemForecast)]
    sales = [result.sales for result in good]
    if kaggles:
        table = pd.DataFrame({"Id": table.iloc[:, names.index("id")]})
    table[added] = sales
    text = StringIO()
    table.to_csv(text, index=False)
    write_file(out, text.getvalue().encode())
    return len(good), Counter(
        code
        for result in good
        for code in {*(w.code for w in result.warnings), *(f"{field} assumed" for field in result.assumed)}
    )


def _read(source: Path) -> pd.DataFrame:
    """The CSV as text, without blank lines; the index counts them, so that line numbers are right."""
    try:
        table = read_csv(source, ("Store", "Date"), dtype=str, nothing={})
    except UnreadableError as error:
        raise RowsError(f"{source}: {error}") from None
    return table[(table != "").any(axis=1)]


def _values(texts: pd.Series, column: Column) -> list[Any]:
    """A column's values as the contract has them, None where nothing is stated.

    The tables' spellings are read, as 1.0 for a store. Any other text stays: the contract takes it or says why not.
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
    """One row as an item; None is not stated."""
    try:
        return Item.model_validate({name: value for name, value in values.items() if value is not None})
    except ValidationError as error:
        return RejectedItem(values.get("store"), values.get("date"), validation_problem(error, names=ITEM_NAMES))


def _wrong(source: Path, bad: Sequence[tuple[int, Problem]]) -> str:
    """The error's text: how many rows are wrong, and the first of them."""
    first = "\n".join(f"  line {line}: {problem.detail.removeprefix('/')}" for line, problem in bad[:_SHOWN])
    more = f"\n  and {len(bad) - _SHOWN:,} more" if len(bad) > _SHOWN else ""
    rows = "1 row" if len(bad) == 1 else f"{len(bad):,} rows"
    return f"{source}: {rows} can't be forecast, so nothing was written\n{first}{more}"
