"""Rows in, forecasts out: what the handler, the commands and the evaluation all call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from runtime.bundle import BundleError
from runtime.session import open_session
from sales import bundle as bundles
from sales.bundle import Bundle
from sales.calendar import FIELDS, STATE_HOLIDAYS
from sales.features import Features, Plan
from sales.panel import Panel
from sales.preprocess import Doubts, Preprocessor
from schemas.problems import FieldError, Problem
from schemas.sales import (
    Bad,
    Forecast,
    ForecastRequest,
    Forecasts,
    ForecastWarning,
    Item,
    ItemForecast,
    ItemProblem,
    all_bad,
)

Run = Callable[[NDArray[np.int32], NDArray[np.float32]], NDArray[np.float32]]
Answer = Forecast | Forecasts | Problem

GOLDEN_TOLERANCE = 1e-4  # relative; onnxruntime and torch agree to about 1e-6


class _Rows(NamedTuple):
    """The good items of some requests, as arrays and side by side with them.

    Attributes:
        items: the items.
        request: ``[row]``, which request each belongs to.
        store: ``[row]``, index into the panel's stores.
        day: ``[row]``, index into the panel's days.
    """

    items: list[Item]
    request: list[int]
    store: NDArray[np.int64]
    day: NDArray[np.int64]


@dataclass(frozen=True)
class Model:
    """What makes a forecast out of columns: for a bundle, what it holds; in training, what it will hold."""

    name: str
    version: str
    panel: Panel
    features: Features
    preprocessor: Preprocessor
    run: Run
    horizon: int


class Forecaster:
    """Forecasts of one model."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.name, self.version = model.name, model.version
        calendar = model.panel.calendar
        self._stores = {int(store): index for index, store in enumerate(calendar.stores)}
        self._grids = {name: getattr(calendar, name) for name in FIELDS}
        self.cutoff = calendar.date(model.panel.cutoff)
        self._doubts = _doubts(model.preprocessor)

    @classmethod
    def load(cls, folder: Path, *, device: str = "cpu", threads: int = 1) -> Forecaster:
        """The forecaster of a bundle, verified: its hashes, and its golden rows on this machine and device.

        Args:
            folder: the bundle.
            device: ``cpu`` or ``cuda:N``.
            threads: threads within one operator on the CPU.

        Raises:
            BundleError: if the bundle is damaged, or its golden rows come out otherwise.
            SessionError: if the network can't be run on the device.
        """
        bundle = bundles.load(folder)
        forecaster = cls.of(bundle, _onnx(bundle, device, threads))
        forecaster.verify(bundle)
        return forecaster

    @classmethod
    def of(cls, bundle: Bundle, run: Run) -> Forecaster:
        """The forecaster of a bundle that was read, with a network that the caller runs."""
        manifest = bundle.manifest
        return cls(
            Model(
                name=manifest.name,
                version=manifest.version,
                panel=bundle.panel,
                features=Features(bundle.panel, manifest.mode),
                preprocessor=bundle.preprocessor,
                run=run,
                horizon=manifest.horizon,
            )
        )

    def verify(self, bundle: Bundle) -> None:
        """Forecast the bundle's golden rows again.

        Raises:
            BundleError: if a forecast is not what training computed.
        """
        items = [Item.model_validate({k: v for k, v in row.items() if k != "sales"}) for row in bundle.golden]
        # Each on its own: what golden rows state of a store's days must not become one plan.
        answers = self.answer([ForecastRequest((item,), single=True) for item in items])
        for row, answer in zip(bundle.golden, answers, strict=True):
            sales = getattr(answer, "sales", None)
            if sales is None or not np.isclose(sales, row["sales"], rtol=GOLDEN_TOLERANCE, atol=0):
                raise BundleError(
                    f"{bundle.folder}: training forecast {row['sales']} for store {row['store']} on {row['date']}, "
                    f"and this machine {sales if sales is not None else answer}; do not serve it, export it again"
                )

    def answer(self, requests: Sequence[ForecastRequest]) -> list[Answer]:
        """Answer requests, all their rows in one run of the network.

        What one request states of a store's days is that store's plan for all items of the request: a promotion next
        Monday changes the forecast of this Saturday. Requests do not touch each other.

        Args:
            requests: requests that were read.

        Returns:
            An answer for each, in order: a forecast, a list of forecasts and problems, or a problem if no item of the
            request can be forecast.
        """
        rows, problems = self._rows(requests)
        days = iter(self._forecast(rows))
        answers: list[Answer] = []
        for number, request in enumerate(requests):
            results = [problems.get((number, place)) or next(days) for place in range(len(request.items))]
            answers.append(self._reply(request, results))
        return answers

    def _reply(self, request: ForecastRequest, results: Sequence[ItemForecast | ItemProblem]) -> Answer:
        """One request's answer from its items' results."""
        problems = [result.problem for result in results if isinstance(result, ItemProblem)]
        if len(problems) == len(results):
            return all_bad(problems)
        about: Any = {"model": self.name, "version": self.version, "cutoff": self.cutoff}
        if request.single:
            return Forecast(**vars(results[0]), **about)
        return Forecasts(items=list(results), **about)

    def _rows(self, requests: Sequence[ForecastRequest]) -> tuple[_Rows, dict[tuple[int, int], ItemProblem]]:
        """The items that can be forecast, and the problems of the others by (request, place)."""
        items: list[Item] = []
        of: list[int] = []
        stores: list[int] = []
        days: list[int] = []
        problems: dict[tuple[int, int], ItemProblem] = {}
        calendar = self.model.panel.calendar
        for number, request in enumerate(requests):
            for place, item in enumerate(request.items):
                if isinstance(item, Bad):
                    problems[number, place] = ItemProblem(store=item.store, date=item.date, problem=item.problem)
                    continue
                store, day = self._stores.get(item.store), calendar.day(item.date)
                if store is None or not 0 <= day < calendar.days:
                    problem = self._impossible(
                        item, store, request.path(place, "date" if store is not None else "store")
                    )
                    problems[number, place] = ItemProblem(store=item.store, date=item.date, problem=problem)
                    continue
                items.append(item)
                of.append(number)
                stores.append(store)
                days.append(day)
        return _Rows(items, of, np.array(stores, dtype=np.int64), np.array(days, dtype=np.int64)), problems

    def _impossible(self, item: Item, store: int | None, path: str) -> Problem:
        """Why an item can't be forecast: its store or its date, at ``path``, is not in the calendar."""
        calendar = self.model.panel.calendar
        if store is None:
            detail = (
                f"store {item.store} is not known to the model, which has {len(calendar.stores):,} stores "
                f"from {calendar.stores[0]} to {calendar.stores[-1]}; train it with that store's sales"
            )
            error = FieldError(path=path, value=str(item.store), detail="not known to the model")
            return Problem.of("unknown-store", detail, [error])
        allowed = f"allowed are {calendar.date(0)} to {calendar.date(calendar.days - 1)}"
        detail = f"the model's calendar does not reach {item.date}; {allowed}, and {self.cutoff} is its last known day"
        error = FieldError(path=path, value=str(item.date), detail=allowed)
        return Problem.of("outside-calendar", detail, [error])

    def _forecast(self, rows: _Rows) -> list[ItemForecast]:
        """The forecasts of the rows, in order."""
        if not rows.items:
            return []
        model, calendar = self.model, self.model.panel.calendar
        plan = self._plan(rows)
        weather = _weather(rows.items)
        columns = model.features.build(rows.store, rows.day, plan, weather)
        prepared = model.preprocessor.transform(columns)
        sales = np.exp(model.run(prepared.cats, prepared.conts).astype(np.float64))
        open_, assumed = calendar.open[rows.store, rows.day], calendar.assumed[rows.store, rows.day]
        if plan is not None:
            planned = np.flatnonzero(plan.row >= 0)
            at = plan.row[planned], rows.day[planned]
            open_[planned], assumed[planned] = plan.calendar.open[at], plan.calendar.assumed[at]
        sales *= open_
        for row in np.flatnonzero(model.features.season_only[rows.day]).tolist():
            if row not in weather or not model.features.weather <= weather[row].keys():
                assumed[row] |= _WEATHER_BIT
        warnings = self._warnings(rows, open_, model.preprocessor.doubts(columns, prepared), weather)
        return [
            # as many digits of sales as float32 has
            ItemForecast(item.store, item.date, float(f"{sold:.7g}"), _ASSUMED[bits], warnings.get(row, []))
            for row, (item, sold, bits) in enumerate(zip(rows.items, sales.tolist(), assumed.tolist(), strict=True))
        ]

    def _plan(self, rows: _Rows) -> Plan | None:
        """What the requests state of days, as plans; nothing if it is what the tables state already.

        A request's statements on a store make one plan. Where several name the same day the last counts for the
        other days, and an item's own for itself: such an item gets a plan of its own.
        """
        if not any(map(_states, rows.items)):
            return None
        calendar = self.model.panel.calendar
        joint: dict[tuple[int, int], dict[tuple[str, int], int]] = {}
        own: list[dict[tuple[str, int], int]] = []
        news = set()  # the plans that say something that the calendar does not
        for row, item in enumerate(rows.items):
            stated = _stated(item)
            day, store = int(rows.day[row]), int(rows.store[row])
            own.append({(name, day): value for name, value in stated.items()})
            key = (rows.request[row], store)
            for bit, name in enumerate(FIELDS):
                if name in stated:
                    joint.setdefault(key, {})[name, day] = stated[name]
                    if self._grids[name][store, day] != stated[name] or calendar.assumed[store, day] >> bit & 1:
                        news.add(key)
        if not news:
            return None
        plans: dict[tuple[Any, ...], int] = {}  # what a plan is of -> its place
        contents: list[tuple[int, dict[tuple[str, int], int]]] = []  # its store and statements
        index = np.full(len(rows.items), -1, dtype=np.int64)
        for row in range(len(rows.items)):
            key = (rows.request[row], int(rows.store[row]))
            if key not in news:
                continue
            apart = {at: value for at, value in own[row].items() if joint[key][at] != value}
            place = plans.setdefault((*key, *sorted(apart.items())), len(plans))
            if place == len(contents):
                contents.append((key[1], {**joint[key], **apart}))
            index[row] = place
        stores = np.array([store for store, _ in contents], dtype=np.int64)
        planned = calendar.rows(stores)  # copies, so that the panel's own calendar stays as it is
        for place, (_, statements) in enumerate(contents):
            for (name, day), value in statements.items():
                getattr(planned, name)[place, day] = value
                planned.assumed[place, day] &= ~np.uint8(1 << FIELDS.index(name))
        return Plan(planned, index)

    def _warnings(
        self, rows: _Rows, open_: NDArray[np.uint8], doubts: Doubts, weather: Mapping[int, Mapping[str, Any]]
    ) -> dict[int, list[ForecastWarning]]:
        """What a client should know, by row."""
        model = self.model
        found: dict[int, list[ForecastWarning]] = {}

        def warn(row: int, code: Any, field: str, detail: str) -> None:
            found.setdefault(row, []).append(ForecastWarning(code, field, detail))

        for doubt, warnings in zip(doubts, self._doubts, strict=True):
            if doubt.any():  # mostly not
                for row, column in np.argwhere(doubt & (open_ > 0)[:, None]).tolist():  # a closed store sells 0
                    found.setdefault(row, []).append(warnings[column])
        for row, stated in weather.items():
            for name in stated:
                if name not in model.features.weather:
                    warn(row, "unused", _CLIENTS_WEATHER[name], "this model does not look at it")
        ahead = rows.day - model.panel.cutoff
        for row in np.flatnonzero((ahead <= 0) | (ahead > model.horizon)).tolist():
            if ahead[row] <= 0:
                detail = f"the model has seen the sales up to {self.cutoff}; this is a fit, not a forecast"
                warn(row, "training_period", "date", detail)
            else:
                detail = f"{ahead[row]} days after {self.cutoff}; the model was made for {model.horizon}"
                warn(row, "beyond_horizon", "date", detail)
        return found


def _onnx(bundle: Bundle, device: str, threads: int) -> Run:
    """The bundle's exported network on a device."""
    session = open_session(bundle.folder / bundles.NETWORK, device, threads=threads)

    def run(cats: NDArray[np.int32], conts: NDArray[np.float32]) -> NDArray[np.float32]:
        y: NDArray[np.float32] = session.run(None, {"cats": cats, "conts": conts})[0]
        return y

    return run


def _doubts(preprocessor: Preprocessor) -> tuple[list[ForecastWarning], ...]:
    """The warning of each column for each field of ``Doubts``, written once: there are many of the same."""
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


_ASSUMABLE = (*FIELDS, "weather")
_ASSUMED = [[name for bit, name in enumerate(_ASSUMABLE) if bits >> bit & 1] for bits in range(2 ** len(_ASSUMABLE))]
_WEATHER_BIT = np.uint8(1 << len(FIELDS))


def _states(item: Item) -> bool:
    """Whether an item states anything of its day."""
    none = item.open is None and item.promo is None
    return not (none and item.state_holiday is None and item.school_holiday is None)


def _stated(item: Item) -> dict[str, int]:
    """What an item states of its day, as the calendar has it."""
    stated = {
        name: int(value) for name in ("open", "promo", "school_holiday") if (value := getattr(item, name)) is not None
    }
    if item.state_holiday is not None:
        stated["state_holiday"] = STATE_HOLIDAYS.index(item.state_holiday)
    return stated


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
