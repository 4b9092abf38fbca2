"""Compose the answer to a request from the results of its items."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import TypedDict, get_args

from sales.answers.uncertainty import Uncertainty, compared_total, rounded
from sales.arrays import Float64
from sales.inputs import ASSUMED, Inputs
from schemas.problems import Problem
from schemas.sales.answer import (
    Comparison,
    Comparisons,
    Forecast,
    Forecasts,
    ForecastWarning,
    Interval,
    ItemComparison,
    ItemForecast,
    ItemProblem,
    Quantile,
    Total,
    WhatIfResult,
)
from schemas.sales.explanation import Explanation, Explanations, ItemExplanation
from schemas.sales.options import Objective
from schemas.sales.parse import ForecastRequest, combine_problems
from schemas.sales.request import Item, StoreId

Reply = Forecast | Forecasts | Comparison | Comparisons | Explanation | Explanations
Answer = Reply | Problem
ItemResult = ItemForecast | ItemProblem


class _ModelFields(TypedDict):
    """Keyword arguments for the fields of `ModelInfo`."""

    model: str
    version: str
    cutoff: dt.date
    objective: Objective


class ForecastFields(TypedDict):
    """Keyword arguments for the fields of `ItemForecast`."""

    store: StoreId
    date: dt.date
    sales: float
    assumed: tuple[str, ...]
    warnings: list[ForecastWarning]
    intervals: list[Interval] | None
    quantiles: list[Quantile] | None


class Composer:
    """Composer of one model's answers."""

    def __init__(
        self,
        name: str,
        version: str,
        cutoff: dt.date,
        stores: Mapping[StoreId, int],
        uncertainty: Uncertainty,
    ) -> None:
        """Initialize the composer.

        Args:
            name: name of the model.
            version: version of the model.
            cutoff: last day whose sales the model knows.
            stores: index of each store by its id.
            uncertainty: objectives, intervals and totals of the model.
        """
        self._cutoff, self._stores, self._uncertainty = cutoff, stores, uncertainty
        self._fields_by_objective: dict[Objective, _ModelFields] = {
            objective: {"model": name, "version": version, "cutoff": cutoff, "objective": objective}
            for objective in get_args(Objective)
        }

    def __call__(self, request: ForecastRequest, items: list[ItemResult], changed: list[ItemResult] | None) -> Answer:
        """Return the answer to one request.

        Args:
            request: the request.
            items: result of each item.
            changed: result of each item with the request's what-if; None for a request without one.
        """
        problems = [item.problem for item in items if isinstance(item, ItemProblem)]
        if len(problems) == len(items):
            return combine_problems(problems)
        if changed is not None:
            return self._comparison(request, items, changed)
        if request.explain:
            return self._explanation(request, [i for i in items if isinstance(i, ItemExplanation | ItemProblem)])
        if request.single and isinstance(item := items[0], ItemForecast):
            return Forecast(**forecast_fields(item), **self._fields(request))
        return Forecasts(items=items, total=self._total(request, items), **self._fields(request))

    def _comparison(self, request: ForecastRequest, items: list[ItemResult], changed: list[ItemResult]) -> Answer:
        compared = [_compare(*pair) for pair in zip(items, changed, strict=True)]
        if request.single and isinstance(item := compared[0], ItemComparison):
            return Comparison(**forecast_fields(item), what_if=item.what_if, **self._fields(request))
        total, changed_total = self._total(request, items), self._total(request, changed)
        both = compared_total(total, changed_total) if total is not None and changed_total is not None else None
        return Comparisons(items=compared, total=both, **self._fields(request))

    def _fields(self, request: ForecastRequest) -> _ModelFields:
        """Return the fields of the answer to a request that name the model and the objective."""
        return self._fields_by_objective[self._uncertainty.objective(request.options)]

    def _total(self, request: ForecastRequest, items: list[ItemResult]) -> Total | None:
        """Return the total of a range; None for other requests."""
        if not request.is_range:
            return None
        forecasts = [item for item in items if isinstance(item, ItemForecast)]
        last = forecasts[-1]
        ahead = (last.date - self._cutoff).days - 1
        return self._uncertainty.total(forecasts, request.options, store=self._stores[last.store], last_ahead=ahead)

    def _explanation(self, request: ForecastRequest, items: list[ItemExplanation | ItemProblem]) -> Answer:
        if request.single and isinstance(item := items[0], ItemExplanation):
            return Explanation(
                **forecast_fields(item),
                baseline=item.baseline,
                groups=item.groups,
                contributions=item.contributions,
                unexplained=item.unexplained,
                **self._fields(request),
            )
        return Explanations(items=items, **self._fields(request))


def forecast_fields(forecast: ItemForecast) -> ForecastFields:
    """Return the fields of a forecast, for an answer that has more of them."""
    return {
        "store": forecast.store,
        "date": forecast.date,
        "sales": forecast.sales,
        "assumed": forecast.assumed,
        "warnings": forecast.warnings,
        "intervals": forecast.intervals,
        "quantiles": forecast.quantiles,
    }


def item_forecasts(items: Sequence[Item], inputs: Inputs, sales: Float64) -> list[ItemForecast]:
    """Return the forecasts of items, given their sales ``[row]``."""
    return [
        ItemForecast(item.store, item.date, rounded(amount), ASSUMED[bits], inputs.warnings.get(row, []))
        for row, (item, amount, bits) in enumerate(zip(items, sales.tolist(), inputs.assumed.tolist(), strict=True))
    ]


def _compare(as_asked: ItemResult, changed: ItemResult) -> ItemComparison | ItemProblem:
    """Return an item's forecast without and with the what-if."""
    if isinstance(as_asked, ItemProblem):
        return as_asked
    assert isinstance(changed, ItemForecast)  # it has the same store and date
    what_if = WhatIfResult(
        changed.sales,
        rounded(changed.sales - as_asked.sales),
        rounded(changed.sales / as_asked.sales) if as_asked.sales else None,
        changed.assumed,
        changed.warnings,
        intervals=changed.intervals,
        quantiles=changed.quantiles,
    )
    return ItemComparison(**forecast_fields(as_asked), what_if=what_if)
