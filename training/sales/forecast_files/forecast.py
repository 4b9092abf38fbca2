"""Forecasts of the rows of a CSV or Parquet file, written to another file."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd

from runtime.cores import n_cores
from runtime.words import counted
from sales.arrays import Int64
from sales.forecaster import Forecaster, Model
from schemas.problem_kinds import type_uri
from schemas.problems import Problem
from schemas.sales.column_names import plain_name
from schemas.sales.options import NO_OPTIONS, AnswerOptions
from schemas.sales.parse import ForecastRequest, RejectedItem
from training.sales.data.columns import Column
from training.sales.data.values import has_styles
from training.sales.forecast_files.cells import Cells, Texts, column_of, item_of, read_cells
from training.sales.forecast_files.facts import own_fields
from training.sales.forecast_files.formats import RowsError, Source, names_of, write_rows
from training.sales.forecast_files.header import find_columns
from training.sales.forecast_files.output import Results
from training.sales.forecast_files.plan import ASSUMED
from training.sales.forecast_files.statements import Statements

OPENED = "taken as open, though assumed closed; a column open, even without values, prevents it"
CHUNK = 4096  # rows that a thread forecasts at once, at least, unless the file has fewer
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

    A CSV file is read twice, a part at a time, if it has more rows than one part. A plan needs all rows of its store,
    so the first pass keeps a few bytes of each row: the codes of the cells that the model uses. Threads forecast chunks
    of whole stores, so the result does not depend on their number.

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
    rows = Source(source)
    columns, cells, assumed = read_rows(rows, forecaster)
    problem = forecaster.problem(options)
    if problem is not None:
        raise RowsError(problem.detail.removeprefix("/"))
    statements = Statements(cells, forecaster, assumed)
    if statements.wrong.any():
        raise RowsError(refusal(rows, columns, cells, forecaster, np.flatnonzero(statements.wrong)))
    results = Results(len(statements.store), options)
    _forecast(forecaster, statements, options, results)
    write_rows((results.frame(source, part, first) for first, part in _numbered(rows)), out)
    notes = results.count()
    notes[OPENED] = statements.count_opened()
    return len(statements.store), +notes


def check_output(source: Path, out: Path) -> None:
    """Check that a file is not overwritten by its own forecasts, also under another name.

    Raises:
        RowsError: if both are one file.
    """
    if source.exists() and out.exists() and source.samefile(out):
        same = "" if str(out) == str(source) else f", under another name than {source}"
        raise RowsError(f"{out} is the input itself{same}; name another file for the forecasts")


def read_rows(
    rows: Source, forecaster: Forecaster, styles: Mapping[str, int] | None = None
) -> tuple[dict[str, str], dict[str, Cells], Cells | None]:
    """Return the names of the columns by field, their cells by field, and the cells of the column ``assumed``.

    Args:
        rows: rows of the file.
        forecaster: model that forecasts them.
        styles: styles of the columns by field, the first one where none is named; None for those that the rows show.

    Raises:
        RowsError: if the file can't be read, or lacks a column.
    """
    model = forecaster.model
    columns: dict[str, str] = {}
    texts: dict[str, Texts] = {}
    for part in rows.parts():
        if not texts:
            names = names_of(part)
            columns = find_columns(rows.file, names, model)
            assumed_name = next((name for name in names if plain_name(name) == ASSUMED), None)
            named = columns | ({ASSUMED: assumed_name} if assumed_name is not None else {})
            texts = {field: Texts(typed=rows.is_typed(part, name)) for field, name in named.items()}
        for field, name in named.items():
            texts[field].add(*rows.distinct(part, name))
    text_ids, user_fields = _has_text_ids(model), own_fields(model)
    cells = {
        field: read_cells(
            field,
            texts[field],
            user_fields[field].kind if field in user_fields else "",
            as_text=text_ids and field == "store",
            style=None if styles is None else styles.get(field, 0),
        )
        for field in columns
    }
    assumed = texts.get(ASSUMED)
    words = None if assumed is None else Cells(assumed.codes(), assumed.words, [], {}, np.empty(0, np.bool_))
    return columns, cells, words


def styled_columns(fields: Iterable[str], model: Model) -> dict[str, Column]:
    """Return the values of those fields whose texts may be written in several styles."""
    user_fields = own_fields(model)
    columns = {field: column_of(field, user_fields[field].kind if field in user_fields else "") for field in fields}
    taken_as_text = {"store"} if _has_text_ids(model) else set()
    return {field: column for field, column in columns.items() if has_styles(column) and field not in taken_as_text}


def _has_text_ids(model: Model) -> bool:
    return isinstance(model.panel.store_ids[0], str)


def _forecast(forecaster: Forecaster, statements: Statements, options: AnswerOptions, results: Results) -> None:
    """Forecast all rows, in threads."""
    pool = ThreadPoolExecutor(n_cores())
    try:
        chunks = [*_chunks(statements.store)]
        forecasts = pool.map(lambda chosen: forecaster.columns(statements.rows(chosen), options), chunks)
        for chosen, columns in zip(chunks, forecasts, strict=True):
            results.add(chosen, columns)
    finally:
        pool.shutdown(cancel_futures=True)


def _chunks(store: Int64) -> Iterator[Int64]:
    """Yield the rows of some stores at a time, because statements about a store form one plan."""
    order = np.argsort(store, kind="stable")
    ends = np.flatnonzero(np.diff(store[order], append=-1)) + 1  # of the rows of each store
    first = 0
    while first < len(order):
        end = int(ends[min(int(np.searchsorted(ends, first + CHUNK)), len(ends) - 1)])
        yield order[first:end]
        first = end


def _numbered(rows: Source) -> Iterator[tuple[int, pd.DataFrame]]:
    """Yield the parts of a file with the number of their first row."""
    first = 0
    for part in rows.parts():
        yield first, part
        first += len(part)


def refusal(
    rows: Source,
    columns: Mapping[str, str],
    cells: Mapping[str, Cells],
    forecaster: Forecaster,
    wrong: Int64,
    outcome: str = "nothing was written",
) -> str:
    """Return the message of an error: the number of wrong rows, and the first of them.

    Args:
        rows: rows of the file.
        columns: names of the file's columns, by field.
        cells: cells of the columns, by field.
        forecaster: model that can't forecast the rows.
        wrong: the wrong rows.
        outcome: what follows from it.
    """
    shown = wrong[:_SHOWN].tolist()
    reasons = reasons_to_refuse(columns, cells, forecaster, shown)
    lines = [f"  {rows.place(row)}: {reason}" for row, reason in zip(shown, reasons, strict=True)]
    if len(wrong) > _SHOWN:
        lines.append(f"  and {len(wrong) - _SHOWN:,} more")
    head = f"{rows.file}: {counted(len(wrong), 'row')} can't be forecast, so {outcome}"
    return "\n".join([head, *lines])


def reasons_to_refuse(
    columns: Mapping[str, str], cells: Mapping[str, Cells], forecaster: Forecaster, wrong: Sequence[int]
) -> Iterator[str]:
    """Yield the reason why each of some rows can't be forecast; see `refusal`."""
    numbers = [field for field, column in own_fields(forecaster.model).items() if column.kind == "cont"]
    for row in wrong:
        item = item_of({field: column.values[column.codes[row]] for field, column in cells.items()}, numbers)
        if isinstance(item, RejectedItem):
            problem = item.problem
        else:
            (answer,) = forecaster.predict([ForecastRequest((item,), single=True)])
            assert isinstance(answer, Problem)  # the row is wrong
            problem = answer
        reasons = [problem.detail]
        if problem.type == type_uri("invalid-request"):
            fields = {error.path.rpartition("/")[2]: error.detail for error in problem.errors}
            reasons = [_reason(columns.get(field, field), cells.get(field), row, why) for field, why in fields.items()]
        yield ", ".join(reasons)


def _reason(name: str, column: Cells | None, row: int, detail: str) -> str:
    """Return the reason why an item can't have the value of a column.

    Args:
        name: name of the column in the file.
        column: cells of the column; None if the file does not have it.
        row: number of the row.
        detail: reason in the words of the contract.
    """
    text = column.words[column.codes[row]] if column is not None else ""
    if not text:
        return f"column {name}: the cell is empty"
    assert column is not None
    return f"column {name}: {text!r}: {column.faults.get(text, detail)}"
