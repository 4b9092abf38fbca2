"""The work of a sales job: read a part of a table, forecast its rows, and add the forecasts as columns."""

import json
from collections import Counter, deque
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import IO, Final, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from bulk.inputs import InputError, readable
from bulk.job import PARQUET, Done, Part, Task
from bulk.sales.forecasts import PlannedForecaster
from bulk.sales.plan import PLAN, JobPlan, merged, statements
from bulk.storage.places import storage_of
from bulk.storage.storage import below
from runtime.device import pick_device
from sales.arrays import Int64
from sales.calendar import FIELDS
from sales.forecaster import Forecaster
from schemas.sales.options import parse_options
from training.sales.data.readers import UnreadableError, read_csv_lines
from training.sales.forecast_files.cells import Cells
from training.sales.forecast_files.forecast import OPENED, read_rows, reasons_to_refuse, refusal
from training.sales.forecast_files.formats import RowsError, Source, without_blank_lines
from training.sales.forecast_files.output import Results
from training.sales.forecast_files.statements import Statements

BATCH: Final = 250_000  # rows of a Parquet file in memory
_TYPES: Final = {"f": pa.float64(), "O": pa.string()}  # of the answers' columns, also where all of them are missing
PROBLEM: Final = "problem"  # column with the reasons why rows can't be forecast


class _Batch(NamedTuple):
    """Rows of a part.

    Attributes:
        table: the rows as they go to the output.
        source: the rows as forecasts read them.
        columns: names of the columns by field.
        cells: cells by field.
        statements: what the rows state.
    """

    table: pa.Table
    source: Source
    columns: dict[str, str]
    cells: dict[str, Cells]
    statements: Statements


class SalesWork:
    """Surveys and forecasts of parts by one bundle, which a process loads once."""

    def __init__(self, task: Task) -> None:
        """Load the bundle.

        Raises:
            BundleError: if it is damaged.
            RowsError: if it can't meet the options.
        """
        folder = Path(task.bundle)
        self.forecaster = Forecaster.load(folder, device=pick_device(task.device))
        self._task, self._options = task, parse_options(json.loads(task.options))
        problem = self.forecaster.problem(self._options)
        if problem is not None:
            raise RowsError(problem.detail.removeprefix("/"))

    def needs_survey(self, part: Part) -> bool:
        """Return True if the columns of a part state anything about days on which other rows may depend."""
        batch = next(self._batches(part, rows=1))
        lists_open_days = self.forecaster.model.panel.lists_open_days_only
        return bool({*FIELDS} & {*batch.columns}) or lists_open_days

    def survey(self, part: Part) -> Done:
        """Return what the rows of a part state about days.

        Raises:
            RowsError: if a row can't be forecast and the job refuses such rows.
        """
        rows, bad, found = 0, 0, []
        calendar = self.forecaster.model.panel.calendar
        for batch in self._batches(part):
            chosen = self._chosen(batch)
            stated = batch.statements.rows(chosen)
            found.append(statements(calendar, stated.store, stated.day, stated.facts.days))
            rows, bad = rows + len(batch.table), bad + len(batch.table) - len(chosen)
        return Done(part.number, rows, bad, content=merged(found))

    def answer(self, part: Part) -> "SalesAnswers":
        """Return the rows of a part with their forecasts."""
        return SalesAnswers(self, part)

    @cached_property
    def _planned(self) -> PlannedForecaster:
        """The forecaster under the plan of the job, which the driver has published."""
        with storage_of(self._task.out).open(below(self._task.out, PLAN)) as file:
            plan = JobPlan(self.forecaster.model.panel.calendar, file.read())
        return PlannedForecaster(self.forecaster, plan, self._options)

    def _chosen(self, batch: _Batch) -> Int64:
        """Return the rows that can be forecast.

        Raises:
            RowsError: if there are others and the job refuses them.
        """
        wrong = np.flatnonzero(batch.statements.wrong)
        if wrong.size and self._task.bad_rows == "refuse":
            outcome = "the job ends here; correct them, or use --bad-rows keep; both are another job, in another folder"
            raise RowsError(refusal(batch.source, batch.columns, batch.cells, self.forecaster, wrong, outcome))
        return np.flatnonzero(~batch.statements.wrong)

    def _batches(self, part: Part, rows: int = BATCH) -> Iterator[_Batch]:
        """Yield the rows of a part."""
        for table, source in _read(part, rows):
            columns, cells, assumed = read_rows(source, self.forecaster)
            yield _Batch(table, source, columns, cells, Statements(cells, self.forecaster, assumed))


class SalesAnswers:
    """The rows of a part with their forecasts, and the counts of those that were read so far."""

    def __init__(self, work: SalesWork, part: Part) -> None:
        self._work, self._part = work, part
        self._notes: Counter[str] = Counter()
        self.bad = 0

    @property
    def notes(self) -> dict[str, int]:
        """Return the number of rows with each kind of warning and each assumed fact."""
        return dict(+self._notes)

    def __iter__(self) -> Iterator[pa.Table]:
        self._notes, self.bad = Counter(), 0
        for batch in self._work._batches(self._part):
            yield self._answered(batch)

    def _answered(self, batch: _Batch) -> pa.Table:
        """Return the rows of a batch with their forecasts."""
        work, n_rows = self._work, len(batch.table)
        chosen = work._chosen(batch)
        results = Results(n_rows, work._options)
        if chosen.size:
            results.add(chosen, work._planned.columns(batch.statements.rows(chosen)))
        answered = np.zeros(n_rows, np.bool_)
        answered[chosen] = True
        self.bad += n_rows - len(chosen)
        self._notes += results.count()
        self._notes[OPENED] += batch.statements.count_opened()
        added = results.columns(batch.source.file, batch.table.column_names)
        columns = {
            name: pa.array(values, _TYPES[values.dtype.kind], mask=~answered, from_pandas=True)
            for name, values in added.items()
        }
        if work._task.bad_rows == "keep":
            columns[PROBLEM] = self._problems(batch, np.flatnonzero(~answered))
        return _with_columns(batch.table, columns)

    def _problems(self, batch: _Batch, wrong: Int64) -> pa.Array:
        """Return the reasons why rows can't be forecast, ``[row]``; null where one can."""
        reasons: list[str | None] = [None] * len(batch.table)
        found = reasons_to_refuse(batch.columns, batch.cells, self._work.forecaster, wrong.tolist())
        for row, reason in zip(wrong.tolist(), found, strict=True):
            reasons[row] = reason
        return pa.array(reasons, pa.string())


def _read(part: Part, rows: int) -> Iterator[tuple[pa.Table, Source]]:
    """Yield the rows of a part, of a Parquet file a number at a time.

    Raises:
        RowsError: if they can't be read.
    """
    with storage_of(part.file).open(part.file) as file:
        if part.file.lower().endswith(PARQUET):
            yield from _read_groups(part, file, rows)
        else:
            yield _read_lines(part, file)


def _read_lines(part: Part, file: IO[bytes]) -> tuple[pa.Table, Source]:
    """Return the lines of a part of a CSV file; all columns are texts."""
    header = file.read(part.header)
    file.seek(part.first)
    try:
        frame = without_blank_lines(read_csv_lines(header, file.read(part.end - part.first), part.line))
    except UnreadableError as error:
        raise RowsError(f"{part.file}: {error}") from None
    texts = pa.schema([(str(name), pa.string()) for name in frame.columns])
    table = pa.Table.from_pandas(frame, texts, preserve_index=False)
    return table.replace_schema_metadata(), Source(part.file, frame)


def _read_groups(part: Part, file: IO[bytes], rows: int) -> Iterator[tuple[pa.Table, Source]]:
    """Yield the rows of a part of a Parquet file, a number at a time, with their types.

    Raises:
        InputError: if the file is damaged.
    """
    before, groups = part.line, [*range(part.first, part.end)]
    with readable(part.file):
        opened = parquet.ParquetFile(file, pre_buffer=False, page_checksum_verification=True)
    try:
        with readable(part.file):
            for table, frame in _read_tables(opened, groups, rows):
                frame.index += before - 1  # as `read_parquet` has it
                before += len(table)
                yield table, Source(part.file, frame)
    except InputError:
        for group in groups:  # the rows of a batch may be of several
            with readable(f"{part.file}: row group {group}, counted from 0"):
                deque(_read_tables(opened, [group], rows), 0)
        raise


def _read_tables(opened: parquet.ParquetFile, groups: list[int], rows: int) -> Iterator[tuple[pa.Table, pd.DataFrame]]:
    """Yield the rows of some row groups, a number at a time."""
    for batch in opened.iter_batches(rows, row_groups=groups):
        table = pa.Table.from_batches([batch]).replace_schema_metadata()
        yield table, table.to_pandas()


def _with_columns(table: pa.Table, columns: dict[str, pa.Array]) -> pa.Table:
    """Return a table with columns at its end; one that it has already is replaced in its place."""
    places = {name.strip().lower(): place for place, name in enumerate(table.column_names)}
    for name, values in columns.items():
        place = places.get(name)
        if place is None:
            table = table.append_column(name, values)
        else:
            table = table.set_column(place, table.column_names[place], values)
    return table
