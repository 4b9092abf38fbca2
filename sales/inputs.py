"""Inputs of the network, made from rows, and warnings about them: assumed, filled or unseen values.

A client may state a day's opening, promotion, holidays and weather. Its statements about a store make a plan, which
also changes the features of the neighbouring days.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from sales.arrays import Int64, UInt8
from sales.assumptions import AHEAD, OpeningRules, assumed_ahead
from sales.calendar import FIELDS
from sales.columns import own as user_columns
from sales.columns.weather import REQUEST_FIELDS
from sales.features import Features
from sales.history import NAMES as HISTORY
from sales.panel import Panel
from sales.preprocess import InputQuality, Prepared, Preprocessor
from sales.statements.facts import NOT_STATED, Elsewhere, Facts, Stated, states_all
from sales.statements.plan import Plan, plan_of
from schemas.sales.answer import ForecastWarning

_ASSUMABLE = (*FIELDS, "weather", "columns")
_WEATHER_BIT, _COLUMNS_BIT = (np.uint8(1 << len(FIELDS) + place) for place in range(2))
# Names of the assumed facts by the value of ``Inputs.assumed``. All forecasts share these tuples.
ASSUMED = [
    tuple(name for bit, name in enumerate(_ASSUMABLE) if bits >> bit & 1) for bits in range(2 ** len(_ASSUMABLE))
]

_DAY_COLUMNS = {"promo": "Promo", "state_holiday": "StateHolidayType", "school_holiday": "SchoolHoliday"}
_UNUSED = "the model does not use it"
_NO_HISTORY = ForecastWarning(
    "no_history",
    "store",
    "no recent sales of the store are known; those of similar stores and its attributes were used",
)


class Rows(NamedTuple):
    """Stores and days to forecast, with the clients' statements about them.

    Attributes:
        request: ``[row]``, index of the row's request.
        store: ``[row]``, index into the panel's stores.
        day: ``[row]``, index into the panel's days.
        facts: facts that the clients state.
        elsewhere: statements of the same requests about other days.
    """

    request: Int64
    store: Int64
    day: Int64
    facts: Facts
    elsewhere: Elsewhere | None = None


class Inputs(NamedTuple):
    """Inputs of some rows' forecasts.

    Attributes:
        prepared: the network's input.
        open: ``[row]``, 1 where the store is open; a closed store sells 0.
        assumed: ``[row]``, bits of the used facts that neither client nor tables state, of the day itself or of a later
            day that a column reads; ``ASSUMED`` has their names.
        warnings: warnings by row; most rows have none.
    """

    prepared: Prepared
    open: UInt8
    assumed: UInt8
    warnings: dict[int, list[ForecastWarning]]

    def take(self, rows: Int64) -> Inputs:
        """Return the inputs of some rows, in the given order."""
        return Inputs(
            Prepared(self.prepared.cats.take(rows, axis=0), self.prepared.conts.take(rows, axis=0)),
            self.open.take(rows),
            self.assumed.take(rows),
            {place: self.warnings[row] for place, row in enumerate(rows.tolist()) if row in self.warnings},
        )


class InputBuilder:
    """Builder of the inputs of one model."""

    def __init__(self, panel: Panel, features: Features, preprocessor: Preprocessor, horizon: int) -> None:
        """Initialize the builder.

        Args:
            panel: facts of all stores and days.
            features: columns of the panel.
            preprocessor: preprocessing of the model.
            horizon: number of days after the panel's cutoff for which the model was made.
        """
        self._panel, self._features, self._preprocessor, self._horizon = panel, features, preprocessor, horizon
        calendar = panel.calendar
        self._warnings_by_column = _warnings_by_column(preprocessor)
        names = list(preprocessor.cont_names)
        self._history = [names.index(name) for name in HISTORY if name in names]
        self._n_sold = names.index("Level_n") if "Level_n" in names else None
        self._never_varied = {
            field: preprocessor.unused[column]
            for field, column in _DAY_COLUMNS.items()
            if column in preprocessor.unused
        }
        used = {*used_fields(preprocessor), *(["weather"] if features.weather else []), "columns"}
        self._used = np.uint8(sum(1 << bit for bit, name in enumerate(_ASSUMABLE) if name in used))
        looks_ahead = features.mode == "production"
        self._rules = OpeningRules.of(calendar, panel.cutoff) if looks_ahead else None
        self._own_assumed = user_columns.assumed(panel, features.feature_set.names)
        self._assumed = calendar.assumed | assumed_ahead(calendar) if looks_ahead else calendar.assumed
        # Nearly every request is for a future day and states nothing about it. So the inputs of all these rows are made
        # once, with [store, day ahead] as one axis; a look-up takes a tenth of the time of making them.
        self._first_ahead = panel.cutoff + 1
        self._days_ahead = min(horizon, calendar.days - self._first_ahead)
        store, ahead = np.indices((len(calendar.stores), self._days_ahead)).reshape(2, -1)
        self._ahead = self._make(store, self._first_ahead + ahead, None, {})

    def __call__(self, rows: Rows) -> Inputs:
        """Return the inputs of one row or more."""
        plan, facts = self._plan(rows), rows.facts
        ahead = rows.day - self._first_ahead
        if plan is None and not facts.change_values and ahead.min() >= 0 and ahead.max() < self._days_ahead:
            inputs = self._ahead.take(rows.store * self._days_ahead + ahead)
        else:
            inputs = self._make(rows.store, rows.day, plan, facts.values)
        if facts.unknown or (facts.days is not None and self._never_varied):
            self._warn_of_unused(facts, inputs.warnings)
        return inputs

    def _plan(self, rows: Rows) -> Plan | None:
        """Return the plans of rows, if a statement differs from the calendar."""
        days, elsewhere = rows.facts.days, rows.elsewhere
        request, store, day = rows.request, rows.store, rows.day
        if elsewhere is not None:
            days = np.full((len(FIELDS), len(store)), NOT_STATED, np.int8) if days is None else days
            request, store = np.append(request, elsewhere.request), np.append(store, elsewhere.store)
            day, days = np.append(day, elsewhere.day), np.concatenate([days, elsewhere.days], axis=1)
        if days is None:
            return None
        plan = plan_of(self._panel.calendar, self._rules, request, store, day, days)
        return plan if plan is None or elsewhere is None else Plan(plan.calendar, plan.row[: len(rows.store)])

    def _make(
        self,
        store: Int64,
        day: Int64,
        plan: Plan | None,
        stated: Mapping[str, Stated],
    ) -> Inputs:
        """Make the inputs of rows, with the clients' plans, and their weather and other values by column."""
        calendar, features = self._panel.calendar, self._features
        columns = features.build(store, day, plan, stated)
        prepared = self._preprocessor.transform(columns)
        open_, assumed = calendar.open[store, day], self._assumed[store, day]
        if plan is not None:
            planned = np.flatnonzero(plan.row >= 0)
            at = plan.row[planned], day[planned]
            open_[planned], assumed[planned] = plan.calendar.open[at], plan.calendar.assumed[at]
            if features.mode == "production":
                first = int(day[planned].min())
                ahead = assumed_ahead(plan.calendar.between(first, int(day[planned].max()) + AHEAD + 1))
                assumed[planned] |= ahead[at[0], at[1] - first]
        observed = states_all(stated, [*features.weather], len(day))
        assumed[features.season_only[self._panel.state[store], day] & ~observed] |= _WEATHER_BIT
        complete = states_all(stated, [f"{user_columns.PREFIX}{name}" for name in features.own.known_ahead], len(day))
        assumed[self._own_assumed[store, day] & ~complete] |= _COLUMNS_BIT
        assumed &= self._used
        quality = self._preprocessor.input_quality(columns, prepared)
        quality.filled[:, self._history] = False  # a weekday without past sales is ordinary
        warnings = self._warnings(day, open_, quality, stated)
        if self._n_sold is not None:
            for row in np.flatnonzero((columns.conts[:, self._n_sold] == 0) & (open_ > 0)).tolist():
                warnings.setdefault(row, []).append(_NO_HISTORY)
        return Inputs(prepared, open_, assumed, warnings)

    def _warn_of_unused(self, facts: Facts, warnings: dict[int, list[ForecastWarning]]) -> None:
        """Add a warning for each stated fact that never varied in training, unless it has the value of training.

        The same holds for the user's columns that the model does not have, or that it knows as history alone.
        """
        for name, rows in facts.unknown.items():
            _warn(warnings, rows, ForecastWarning("unused", f"columns.{name}", _UNUSED))
        if facts.days is None:
            return
        for field, usual in self._never_varied.items():
            stated = facts.days[FIELDS.index(field)]
            news = (stated >= 0) & (stated != (np.nan if usual is None else usual))
            _warn(warnings, np.flatnonzero(news), ForecastWarning("unused", field, _UNUSED))

    def _warnings(
        self,
        day: Int64,
        open_: UInt8,
        quality: InputQuality,
        stated: Mapping[str, Stated],
    ) -> dict[int, list[ForecastWarning]]:
        """Return the warnings by row."""
        warnings: dict[int, list[ForecastWarning]] = {}
        for doubtful, by_column in zip(quality, self._warnings_by_column, strict=True):
            if doubtful.any():  # rarely
                for row, column in np.argwhere(doubtful & (open_ > 0)[:, None]).tolist():  # a closed store sells 0
                    warnings.setdefault(row, []).append(by_column[column])
        for name, (rows, _) in stated.items():
            if name not in self._features.weather and not name.startswith(user_columns.PREFIX):
                _warn(warnings, rows, ForecastWarning("unused", REQUEST_FIELDS[name], _UNUSED))
        ahead, cutoff = day - self._panel.cutoff, self._panel.calendar.date(self._panel.cutoff)
        seen, beyond = ahead <= 0, ahead > self._horizon
        if seen.any():
            detail = f"the model has seen the sales up to {cutoff}; this is a fit, not a forecast"
            _warn(warnings, np.flatnonzero(seen), ForecastWarning("training_period", "date", detail))
        for days in np.unique(ahead[beyond]).tolist():
            detail = f"{days} days after {cutoff}; the model was made for {self._horizon}"
            _warn(warnings, np.flatnonzero(ahead == days), ForecastWarning("beyond_horizon", "date", detail))
        return warnings


def _warn(warnings: dict[int, list[ForecastWarning]], rows: Int64, warning: ForecastWarning) -> None:
    """Add a warning to some rows. Their lists are new ones, because forecasts share those of usual rows."""
    for row in rows.tolist():
        warnings[row] = [*warnings.get(row, ()), warning]


def used_fields(preprocessor: Preprocessor) -> tuple[str, ...]:
    """Return the names of ``FIELDS`` that a model uses: those that varied in training, and the opening."""
    return tuple(field for field in FIELDS if _DAY_COLUMNS.get(field) not in preprocessor.unused)


def _warnings_by_column(preprocessor: Preprocessor) -> tuple[list[ForecastWarning], ...]:
    """Return each column's warning for each field of ``InputQuality``. All forecasts share these objects."""
    normalize, unseen = preprocessor.normalize, "has a value that training never saw; it was taken as missing"
    conts, cats = preprocessor.cont_names, preprocessor.cat_names
    filled = [
        f"{name} is not known; the training median {median:.6g} was used"
        for name, median in zip(conts, preprocessor.fill_missing.medians, strict=True)
    ]
    outside = [
        f"{name} is outside {low:.6g} to {high:.6g}, the range of training"
        for name, low, high in zip(conts, normalize.mins, normalize.maxs, strict=True)
    ]
    return (
        [ForecastWarning(code="filled", field=name, detail=detail) for name, detail in zip(conts, filled, strict=True)],
        [ForecastWarning(code="unseen", field=name, detail=f"{name} {unseen}") for name in cats],
        [
            ForecastWarning(code="out_of_range", field=name, detail=detail)
            for name, detail in zip(conts, outside, strict=True)
        ],
    )
