"""Rows in, forecasts out: what the handler, the commands and the evaluation all call."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runtime.bundle import NETWORK, BundleError
from runtime.clock import Clock
from runtime.session import open_session
from sales import bundle as bundles
from sales.bundle import Bundle
from sales.explain import Explainer, ordinary_days
from sales.features import Features
from sales.inputs import ASSUMED, InputBuilder, Inputs, Rows
from sales.panel import Panel
from sales.preprocess import Preprocessor, Run
from schemas.problems import FieldError, Problem
from schemas.sales.answer import (
    Comparison,
    Comparisons,
    Forecast,
    Forecasts,
    ItemComparison,
    ItemForecast,
    ItemProblem,
    WhatIfResult,
)
from schemas.sales.explanation import Baseline, Explanation, Explanations, ItemExplanation
from schemas.sales.parse import ForecastRequest, RejectedItem, combine_problems
from schemas.sales.request import Item

Reply = Forecast | Forecasts | Comparison | Comparisons | Explanation | Explanations
Answer = Reply | Problem

GOLDEN_TOLERANCE = 1e-4  # relative; onnxruntime and torch agree to about 1e-6


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
        self.name, self.version, self.clock = model.name, model.version, Clock()
        calendar = model.panel.calendar
        self._stores = {int(store): index for index, store in enumerate(calendar.stores)}
        self.cutoff = calendar.date(model.panel.cutoff)
        self._about: Any = {"model": model.name, "version": model.version, "cutoff": self.cutoff}
        self._inputs = InputBuilder(model.panel, model.features, model.preprocessor, model.horizon)

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
        answers = self.predict([ForecastRequest((item,), single=True) for item in items])
        for row, answer in zip(bundle.golden, answers, strict=True):
            sales = getattr(answer, "sales", None)
            if sales is None or not np.isclose(sales, row["sales"], rtol=GOLDEN_TOLERANCE, atol=0):
                raise BundleError(
                    f"{bundle.folder}: training forecast {row['sales']} for store {row['store']} on {row['date']}, "
                    f"and this machine {sales if sales is not None else answer}; do not serve it, export it again"
                )

    def predict(self, requests: Sequence[ForecastRequest]) -> list[Answer]:
        """Answer requests, all their rows in one run of the network.

        What one request states of a store's days is that store's plan for all items of the request: a promotion next
        Monday changes the forecast of this Saturday. Requests do not touch each other.

        Args:
            requests: requests that were read.

        Returns:
            An answer for each, in order: a forecast, comparison or explanation, a list of these and of problems, or a
            problem if no item of the request can be forecast.
        """
        changed = [request.what_if for request in requests if request.what_if is not None]
        asked = [*requests, *changed]
        rows, problems = self._rows(asked)
        days = iter(self._forecast(rows, [number for number, request in enumerate(asked) if request.explain]))
        results = [
            [problems.get((number, place)) or next(days) for place in range(len(request.items))]
            for number, request in enumerate(asked)
        ]
        what_if = iter(results[len(requests) :])
        return [self._reply(request, found, what_if) for request, found in zip(requests, results, strict=False)]

    def _reply(
        self, request: ForecastRequest, results: list[Any], what_if: Iterator[list[ItemForecast | ItemProblem]]
    ) -> Answer:
        """One request's answer from its items' results; the next of ``what_if`` are those of its changed items."""
        single: Any = Explanation if request.explain else Forecast
        many: Any = Explanations if request.explain else Forecasts
        if request.what_if is not None:
            single, many = Comparison, Comparisons
            results = [_compared(was, would) for was, would in zip(results, next(what_if), strict=True)]
        problems = [result.problem for result in results if isinstance(result, ItemProblem)]
        if len(problems) == len(results):
            return combine_problems(problems)
        answer: Answer = (
            single(**vars(results[0]), **self._about) if request.single else many(items=results, **self._about)
        )
        return answer

    def _rows(self, requests: Sequence[ForecastRequest]) -> tuple[Rows, dict[tuple[int, int], ItemProblem]]:
        """The items that can be forecast, and the problems of the others by (request, place)."""
        items: list[Item] = []
        of: list[int] = []
        stores: list[int] = []
        days: list[int] = []
        problems: dict[tuple[int, int], ItemProblem] = {}
        calendar = self.model.panel.calendar
        for number, request in enumerate(requests):
            for place, item in enumerate(request.items):
                if isinstance(item, RejectedItem):
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
        return Rows(items, of, np.array(stores, dtype=np.int64), np.array(days, dtype=np.int64)), problems

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

    def _forecast(self, rows: Rows, explain: Collection[int] = ()) -> list[ItemForecast]:
        """The forecasts of the rows, in order; explained those of some requests, by their numbers."""
        if not rows.items:
            return []
        inputs = self._inputs(rows)
        self.clock.lap("features")
        forecasts = self._run_network(rows, inputs)
        if explain:
            for row, number in enumerate(rows.request):
                if number in explain:
                    forecasts[row] = self._explained(forecasts[row], inputs.take(np.array([row])))
            self.clock.lap("explain")
        return forecasts

    def _run_network(self, rows: Rows, inputs: Inputs) -> list[ItemForecast]:
        """What the network says of the rows."""
        y = self.model.run(*inputs.prepared)
        self.clock.lap("inference")
        sales = np.exp(y.astype(np.float64)) * inputs.open
        return [
            # as many digits of sales as float32 has
            ItemForecast(item.store, item.date, float(f"{sold:.7g}"), ASSUMED[bits], inputs.warnings.get(row, []))
            for row, (item, sold, bits) in enumerate(
                zip(rows.items, sales.tolist(), inputs.assumed.tolist(), strict=True)
            )
        ]

    def _explained(self, forecast: ItemForecast, inputs: Inputs) -> ItemExplanation:
        """A forecast explained, with the one row that it was made of."""
        baseline = self._explainer.baseline
        if not forecast.sales:
            why = "the store is closed that day and sells 0, whatever the inputs are; explain it with open true instead"
            return ItemExplanation(**vars(forecast), baseline=baseline, groups=[], contributions=[], unexplained=why)
        groups, contributions = self._explainer(inputs.prepared, forecast.sales)
        return ItemExplanation(
            **vars(forecast), baseline=baseline, groups=groups, contributions=contributions, unexplained=None
        )

    @cached_property
    def _explainer(self) -> Explainer:
        """Made when it is needed: who asks for no explanation does not wait for it."""
        model = self.model
        calendar = model.panel.calendar
        store, days = ordinary_days(model.panel, model.horizon)
        items = [
            Item.model_construct(store=int(calendar.stores[store]), date=calendar.date(day)) for day in days.tolist()
        ]
        rows = Rows(items, [0] * len(items), np.full(len(items), store), days)
        inputs = self._inputs(rows)
        forecasts = self._run_network(rows, inputs)
        middle = sorted(range(len(items)), key=lambda row: forecasts[row].sales)[(len(items) - 1) // 2]
        ordinary = forecasts[middle]
        baseline = Baseline(ordinary.store, ordinary.date, ordinary.sales)
        prepared = inputs.take(np.array([middle])).prepared
        return Explainer(model.run, model.preprocessor, model.panel.levels, baseline, prepared)


def _compared(was: ItemForecast | ItemProblem, would: ItemForecast | ItemProblem) -> ItemComparison | ItemProblem:
    """A forecast as asked and as it would be."""
    if isinstance(was, ItemProblem):
        return was
    assert isinstance(would, ItemForecast)  # it has the same store and date
    difference = float(f"{would.sales - was.sales:.7g}")
    ratio = float(f"{would.sales / was.sales:.7g}") if was.sales else None
    change = WhatIfResult(would.sales, difference, ratio, would.assumed, would.warnings)
    return ItemComparison(**vars(was), what_if=change)


def _onnx(bundle: Bundle, device: str, threads: int) -> Run:
    """The bundle's exported network on a device."""
    session = open_session(bundle.folder / NETWORK, device, threads=threads)

    def run(cats: NDArray[np.int32], conts: NDArray[np.float32]) -> NDArray[np.float32]:
        y: NDArray[np.float32] = session.run(None, {"cats": cats, "conts": conts})[0]
        return y

    return run
