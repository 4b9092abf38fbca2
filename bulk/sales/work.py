"""The work of a sales job: read a part of a table, forecast its rows, and add the forecasts as columns."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa

from bulk.job import Done, Part, Task
from bulk.sales.forecasts import PlannedForecaster
from bulk.sales.parts import PartFile, opened
from bulk.sales.plan import (
    PLAN,
    STYLES,
    JobPlan,
    Readings,
    Survey,
    read_survey,
    statements,
    styles,
    together,
    written,
)
from bulk.storage.places import storage_of
from bulk.storage.storage import below
from runtime.device import pick_device
from sales.arrays import Int64
from sales.calendar import FIELDS
from sales.forecaster import Forecaster, Model
from schemas.sales.column_names import plain_name
from schemas.sales.options import parse_options
from training.sales.data.values import is_clear, readings
from training.sales.forecast_files.cells import Cells
from training.sales.forecast_files.forecast import OPENED, read_rows, reasons_to_refuse, refusal, styled_columns
from training.sales.forecast_files.formats import RowsError, Source
from training.sales.forecast_files.header import find_columns
from training.sales.forecast_files.output import SALES, Results
from training.sales.forecast_files.statements import Statements

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

    def survey(self, part: Part, *, again: bool) -> Done:
        """Return what the rows of a part state about days, and how they are written.

        Statements are left out if other parts may say how they are written, unless the survey is made again.

        Raises:
            RowsError: if a row can't be forecast and the job refuses such rows.
        """
        model = self.forecaster.model
        with opened(part) as file:
            columns = find_columns(part.file, file.names, model)
            taken = frozenset(SALES) & {*map(plain_name, file.names)}
            if not {*FIELDS} & {*columns} and not model.panel.lists_open_days_only:  # nothing is stated about days
                found = Survey(readings=_readings(file, columns, model), taken=taken)
                return Done(part.number, 0, content=written(found))
        surveys, rows, bad = [], 0, 0
        for batch in self._batches(part, self._styles if again else None):
            found = Survey(readings={field: cells.readings for field, cells in batch.cells.items()})
            rows += len(batch.table)
            if again or all(map(is_clear, found.readings.values())):
                chosen = self._chosen(batch)
                bad += len(batch.table) - len(chosen)
                stated = batch.statements.rows(chosen)
                places, values = statements(model.panel.calendar, stated.store, stated.day, stated.facts.days)
                surveys.append(found._replace(places=places, values=values))
            else:
                surveys.append(found._replace(is_complete=False))
        return Done(part.number, rows, bad, content=written(together(surveys)._replace(taken=taken)))

    def answer(self, part: Part) -> "SalesAnswers":
        """Return the rows of a part with their forecasts."""
        return SalesAnswers(self, part)

    @cached_property
    def _styles(self) -> dict[str, int]:
        """The styles of columns, which the driver has published before the second survey."""
        return styles(self._published(STYLES))

    @cached_property
    def _plan(self) -> Survey:
        """The plan of the job, which the driver has published."""
        return self._published(PLAN)

    @cached_property
    def _planned(self) -> PlannedForecaster:
        """The forecaster under the plan of the job."""
        plan = JobPlan(self.forecaster.model.panel.calendar, self._plan)
        return PlannedForecaster(self.forecaster, plan, self._options)

    def _published(self, name: str) -> Survey:
        with storage_of(self._task.out).open(below(self._task.out, name)) as file:
            return read_survey(file.read())

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

    def _batches(self, part: Part, styles: Mapping[str, int] | None) -> Iterator[_Batch]:
        """Yield the rows of a part, in the styles of the columns, or in those that a batch shows."""
        with opened(part) as file:
            for table, source in file.batches():
                columns, cells, assumed = read_rows(source, self.forecaster, styles)
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
        for batch in self._work._batches(self._part, styles(self._work._plan)):
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
        added = results.columns("the input", [*batch.table.column_names, *work._plan.taken])
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


def _readings(file: PartFile, columns: Mapping[str, str], model: Model) -> Readings:
    """Return the readings of a part's columns, of which no other is read."""
    styled = styled_columns(columns, model)
    dates = [columns[field] for field, column in styled.items() if column.kind == "date"]
    numbers = [columns[field] for field, column in styled.items() if column.kind != "date"]
    texts = file.texts(dates, numbers)
    return {
        field: readings(texts[columns[field]], column) for field, column in styled.items() if columns[field] in texts
    }


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
