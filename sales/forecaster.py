"""The sales predictor: requests in, forecasts out.

TorchServe's handler, the commands and the evaluation all call the same `Forecaster`.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np

from runtime.bundle import BundleError
from runtime.clock import Clock
from runtime.errors import SessionError
from sales import bundle as bundles
from sales.answers.columns import ForecastColumns, forecast_columns
from sales.answers.compose import Answer, Composer, ItemResult, Reply, forecast_fields, item_forecasts
from sales.answers.uncertainty import Uncertainty, rounded
from sales.arrays import Float64
from sales.bundle import Bundle
from sales.columns.column import FeatureSet
from sales.explain import Explainer, ordinary_days
from sales.features import Features, UnknownColumnError
from sales.inputs import InputBuilder, Inputs, Rows
from sales.network import networks
from sales.panel import Panel
from sales.preprocess import Preprocessor, Run
from sales.problems import reason_to_reject, texts_for_numbers
from sales.statements.facts import facts_of
from sales.uncertainty.calibration import Calibration
from schemas.problems import Problem
from schemas.sales.answer import ItemForecast, ItemProblem
from schemas.sales.explanation import Baseline, ItemExplanation
from schemas.sales.options import NO_OPTIONS, AnswerOptions, Objective
from schemas.sales.parse import ForecastRequest, RejectedItem
from schemas.sales.request import Item, StoreId

logger = logging.getLogger(__name__)

__all__ = ["Answer", "Forecaster", "Model", "Reply"]

GOLDEN_TOLERANCE = 1e-4  # relative; why: onnxruntime and torch agree to about 1e-6


@dataclass(frozen=True)
class Model:
    """Parts of a sales model, from a bundle or from a training that has not saved one yet.

    Attributes:
        name: name of the model.
        version: version of the model.
        panel: facts of all stores and days.
        features: columns of the panel.
        preprocessor: fitted preprocessing of the columns.
        run: the network, and the boosted trees if it has some.
        horizon: number of days after the panel's cutoff for which the model was made.
        beyond_horizon: answer to a later date: a forecast with a warning, or a problem.
        calibration: calibration of intervals and objectives; None if the model forecasts medians alone.
        objective: objective of requests that name none.
    """

    name: str
    version: str
    panel: Panel
    features: Features
    preprocessor: Preprocessor
    run: Run
    horizon: int
    beyond_horizon: Literal["warn", "refuse"] = "warn"
    calibration: Calibration | None = None
    objective: Objective = "median"


class Forecaster:
    """Predictor of one sales model.

    Attributes:
        stores: index of each store by its id.
        uncertainty: objectives, intervals and quantiles of its forecasts.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self.name, self.version, self.clock = model.name, model.version, Clock()
        calendar = model.panel.calendar
        self.stores = {store: index for index, store in enumerate(model.panel.store_ids)}
        self.cutoff = calendar.date(model.panel.cutoff)
        self.last_day = calendar.days - 1 if model.beyond_horizon == "warn" else model.panel.cutoff + model.horizon
        self.uncertainty = Uncertainty(model.calibration, model.objective)
        self._compose = Composer(model.name, model.version, self.cutoff, self.stores, self.uncertainty)
        self._build_inputs = InputBuilder(model.panel, model.features, model.preprocessor, model.horizon)

    @classmethod
    def load(cls, folder: Path, *, device: str = "cpu", threads: int = 1) -> Forecaster:
        """Load a bundle, and verify its hashes and its golden rows on this machine and device.

        Args:
            folder: the bundle.
            device: ``cpu`` or ``cuda:N``.
            threads: number of threads within one operator on the CPU.

        Raises:
            BundleError: if the bundle is damaged, or this machine computes other forecasts for its golden rows.
            SessionError: if the network can't run on the device.
        """
        bundle = bundles.load(folder)
        *attempts, last = networks(bundle, device, threads)
        for make_network in attempts:
            try:
                forecaster = cls.of(bundle, make_network())
                forecaster.verify(bundle)
            except (BundleError, SessionError) as error:
                logger.warning("%s; the network is tried in a slower way", error)
            else:
                return forecaster
        forecaster = cls.of(bundle, last())
        forecaster.verify(bundle)
        return forecaster

    @classmethod
    def of(cls, bundle: Bundle, run: Run) -> Forecaster:
        """Return the forecaster of a loaded bundle. The caller provides the network.

        Raises:
            BundleError: if the bundle has a column that this version cannot compute.
        """
        manifest, columns = bundle.manifest, bundle.manifest.preprocess
        try:
            feature_set = FeatureSet(tuple(columns.cat_names), tuple(columns.cont_names))
            features = Features(bundle.panel, manifest.mode, feature_set, horizon=manifest.horizon)
        except UnknownColumnError as error:
            raise BundleError(f"{bundle.folder}: {error}, in this version of shopcat; export it again") from error
        return cls(
            Model(
                name=manifest.name,
                version=manifest.version,
                panel=bundle.panel,
                features=features,
                preprocessor=bundle.preprocessor,
                run=run,
                horizon=manifest.horizon,
                beyond_horizon=manifest.beyond_horizon,
                calibration=bundle.calibration,
                objective=manifest.objective,
            )
        )

    def store_id(self, text: str) -> StoreId:
        """Return the id of a store that a user typed: a number if the model's stores are numbers and it is one."""
        numbers = isinstance(self.model.panel.store_ids[0], int)
        return int(text) if numbers and text.isascii() and text.isdigit() else text

    def verify(self, bundle: Bundle) -> None:
        """Forecast the bundle's golden rows and compare with the forecasts of training.

        Raises:
            BundleError: if a forecast differs.
        """
        items = [Item.model_validate({k: v for k, v in row.items() if k != "sales"}) for row in bundle.golden]
        # One request per row, because the statements of one request would be combined into one plan.
        options = AnswerOptions(objective="median")
        answers = self.predict([ForecastRequest((item,), single=True, options=options) for item in items])
        for row, answer in zip(bundle.golden, answers, strict=True):
            sales = getattr(answer, "sales", None)
            if sales is None or not np.isclose(sales, row["sales"], rtol=GOLDEN_TOLERANCE, atol=0):
                raise BundleError(
                    f"{bundle.folder}: training forecast {row['sales']} for store {row['store']} on {row['date']}, "
                    f"and this machine {sales if sales is not None else answer}; do not serve it, export it again"
                )

    def predict(self, requests: Sequence[ForecastRequest]) -> list[Answer]:
        """Answer requests with one run of the network.

        The statements of one request about a store make one plan, which holds for all items of the request: a
        promotion next Monday changes the forecast of this Saturday. Requests do not affect each other.

        Args:
            requests: parsed requests.

        Returns:
            An answer for each request, in order. It is a forecast, comparison or explanation, or a list of these and
            of problems. If no item of the request can be forecast, it is a problem.
        """
        if self.model.calibration is None:
            rejected = [self.uncertainty.problem(request.options) for request in requests]
            accepted = [request for request, problem in zip(requests, rejected, strict=True) if problem is None]
            answers = iter(self._predict(accepted))
            return [problem or next(answers) for problem in rejected]
        return self._predict(requests)

    def _predict(self, requests: Sequence[ForecastRequest]) -> list[Answer]:
        """Answer requests whose options the model can meet; see `predict`."""
        changed = [request.what_if for request in requests if request.what_if is not None]
        results = self.results([*requests, *changed])
        what_ifs = iter(results[len(requests) :])
        return [
            self._compose(request, items, next(what_ifs) if request.what_if is not None else None)
            for request, items in zip(requests, results, strict=False)
        ]

    def results(self, requests: Sequence[ForecastRequest]) -> list[list[ItemResult]]:
        """Return the forecast or the problem of each item of each request, in order, with one run of the network.

        Args:
            requests: parsed requests, whose options the model can meet. The what-ifs of their items are not applied.
        """
        items, rows, problems = self._rows(requests)
        forecasts = iter(self._forecast(items, rows, requests))
        return [
            [problems.get((request_index, place)) or next(forecasts) for place in range(len(request.items))]
            for request_index, request in enumerate(requests)
        ]

    def _rows(self, requests: Sequence[ForecastRequest]) -> tuple[list[Item], Rows, dict[tuple[int, int], ItemProblem]]:
        """Return the items that can be forecast, their rows, and the problems of the others by request and place."""
        items: list[Item] = []
        request_of_item: list[int] = []
        stores: list[int] = []
        days: list[int] = []
        problems: dict[tuple[int, int], ItemProblem] = {}
        calendar, last = self.model.panel.calendar, self.last_day
        for request_index, request in enumerate(requests):
            for place, item in enumerate(request.items):
                if isinstance(item, RejectedItem):
                    problems[request_index, place] = ItemProblem(item.store, item.date, item.problem)
                    continue
                store, day = self.stores.get(item.store), calendar.day(item.date)
                if store is None or not 0 <= day <= last:
                    path = request.path(place, "date" if store is not None else "store")
                    reason = reason_to_reject(self.model.panel, item, path, last)
                    problems[request_index, place] = ItemProblem(item.store, item.date, reason)
                    continue
                if item.columns and (names := self.model.features.own.texts_for_numbers(item.columns)):
                    reason = texts_for_numbers(item, names, request.path(place, "columns"))
                    problems[request_index, place] = ItemProblem(item.store, item.date, reason)
                    continue
                items.append(item)
                request_of_item.append(request_index)
                stores.append(store)
                days.append(day)
        facts = facts_of(items, self.model.features)
        rows = Rows(np.array(request_of_item, np.int64), np.array(stores, np.int64), np.array(days, np.int64), facts)
        return items, rows, problems

    def _forecast(self, items: Sequence[Item], rows: Rows, requests: Sequence[ForecastRequest]) -> list[ItemForecast]:
        """Return the forecast of each item, in order, with what its request asks for."""
        if not items:
            return []
        inputs = self._build_inputs(rows)
        self.clock.lap("features")
        median = self._median(inputs)
        if not any(request.explain or request.options is not NO_OPTIONS for request in requests):  # nearly always
            return item_forecasts(items, inputs, median * self.uncertainty.default_factor)
        factors = self.uncertainty.factors([request.options for request in requests], rows.request)
        forecasts = item_forecasts(items, inputs, median * factors)
        self._complete(forecasts, rows, requests, inputs, median)
        return forecasts

    def _complete(
        self,
        forecasts: list[ItemForecast],
        rows: Rows,
        requests: Sequence[ForecastRequest],
        inputs: Inputs,
        median: Float64,
    ) -> None:
        """Add intervals, quantiles and explanations to the forecasts of the requests that ask for them."""
        for request_index, request in enumerate(requests):
            if not request.explain and not request.options.uncertain:
                continue
            places = np.flatnonzero(rows.request == request_index)
            if request.options.uncertain and len(places):
                self.uncertainty.add(
                    [forecasts[row] for row in places],
                    request.options,
                    median=median[places],
                    store=rows.store[places],
                    ahead=rows.day[places] - self.model.panel.cutoff - 1,
                )
            if request.explain:
                factor = self.uncertainty.factor(request.options)
                for row in places:
                    forecasts[row] = self._explain(forecasts[row], inputs.take(np.array([row])), factor)
                self.clock.lap("explain")

    def problem(self, options: AnswerOptions) -> Problem | None:
        """Return the problem of options that the model can't meet, if there is one."""
        return self.uncertainty.problem(options)

    def columns(self, rows: Rows, options: AnswerOptions) -> ForecastColumns:
        """Return the forecasts of rows as columns. They are those that `predict` returns for the same items.

        The call may run in several threads.

        Args:
            rows: stores and days that the model forecasts, and the facts of a plan about them.
            options: objective, and probabilities of quantiles; the model can meet them.
        """
        inputs = self._build_inputs(rows)
        ahead = rows.day - self.model.panel.cutoff - 1
        return forecast_columns(inputs, self._median(inputs), rows.store, ahead, options, self.uncertainty)

    def _median(self, inputs: Inputs) -> Float64:
        """Return the median forecasts, ``[row]``, which the network gives; 0 where the store is closed."""
        median = np.zeros(len(inputs.open))
        rows = np.flatnonzero(inputs.open)
        if len(rows) == len(median):  # nearly always, in requests
            median = np.exp(self.model.run(*inputs.prepared).astype(np.float64))
        elif len(rows):
            cats, conts = inputs.prepared
            median[rows] = np.exp(self.model.run(cats[rows], conts[rows]).astype(np.float64))
        self.clock.lap("inference")
        return median

    def _explain(self, forecast: ItemForecast, inputs: Inputs, factor: float) -> ItemExplanation:
        """Explain a forecast, given the inputs of its row and the factor of the median."""
        fields, ordinary = forecast_fields(forecast), self._explainer.baseline
        baseline = Baseline(ordinary.store, ordinary.date, rounded(ordinary.sales * factor))
        if not forecast.sales:
            reason = (
                "the store is closed that day and sells 0, whatever the inputs are; explain it with open true instead"
            )
            return ItemExplanation(**fields, baseline=baseline, groups=[], contributions=[], unexplained=reason)
        groups, contributions = self._explainer(inputs.prepared, forecast.sales / factor)
        return ItemExplanation(
            **fields, baseline=baseline, groups=groups, contributions=contributions, unexplained=None
        )

    @cached_property
    def _explainer(self) -> Explainer:
        """The explainer, made at the first explanation, so that a worker without explanations starts faster."""
        model, calendar = self.model, self.model.panel.calendar
        store, days = ordinary_days(model.panel, model.horizon)
        items = [
            Item.model_construct(store=model.panel.store_ids[store], date=calendar.date(day)) for day in days.tolist()
        ]
        rows = Rows(np.zeros_like(days), np.full_like(days, store), days, facts_of(items, model.features))
        inputs = self._build_inputs(rows)
        forecasts = item_forecasts(items, inputs, self._median(inputs))
        median = sorted(range(len(items)), key=lambda row: forecasts[row].sales)[(len(items) - 1) // 2]
        ordinary = forecasts[median]
        baseline = Baseline(ordinary.store, ordinary.date, ordinary.sales)
        prepared = inputs.take(np.array([median])).prepared
        return Explainer(model.run, model.preprocessor, model.panel.levels, baseline, prepared)
