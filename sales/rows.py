"""A CSV of store days in, a CSV with their forecasts out. Offline: pandas reads and writes."""

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import ValidationError

from runtime.errors import UserError
from runtime.folder import write_file
from sales.forecaster import Forecaster
from schemas.problems import Problem, invalid
from schemas.sales import Bad, ForecastRequest, Forecasts, Item, ItemForecast, ItemProblem

_FIELDS = {  # the columns that count, as Kaggle and as the contract call them, in lower case
    "store": "store",
    "date": "date",
    "open": "open",
    "promo": "promo",
    "stateholiday": "state_holiday",
    "state_holiday": "state_holiday",
    "schoolholiday": "school_holiday",
    "school_holiday": "school_holiday",
}
_SHOWN = 5  # how many wrong rows an error quotes


class RowsError(UserError):
    """A CSV that can't be forecast; the message names the rows."""


def forecast_csv(forecaster: Forecaster, source: Path, out: Path) -> tuple[int, Counter[str]]:
    """Forecast every row of a CSV.

    Kaggle's test.csv gives ``Id,Sales``; any other CSV with a store and a date keeps its columns and gets ``Sales``
    added (``Forecast`` if it has sales already). What the rows state of a store's days (open, promo, holidays) is taken
    together as its plan, as among the items of one request.

    Args:
        forecaster: the model.
        source: the rows. Names of columns count without case; an empty field is not stated.
        out: where to write; whole or not at all.

    Returns:
        How many rows; and how many have each kind of warning, and each field assumed.

    Raises:
        RowsError: if it is not such a CSV, or a row can't be forecast; then nothing is written.
    """
    table = _read(source)
    columns: dict[str, str] = {}
    for name in table.columns:
        field = _FIELDS.get(name.strip().lower())
        if field in columns:
            raise RowsError(f"{source} has two columns for {field}: {columns[field]!r} and {name!r}; keep one of them")
        if field is not None:
            columns[field] = name
    missing = [name for name in ("store", "date") if name not in columns]
    if missing:
        raise RowsError(
            f"{source} has no column {' and '.join(missing)}; its columns are {', '.join(map(str, table.columns))}"
        )
    if table.empty:
        raise RowsError(f"{source} has no rows")
    items = [
        _item(dict(zip(columns, values, strict=True)))
        for values in zip(*(table[name] for name in columns.values()), strict=True)
    ]
    lines = table.index + 2  # the header is line 1
    (answer,) = forecaster.answer([ForecastRequest(tuple(items), single=False)])
    if isinstance(answer, Problem):  # no row is good; each has its own reason
        answers = forecaster.answer([ForecastRequest((item,), single=True) for item in items])
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
    names = {str(name).lower(): name for name in table.columns}
    if "id" in names and "sales" not in names:
        table = pd.DataFrame({"Id": table[names["id"]], "Sales": sales})
    else:
        table["Forecast" if "sales" in names else "Sales"] = sales
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
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # fields beyond the header would be lost
            table = pd.read_csv(
                source, dtype=str, na_filter=False, encoding="utf-8-sig", index_col=False, skip_blank_lines=False
            )
    except OSError as error:
        raise RowsError(f"{source} can't be read: {error.strerror}") from None
    except (ValueError, pd.errors.ParserWarning) as error:
        raise RowsError(f"{source} is not a CSV: {error}") from None
    return table[(table != "").any(axis=1)]


def _item(values: Mapping[str, str]) -> Item | Bad:
    """One row as an item; empty fields are not stated."""
    stated: dict[str, Any] = {name: value.strip() for name, value in values.items() if value.strip()}
    if stated.get("store", "").isdecimal():
        stated["store"] = int(stated["store"])
    for name in ("open", "promo", "school_holiday"):
        if stated.get(name) in ("1.0", "0.0"):  # as pandas writes a flag with gaps
            stated[name] = stated[name][0]
    try:
        return Item.model_validate(stated)
    except ValidationError as error:
        return Bad(values.get("store"), values.get("date"), invalid(error))


def _wrong(source: Path, bad: Sequence[tuple[int, Problem]]) -> str:
    """The error's text: how many rows are wrong, and the first of them."""
    first = "\n".join(f"  line {line}: {problem.detail.removeprefix('/')}" for line, problem in bad[:_SHOWN])
    more = f"\n  and {len(bad) - _SHOWN:,} more" if len(bad) > _SHOWN else ""
    rows = "1 row" if len(bad) == 1 else f"{len(bad):,} rows"
    return f"{source}: {rows} can't be forecast, so nothing was written\n{first}{more}"
