"""Rows -> the network's input and what a client should know of it: what was assumed, filled, never seen.

A client may state a day's opening, promotion, holidays and weather. What it states of a store's days is a plan, and
changes the features of the days around them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from sales.arrays import Int64, UInt8
from sales.calendar import FIELDS
from sales.features import Features
from sales.panel import Panel
from sales.preprocess import InputQuality, Prepared, Preprocessor
from sales.statements import Plan, Statements, states_day
from schemas.sales.answer import ForecastWarning
from schemas.sales.request import Item

_ASSUMABLE = (*FIELDS, "weather")
_WEATHER_BIT = np.uint8(1 << len(FIELDS))
# By the bits of ``Inputs.assumed``: the names of what was assumed. Forecasts share them.
ASSUMED = [
    tuple(name for bit, name in enumerate(_ASSUMABLE) if bits >> bit & 1) for bits in range(2 ** len(_ASSUMABLE))
]


class Rows(NamedTuple):
    """Stores and days to forecast, and what clients state of them.

    Attributes:
        items: the items.
        request: ``[row]``, which request each belongs to.
        store: ``[row]``, index into the panel's stores.
        day: ``[row]``, index into the panel's days.
    """

    items: list[Item]
    request: list[int]
    store: Int64
    day: Int64


class Inputs(NamedTuple):
    """What the forecasts of some rows are made of.

    Attributes:
        prepared: the network's input.
        open: ``[row]``, 1 where the store is open; a closed one sells 0.
        assumed: ``[row]``, what neither the client nor the tables state; ``ASSUMED`` has the names.
        warnings: what a client should know, by row; most rows have none.
    """

    prepared: Prepared
    open: UInt8
    assumed: UInt8
    warnings: Mapping[int, list[ForecastWarning]]

    def take(self, rows: Int64) -> Inputs:
        """Some of the rows, in the order asked."""
        return Inputs(
            Prepared(self.prepared.cats.take(rows, axis=0), self.prepared.conts.take(rows, axis=0)),
            self.open.take(rows),
            self.assumed.take(rows),
            {place: self.warnings[row] for place, row in enumerate(rows.tolist()) if row in self.warnings},
        )


class InputBuilder:
    """Makes the inputs of one model's rows."""

    def __init__(self, panel: Panel, features: Features, preprocessor: Preprocessor, horizon: int) -> None:
        """Set up.

        Args:
            panel: what is known of stores and days.
            features: the panel's.
            preprocessor: the model's.
            horizon: days after the panel's cutoff for which the model was made.
        """
        self._panel, self._features, self._preprocessor, self._horizon = panel, features, preprocessor, horizon
        calendar = panel.calendar
        self._warnings_by_column = _warnings_by_column(preprocessor)
        # Nearly every request is for a day ahead and states nothing of it. So the inputs of all these rows are made
        # once, [store, day ahead] taken as one axis, and looked up: that takes a tenth of the time of making them.
        self._first_ahead = panel.cutoff + 1
        self._days_ahead = min(horizon, calendar.days - self._first_ahead)
        store, ahead = np.indices((len(calendar.stores), self._days_ahead)).reshape(2, -1)
        self._ahead = self._make(store, self._first_ahead + ahead, None, {})

    def __call__(self, rows: Rows) -> Inputs:
        """What the rows' forecasts are made of; at least one row."""
        plan, weather = self._plan(rows), _weather(rows.items)
        ahead = rows.day - self._first_ahead
        if plan is None and not weather and ahead.min() >= 0 and ahead.max() < self._days_ahead:
            return self._ahead.take(rows.store * self._days_ahead + ahead)
        return self._make(rows.store, rows.day, plan, weather)

    def _make(
        self,
        store: Int64,
        day: Int64,
        plan: Plan | None,
        weather: Mapping[int, Mapping[str, Any]],
    ) -> Inputs:
        """What the forecasts of rows are made of, with what the client states of their plans and weather."""
        calendar, features = self._panel.calendar, self._features
        columns = features.build(store, day, plan, weather)
        prepared = self._preprocessor.transform(columns)
        open_, assumed = calendar.open[store, day], calendar.assumed[store, day]
        if plan is not None:
            planned = np.flatnonzero(plan.row >= 0)
            at = plan.row[planned], day[planned]
            open_[planned], assumed[planned] = plan.calendar.open[at], plan.calendar.assumed[at]
        observed = np.zeros(len(day), dtype=np.bool_)
        observed[[row for row, stated in weather.items() if features.weather <= stated.keys()]] = True
        assumed[features.season_only[day] & ~observed] |= _WEATHER_BIT
        quality = self._preprocessor.input_quality(columns, prepared)
        return Inputs(prepared, open_, assumed, self._warnings(day, open_, quality, weather))

    def _plan(self, rows: Rows) -> Plan | None:
        """Return the plans that the rows' items state; None if they state only what the calendar has."""
        if not any(map(states_day, rows.items)):
            return None
        statements = Statements(self._panel.calendar)
        for row in zip(rows.request, rows.store.tolist(), rows.day.tolist(), rows.items, strict=True):
            statements.add(*row)
        return statements.plan()

    def _warnings(
        self,
        day: Int64,
        open_: UInt8,
        quality: InputQuality,
        weather: Mapping[int, Mapping[str, Any]],
    ) -> dict[int, list[ForecastWarning]]:
        """What a client should know, by row."""
        found: dict[int, list[ForecastWarning]] = {}

        def warn(row: int, code: Any, field: str, detail: str) -> None:
            found.setdefault(row, []).append(ForecastWarning(code, field, detail))

        for doubt, warnings in zip(quality, self._warnings_by_column, strict=True):
            if doubt.any():  # mostly not
                for row, column in np.argwhere(doubt & (open_ > 0)[:, None]).tolist():  # a closed store sells 0
                    found.setdefault(row, []).append(warnings[column])
        for row, stated in weather.items():
            for name in stated:
                if name not in self._features.weather:
                    warn(row, "unused", _CLIENTS_WEATHER[name], "this model does not look at it")
        ahead, cutoff = day - self._panel.cutoff, self._panel.calendar.date(self._panel.cutoff)
        for row in np.flatnonzero((ahead <= 0) | (ahead > self._horizon)).tolist():
            if ahead[row] <= 0:
                detail = f"the model has seen the sales up to {cutoff}; this is a fit, not a forecast"
                warn(row, "training_period", "date", detail)
            else:
                detail = f"{ahead[row]} days after {cutoff}; the model was made for {self._horizon}"
                warn(row, "beyond_horizon", "date", detail)
        return found


def _warnings_by_column(preprocessor: Preprocessor) -> tuple[list[ForecastWarning], ...]:
    """The warning of each column for each field of ``InputQuality``, written once: there are many of the same."""
    normalize, unseen = preprocessor.normalize, "a value that training never saw was taken as missing"
    filled = [f"not known; the training median {median:.6g} was used" for median in preprocessor.fill_missing.medians]
    ranges = zip(normalize.mins, normalize.maxs, strict=True)
    outside = [f"outside {low:.6g} to {high:.6g}, the range of training" for low, high in ranges]
    conts, cats = preprocessor.cont_names, preprocessor.cat_names
    return (
        [ForecastWarning(code="filled", field=name, detail=each) for name, each in zip(conts, filled, strict=True)],
        [ForecastWarning(code="unseen", field=name, detail=unseen) for name in cats],
        [
            ForecastWarning(code="out_of_range", field=name, detail=each)
            for name, each in zip(conts, outside, strict=True)
        ],
    )


_WEATHER = {
    "max_temperature": "Max_TemperatureC",
    "mean_temperature": "Mean_TemperatureC",
    "min_temperature": "Min_TemperatureC",
    "max_humidity": "Max_Humidity",
    "mean_humidity": "Mean_Humidity",
    "min_humidity": "Min_Humidity",
    "max_wind_speed": "Max_Wind_SpeedKm_h",
    "mean_wind_speed": "Mean_Wind_SpeedKm_h",
    "cloud_cover": "CloudCover",
    "precipitation": "Precipitationmm",
    "events": "Events",
}


_CLIENTS_WEATHER = {theirs: ours for ours, theirs in _WEATHER.items()}


def _weather(items: Sequence[Item]) -> dict[int, Mapping[str, Any]]:
    """The weather that items state, by row and the tables' names."""
    return {
        row: {_WEATHER[name]: value for name, value in item.weather if value is not None}
        for row, item in enumerate(items)
        if item.weather is not None
    }
