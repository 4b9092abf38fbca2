"""Forecasts of the rows of a CSV or Parquet file, written to another file."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import ValidationError

from runtime.words import counted
from sales.calendar import STATE_HOLIDAYS
from sales.columns.own import PREFIX, OwnColumn
from sales.forecaster import Forecaster, Model
from schemas.problem_kinds import type_uri
from schemas.problems import Problem, invalid_field, validation_problem
from schemas.sales.answer import Forecasts, ForecastWarning, ItemForecast, ItemProblem
from schemas.sales.column_names import REQUEST_COLUMNS, WEATHER_FIELDS, match_columns, plain_name
from schemas.sales.options import NO_OPTIONS, AnswerOptions
from schemas.sales.parse import ForecastRequest, RejectedItem
from schemas.sales.request import ITEM_NAMES, Item
from training.sales.data.columns import COLUMNS as TABLES
from training.sales.data.columns import Column
from training.sales.data.values import NOTHING, parse_texts
from training.sales.forecast_files.facts import COLUMNS, WEATHER, fact_of, known_facts, own_fields, row_places
from training.sales.forecast_files.formats import Rows, RowsError, read_rows, write_rows
from training.sales.forecast_files.plan import ASSUMED, SEPARATOR

WARNINGS = "warnings"  # column with the names of the warnings
OPENED = "taken as open, though assumed closed; a column open, even without values, prevents it"
_TEST = {plain_name(name) for name in (*TABLES["test"], "DayOfWeek")}  # all columns of Kaggle's test.csv
_COLUMNS = {**TABLES["weather"], **TABLES["test"]}
_OWN = {"cont": Column("number"), "cat": Column("text")}  # by the kind of a column of the user's
# By the kind of column: function from the tables' number to the contract's value.
_VALUES: Mapping[str, Callable[[Any], Any]] = {
    "id": int,
    "flag": bool,
    "date": lambda day: np.datetime64(int(day), "D").item(),
    "holiday": lambda code: STATE_HOLIDAYS[int(code)],
    "number": float,
    "text": str,
}
_SHOWN = 5  # number of wrong rows that an error quotes


def forecast_file(
    forecaster: Forecaster, source: Path, out: Path, options: AnswerOptions = NO_OPTIONS
) -> tuple[int, Counter[str]]:
    """Forecast every row of a CSV or Parquet file.

    The output has the input's columns as they were, and three more: ``sales``, or ``forecast`` if there are sales
    already, ``assumed`` with the names of the assumed facts, and ``warnings``. After the forecast are the intervals,
    such as ``low_80`` and ``high_80``, or the quantiles, such as ``quantile_0.9``, that the options ask for. Columns of
    these names in the input, except ``sales``, are written anew. Kaggle's test.csv, which has an Id and only Kaggle's
    columns, gives ``Id,Sales``.

    The rows' statements about a store's days form one plan, as those of the items of one request do. An empty cell
    states nothing. Nor does a cell with the value that the model assumes, if the row's ``assumed`` names the fact: so
    `write_plan`'s file can be forecast as it is. If the training tables list open days alone, so does a file without a
    column for the opening: each of its rows is an open day.

    Args:
        forecaster: model that forecasts.
        source: file to read. Columns are found and values are read as `read_tables` does it.
        out: file to write, atomically; Parquet if it is named so, otherwise CSV.
        options: objective of the forecasts, and their intervals or quantiles.

    Returns:
        The number of rows, and the number of rows with each kind of warning and each assumed fact, and of those that
        are taken as open against the assumption.

    Raises:
        RowsError: if the files are the same, the input can't be read, a row can't be forecast, or the model can't meet
            the options. Then nothing is written.
    """
    check_output(source, out)
    rows = read_rows(source)
    columns = _columns(rows, forecaster.model)
    user_fields = own_fields(forecaster.model)
    kinds = {field: _OWN[column.kind] for field, column in user_fields.items()}
    kinds |= {field: _COLUMNS[column] for field, column in REQUEST_COLUMNS.items()}
    cells = {field: _cells(rows.texts(name), kinds[field]) for field, name in columns.items()}
    values = {field: column.values for field, column in cells.items()}
    if isinstance(forecaster.model.panel.store_ids[0], str):
        values["store"] = [text or None for text in rows.texts(columns["store"])]
    _drop_assumed(rows, values, forecaster.model)
    notes: Counter[str] = Counter()
    if "open" not in values and forecaster.model.panel.lists_open_days_only:
        notes[OPENED] = _count_closed(values, forecaster.model)
        values["open"] = [True] * len(values["store"])
    numbers = {field for field, column in user_fields.items() if column.kind == "cont" and cells.get(field)}
    items = [_item(dict(zip(values, row, strict=True)), numbers) for row in zip(*values.values(), strict=True)]
    problems, forecasts = _predict(forecaster, items, options)
    if problems:
        faults = {field: column.faults for field, column in cells.items()}
        raise RowsError(_wrong(rows, columns, faults, problems))
    write_rows(_output(rows, forecasts), out)
    notes.update(
        code
        for forecast in forecasts
        for code in {*(w.code for w in forecast.warnings), *(f"{name} assumed" for name in forecast.assumed)}
    )
    return len(forecasts), +notes


def check_output(source: Path, out: Path) -> None:
    """Check that a file is not overwritten by its own forecasts, also under another name.

    Raises:
        RowsError: if both are one file.
    """
    if source.exists() and out.exists() and source.samefile(out):
        same = "" if str(out) == str(source) else f", under another name than {source}"
        raise RowsError(f"{out} is the input itself{same}; name another file for the forecasts")


def _columns(rows: Rows, model: Model) -> dict[str, str]:
    """Return the names of the file's columns by the fields of a request.

    Raises:
        RowsError: if there are two columns for a field, no store or no date.
    """
    header = rows.header
    user_fields = _own_columns(header, own_fields(model))
    fields = [field for field in REQUEST_COLUMNS if field != "events" or "Events" in model.features.weather]
    matched = match_columns(
        [name for name in header if name not in user_fields.values()], [REQUEST_COLUMNS[field] for field in fields]
    )
    columns, doubled, faults = {}, set(), []
    for field in fields:
        names = matched.ambiguous.get(REQUEST_COLUMNS[field], [])
        if REQUEST_COLUMNS[field] in matched.headers:
            names = [matched.headers[REQUEST_COLUMNS[field]]]
            names += [name for name in header if name == f"{names[0]}.1"]  # pandas' name of a second one
        if len(names) > 1:
            doubled.add(REQUEST_COLUMNS[field])
            second = names[0] if names[1] == f"{names[0]}.1" else names[1]
            faults.append(f"two columns for {field}: {names[0]!r} and {second!r}; keep one of them")
        elif names:
            columns[field] = names[0]
    missing = [name for name in ("store", "date") if name not in columns and REQUEST_COLUMNS[name] not in doubled]
    if missing:
        faults.append(f"no column {' and '.join(missing)}; its columns are {', '.join(header)}")
    if faults:
        raise RowsError(f"{rows.source} has {'. It has '.join(faults)}")
    return columns | user_fields


def _own_columns(header: Sequence[str], fields: Mapping[str, OwnColumn]) -> dict[str, str]:
    """Return the names of the file's columns that are columns of the user's, by field; case and separators differ."""
    found = {}
    for field, column in fields.items():
        names = [name for name in header if plain_name(name) == plain_name(column.name)]
        if names:
            found[field] = column.name if column.name in names else names[0]
    return found


class _Cells(NamedTuple):
    """Cells of a column as the contract has them.

    Attributes:
        values: ``[row]``, None where nothing is stated. Texts that can't be read are left to the contract's checks.
        faults: cause and remedy of each text that can't be read.
    """

    values: list[Any]
    faults: Mapping[str, str]


def _cells(texts: NDArray[np.object_], column: Column) -> _Cells:
    """Return the cells of a column. The tables' spellings are accepted, such as 1.0 for a store."""
    words = pd.unique(texts)
    numbers, wrong = parse_texts(words, column)
    faults: dict[str, str] = {}
    for mask, cause, remedy in wrong:
        for word in words[mask]:
            faults.setdefault(word, f"{cause}; {remedy}")
    read = _VALUES[column.kind]
    value_of = {
        word: None if word in NOTHING else word if word in faults else read(number)
        for word, number in zip(words, numbers, strict=True)
    }
    return _Cells([value_of[text] for text in texts], faults)


def _drop_assumed(rows: Rows, values: dict[str, list[Any]], model: Model) -> None:
    """Remove values that state nothing new, in place, if the file has a column ``assumed``.

    They are what the tables state, or what the model assumes and the row names as assumed.

    Args:
        rows: rows of the file.
        values: ``[row]`` by field.
        model: parts of the model.
    """
    name = next((name for name in rows.header if plain_name(name) == ASSUMED), None)
    if name is None:
        return
    named = [{part.strip() for part in text.split(SEPARATOR)} for text in rows.texts(name)]
    found, store_index, day_index = row_places(values, model)
    if not found.size:
        return
    facts = known_facts(model, store_index, day_index)
    for field, known in facts.values.items():
        if field in values:
            fact = fact_of(field)
            for row, value, assumed in zip(found.tolist(), known, facts.assumed[fact].tolist(), strict=True):
                if (fact in named[row] or not assumed) and _same(values[field][row], value):
                    values[field][row] = None


def _count_closed(values: Mapping[str, list[Any]], model: Model) -> int:
    """Return the number of rows on whose days the model assumes a closed store."""
    _, store, day = row_places(values, model)
    return int((model.panel.calendar.open[store, day] == 0).sum())


def _same(value: Any, known: Any) -> bool:
    """Return True if a value of a file is a known one, which has 32 bits if it is a number."""
    if isinstance(value, float) and isinstance(known, float):
        return bool(np.float32(value) == np.float32(known))
    return bool(value == known)


def _item(values: Mapping[str, Any], numbers: Collection[str]) -> Item | RejectedItem:
    """Return one row as an item.

    Args:
        values: values by field; None is not stated.
        numbers: fields of the user's columns that are numbers; a request takes texts there too.
    """
    stated = {field: value for field, value in values.items() if value is not None}
    weather = {field: stated.pop(field) for field in WEATHER_FIELDS if field in stated}
    columns = {field.removeprefix(PREFIX): stated.pop(field) for field in [*stated] if field.startswith(PREFIX)}
    parts = {WEATHER: weather, COLUMNS: columns}
    for field in numbers:
        if isinstance(text := columns.get(field.removeprefix(PREFIX)), str):
            problem = invalid_field(field, value=text, detail="not a number").problem
            return RejectedItem(values.get("store"), values.get("date"), problem)
    try:
        return Item.model_validate(stated | {name: part for name, part in parts.items() if part})
    except ValidationError as error:
        return RejectedItem(values.get("store"), values.get("date"), validation_problem(error, names=ITEM_NAMES))


def _predict(
    forecaster: Forecaster, items: Sequence[Item | RejectedItem], options: AnswerOptions
) -> tuple[dict[int, Problem], list[ItemForecast]]:
    """Return the problems of items by their indices, and the forecasts of the others in order.

    Raises:
        RowsError: if the model can't meet the options.
    """
    (answer,) = forecaster.predict([ForecastRequest(tuple(items), single=False, options=options)])
    if isinstance(answer, Problem) and answer.type == type_uri("no-calibration"):
        raise RowsError(answer.detail.removeprefix("/"))
    if isinstance(answer, Problem):  # no item is good; each has its own reason
        answers = forecaster.predict([ForecastRequest((item,), single=True) for item in items])
        return {index: answer for index, answer in enumerate(answers) if isinstance(answer, Problem)}, []
    assert isinstance(answer, Forecasts)  # the request was not a single one
    problems = {index: result.problem for index, result in enumerate(answer.items) if isinstance(result, ItemProblem)}
    return problems, [result for result in answer.items if isinstance(result, ItemForecast)]


def _wrong(
    rows: Rows, columns: Mapping[str, str], faults: Mapping[str, Mapping[str, str]], problems: Mapping[int, Problem]
) -> str:
    """Return the message of an error: the number of wrong rows, and the first of them.

    Args:
        rows: rows of the file.
        columns: names of the file's columns, by field.
        faults: cause and remedy of texts that can't be read, by field.
        problems: problem by row.
    """
    lines = []
    for row, problem in [*problems.items()][:_SHOWN]:
        reasons = [problem.detail]
        if problem.type == type_uri("invalid-request"):
            fields = {error.path.rpartition("/")[2]: error.detail for error in problem.errors}
            reasons = []
            for field, detail in fields.items():
                name = columns.get(field, field)
                text = rows.texts(name)[row] if field in columns else ""
                reason = faults.get(field, {}).get(text, detail)
                reasons.append(f"column {name}: {f'{text!r}: {reason}' if text else 'the cell is empty'}")
        lines.append(f"  {rows.place(row)}: {', '.join(reasons)}")
    if len(problems) > _SHOWN:
        lines.append(f"  and {len(problems) - _SHOWN:,} more")
    head = f"{rows.source}: {counted(len(problems), 'row')} can't be forecast, so nothing was written"
    return "\n".join([head, *lines])


def _output(rows: Rows, forecasts: Sequence[ItemForecast]) -> pd.DataFrame:
    """Return the rows to write.

    Raises:
        RowsError: if the input has both names of the column for the forecasts.
    """
    names = [plain_name(name) for name in rows.header]
    sales = [forecast.sales for forecast in forecasts]
    if names.count("id") == 1 and {*names} <= _TEST:
        return pd.DataFrame({"Id": rows.frame.iloc[:, names.index("id")], "Sales": sales, **_uncertainty(forecasts)})
    added = next((name for name in ("sales", "forecast") if name not in names), None)
    if added is None:
        raise RowsError(
            f"{rows.source} has the columns sales and forecast already; rename one, so that forecasts have a name"
        )
    return _with_columns(
        rows.frame,
        {
            added: sales,
            **_uncertainty(forecasts),
            ASSUMED: [SEPARATOR.join(forecast.assumed) for forecast in forecasts],
            WARNINGS: [SEPARATOR.join(dict.fromkeys(map(_warning_name, f.warnings))) for f in forecasts],
        },
    )


def _uncertainty(forecasts: Sequence[ItemForecast]) -> dict[str, list[float]]:
    """Return the columns of intervals and quantiles, named as in frames of `shopcat.Forecaster`."""
    columns: dict[str, list[float]] = {}
    for forecast in forecasts:
        for interval in forecast.intervals or ():
            columns.setdefault(f"low_{interval.level:g}", []).append(interval.low)
            columns.setdefault(f"high_{interval.level:g}", []).append(interval.high)
        for quantile in forecast.quantiles or ():
            columns.setdefault(f"quantile_{quantile.quantile:g}", []).append(quantile.sales)
    return columns


def _warning_name(warning: ForecastWarning) -> str:
    """Return the name of a warning; after a colon that of its column, if it is about one."""
    about_row = warning.code in ("no_history", "beyond_horizon", "training_period")
    return warning.code if about_row else f"{warning.code}:{warning.field}"


def _with_columns(frame: pd.DataFrame, columns: Mapping[str, list[Any]]) -> pd.DataFrame:
    """Return a frame with columns at its end; one that it has already is replaced in its place."""
    names = {str(name).strip().lower(): name for name in frame.columns}
    return frame.assign(**{str(names.get(name, name)): values for name, values in columns.items()})
