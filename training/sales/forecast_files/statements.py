"""Rows of a file as the forecaster takes them: stores, days, and the facts that the rows state."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sales.arrays import Bool, Int64
from sales.calendar import FIELDS, STATE_HOLIDAYS
from sales.columns.own import PREFIX
from sales.columns.weather import REQUEST_FIELDS
from sales.forecaster import Forecaster
from sales.inputs import Rows
from sales.statements.facts import NOT_STATED, Facts, Stated
from schemas.sales.request import MAX_COLUMNS
from training.sales.forecast_files.cells import Cells
from training.sales.forecast_files.facts import fact_of, known_facts
from training.sales.forecast_files.plan import SEPARATOR

_COLUMN_OF = {field: column for column, field in REQUEST_FIELDS.items()}


class Statements:
    """Statements of a file's rows about their stores and days.

    Attributes:
        store: ``[row]``, index into the panel's stores; -1 if the store is unknown.
        day: ``[row]``, index into the panel's days; -1 if there is no date. It may lie outside the panel.
        wrong: ``[row]``, true if the row can't be forecast.
    """

    def __init__(self, cells: Mapping[str, Cells], forecaster: Forecaster, assumed: Cells | None) -> None:
        """Read the statements.

        Args:
            cells: cells of the columns by field.
            forecaster: model that forecasts the rows.
            assumed: cells of the column ``assumed``, if the file has one.
        """
        self._model = forecaster.model
        calendar = self._model.panel.calendar
        self._cells = {field: column for field, column in cells.items() if field not in ("store", "date")}
        self._assumed = assumed
        store, date = cells["store"], cells["date"]
        known = {store_id: index for index, store_id in enumerate(self._model.panel.store_ids)}
        stores = [known.get(value, -1) for value in store.values]
        days = [calendar.day(value) if hasattr(value, "year") else -1 for value in date.values]
        self.store = np.array(stores, dtype=np.int32)[store.codes]
        self.day = np.array(days, dtype=np.int32)[date.codes]
        self.wrong = (self.store < 0) | (self.day < 0) | (self.day > forecaster.last_day)
        for column in cells.values():
            if not column.valid.all():
                self.wrong |= ~column.valid[column.codes]
        self.wrong |= self._states_too_much()
        self._opens = "open" not in cells and self._model.panel.lists_open_days_only
        self._numbers = {field: _numbers(field, column, forecaster) for field, column in self._cells.items()}

    def count_opened(self) -> int:
        """Return the number of rows that are taken as open although the model assumes a closed store."""
        if not self._opens:
            return 0
        found = (self.store >= 0) & (self.day >= 0) & (self.day < self._model.panel.calendar.days)
        return int((self._model.panel.calendar.open[self.store[found], self.day[found]] == 0).sum())

    def rows(self, chosen: Int64) -> Rows:
        """Return some rows, which can be forecast, as one request's."""
        store, day = self.store[chosen].astype(np.int64), self.day[chosen].astype(np.int64)
        stated = {field: self._numbers[field][column.codes[chosen]] for field, column in self._cells.items()}
        self._drop_assumed(stated, chosen, store, day)
        days = np.full((len(FIELDS), len(chosen)), NOT_STATED, dtype=np.int8)
        values = {}
        for field, numbers in stated.items():
            at = np.flatnonzero(~np.isnan(numbers))
            if field in FIELDS:
                days[FIELDS.index(field), at] = numbers[at]
            elif at.size:
                values[_COLUMN_OF.get(field, field)] = Stated(at, numbers[at])
        if self._opens:
            days[FIELDS.index("open")] = 1
        facts = Facts(days if (days != NOT_STATED).any() else None, values, {})
        return Rows(np.zeros_like(store), store, day, facts)

    def _drop_assumed(self, stated: dict[str, NDArray[np.float64]], chosen: Int64, store: Int64, day: Int64) -> None:
        """Remove values that state nothing new, in place, if the file has a column ``assumed``.

        They are what the tables state, or what the model assumes and the row names as assumed.
        """
        if self._assumed is None:
            return
        named = [{part.strip() for part in word.split(SEPARATOR)} for word in self._assumed.words]
        facts = known_facts(self._model, store, day)
        for field, known in facts.values.items():
            if field in stated:
                fact = fact_of(field)
                names_fact = np.array([fact in names for names in named])[self._assumed.codes[chosen]]
                same = stated[field].astype(np.float32) == known.astype(np.float32)
                stated[field][(names_fact | ~facts.assumed[fact]) & same] = np.nan

    def _states_too_much(self) -> Bool:
        """Return the rows that state more columns of the user's than an item may, ``[row]``."""
        user_columns = [column for field, column in self._cells.items() if field.startswith(PREFIX)]
        count = np.zeros(len(self.store), dtype=np.int32)
        for column in user_columns if len(user_columns) > MAX_COLUMNS else ():
            count += np.array([value is not None for value in column.values])[column.codes]
        return np.asarray(count > MAX_COLUMNS)


def _numbers(field: str, column: Cells, forecaster: Forecaster) -> NDArray[np.float64]:
    """Return the number of each text: the calendar's value, a code of a category, or NaN where nothing is stated.

    The value of a text that no item may have does not matter.
    """
    features = forecaster.model.features

    def number(value: Any) -> float:
        if value is None:
            return float("nan")
        if field.startswith(PREFIX):
            return features.own.read({field.removeprefix(PREFIX): value})[field]
        if field == "state_holiday":
            return float(STATE_HOLIDAYS.index(value))
        return float(features.event_code(value) if isinstance(value, str) else value)

    pairs = zip(column.values, column.valid.tolist(), strict=True)
    return np.array([number(value) if valid else np.nan for value, valid in pairs], dtype=np.float64)
