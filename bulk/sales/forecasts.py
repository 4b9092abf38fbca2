"""Forecasts of rows under a job's plan. A store-day is computed once in a process, and looked up after that."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from bulk.sales.plan import JobPlan
from sales.answers.columns import ForecastColumns
from sales.arrays import Bool, Int64
from sales.forecaster import Forecaster
from sales.inputs import Rows
from sales.statements.facts import NOT_STATED, Facts, Stated
from schemas.sales.answer import ForecastWarning
from schemas.sales.options import AnswerOptions

CHUNK: Final = 4096  # rows that the network gets at once

_NOTHING = -1  # the warnings of a row without any


class PlannedForecaster:
    """Forecaster of rows whose statements are those of a plan, nearly always.

    A row that states of its day what the plan has, or nothing where the plan has nothing, has the forecast of its
    store-day. So that forecast is computed once. Rows that contradict the plan, or state weather or columns of the
    user's, are computed one by one.
    """

    def __init__(self, forecaster: Forecaster, plan: JobPlan, options: AnswerOptions) -> None:
        self._forecaster, self._plan, self._options = forecaster, plan, options
        n_stores, self._n_days = forecaster.model.panel.calendar.open.shape
        n_quantiles = len(options.probabilities) if options.uncertain else 0
        self._known = np.zeros(n_stores * self._n_days, np.bool_)
        self._sales = np.empty(len(self._known))
        self._quantiles = np.empty((len(self._known), n_quantiles))
        self._assumed = np.empty(len(self._known), np.uint8)
        self._warnings = np.full(len(self._known), _NOTHING, np.int32)
        self._lists: list[list[ForecastWarning]] = []

    def columns(self, rows: Rows) -> ForecastColumns:
        """Return the forecasts of rows of one file."""
        usual = self._usual(rows)
        key = rows.store * self._n_days + rows.day
        self._learn(np.unique(key[usual]))
        sales, assumed, quantiles = self._sales[key], self._assumed[key], self._quantiles[key]
        code = np.where(usual, self._warnings[key], _NOTHING)
        warnings = {int(row): self._lists[code[row]] for row in np.flatnonzero(code != _NOTHING)}
        unusual = np.flatnonzero(~usual)
        for chosen in _chunks(rows.store, unusual):
            found = self._compute(rows, chosen)
            sales[chosen], assumed[chosen] = found.sales, found.assumed
            if found.quantiles is not None:
                quantiles[chosen] = found.quantiles
            warnings |= {int(chosen[row]): listed for row, listed in found.warnings.items()}
        return ForecastColumns(sales, assumed, warnings, quantiles if self._options.uncertain else None)

    def _usual(self, rows: Rows) -> Bool:
        """Return the rows that have the forecast of their store-day, ``[row]``."""
        planned = self._plan.days[:, rows.store, rows.day]
        stated = NOT_STATED if rows.facts.days is None else rows.facts.days
        usual = (planned == stated).all(axis=0)
        for values in rows.facts.values.values():
            usual[values.rows] = False
        return np.asarray(usual)

    def _learn(self, keys: Int64) -> None:
        """Compute the forecasts of the store-days that are not known yet."""
        keys = keys[~self._known[keys]]
        if not keys.size:
            return
        store, day = np.divmod(keys, self._n_days)
        days = self._plan.days[:, store, day]
        facts = Facts(days if (days != NOT_STATED).any() else None, {}, {})
        rows = Rows(np.zeros_like(store), store, day, facts)
        for chosen in _chunks(store, np.arange(len(store))):
            found, at = self._compute(rows, chosen), keys[chosen]
            self._sales[at], self._assumed[at] = found.sales, found.assumed
            if found.quantiles is not None:
                self._quantiles[at] = found.quantiles
            for row, listed in found.warnings.items():
                self._warnings[at[row]] = self._number(listed)
            self._known[at] = True

    def _number(self, warnings: list[ForecastWarning]) -> int:
        """Return the number of a list of warnings; equal lists share it."""
        if not self._lists or self._lists[-1] != warnings:
            if warnings in self._lists:
                return self._lists.index(warnings)
            self._lists.append(warnings)
        return len(self._lists) - 1

    def _compute(self, rows: Rows, chosen: Int64) -> ForecastColumns:
        """Return the forecasts of some rows by the network."""
        store, day, days = rows.store[chosen], rows.day[chosen], rows.facts.days
        values = {name: _taken(stated, chosen) for name, stated in rows.facts.values.items()}
        facts = Facts(
            None if days is None else days[:, chosen],
            {name: stated for name, stated in values.items() if stated.rows.size},
            {},
        )
        elsewhere = self._plan.about(np.unique(store))
        return self._forecaster.columns(Rows(np.zeros_like(store), store, day, facts, elsewhere), self._options)


def _chunks(store: Int64, rows: Int64) -> Iterator[Int64]:
    """Yield some rows a chunk at a time, those of a store together."""
    ordered = rows[np.argsort(store[rows], kind="stable")]
    for first in range(0, len(ordered), CHUNK):
        yield ordered[first : first + CHUNK]


def _taken(stated: Stated, chosen: Int64) -> Stated:
    """Return the values of some rows, by their places among these."""
    place = np.searchsorted(stated.rows, chosen)
    place[place == len(stated.rows)] = 0
    has = stated.rows[place] == chosen if stated.rows.size else np.zeros(len(chosen), np.bool_)
    return Stated(np.flatnonzero(has), stated.values[place[has]])
