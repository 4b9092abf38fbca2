"""Answers to ``/predictions/sales``.

They are dataclasses, which pydantic writes without validating: a busy worker makes thousands each second, and all of
their values come from our own code.
"""

import datetime as dt
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from schemas.problems import Problem
from schemas.sales.request import StoreId

StoreOfAnswer = Annotated[StoreId, Field(description="Id of the store.")]
ForecastDate = Annotated[dt.date, Field(description="Date of the forecast.")]
Assumed = Annotated[
    tuple[str, ...],
    Field(
        description="Facts that neither the request nor the tables state, so that they were assumed: of the day "
        "itself, or of a later day that the forecast looks at."
    ),
]


@dataclass
class ForecastWarning:
    """A reason to be careful with a forecast."""

    code: Annotated[
        Literal["filled", "unseen", "out_of_range", "unused", "no_history", "beyond_horizon", "training_period"],
        Field(description="Kind of warning."),
    ]
    field: Annotated[
        str, Field(description="Name of the model's column or of the request's field that the warning is about.")
    ]
    detail: Annotated[str, Field(description="The warning in words.")]


Warnings = Annotated[list[ForecastWarning], Field(description="Reasons to be careful with the forecast.")]


@dataclass
class ItemForecast:
    """Forecast of one item in a list."""

    store: StoreOfAnswer
    date: ForecastDate
    sales: Annotated[float, Field(ge=0, description="Forecast of the day, in the currency of the training tables.")]
    assumed: Assumed
    warnings: Warnings


@dataclass
class ItemProblem:
    """Problem of one rejected item in a list. The other items have their forecasts."""

    store: Annotated[Any, Field(description="The store as it was sent.")]
    date: Annotated[Any, Field(description="The date as it was sent.")]
    problem: Annotated[Problem, Field(description="The reason why the item was rejected.")]


@dataclass
class WhatIfResult:
    """Forecast with every ``what_if`` of the request applied."""

    sales: Annotated[float, Field(ge=0, description="Forecast with the what-if applied.")]
    difference: Annotated[float, Field(description="This forecast minus the forecast without the what-if.")]
    ratio: Annotated[
        float | None,
        Field(ge=0, description="This forecast divided by the forecast without the what-if; null if that is 0."),
    ]
    assumed: Assumed
    warnings: Warnings


@dataclass
class ItemComparison(ItemForecast):
    """Forecast of one item in a list, without and with every ``what_if`` of the request (also those of other items)."""

    what_if: Annotated[WhatIfResult, Field(description="Forecast with every what-if of the request applied.")]


@dataclass
class ModelInfo:
    """Name and version of the model, in every answer."""

    model: Annotated[str, Field(description="Name of the model.")]
    version: Annotated[str, Field(description="Version of the model.")]
    cutoff: Annotated[dt.date, Field(description="Last day whose sales the model knows.")]

    def to_json(self) -> bytes:
        """Return the response's body."""
        answer_type: Any = type(self)
        return json_adapter(answer_type).dump_json(self)


@cache
def json_adapter(answer_type: Any) -> TypeAdapter[Any]:
    """Return the adapter that writes and reads a type of answer as JSON."""
    return TypeAdapter(answer_type)


@dataclass
class Forecast(ModelInfo, ItemForecast):
    """Answer to a request for one store and day."""


@dataclass
class _Items:
    items: Annotated[
        list[ItemForecast | ItemProblem], Field(description="A forecast or a problem for each item, in request order.")
    ]


@dataclass
class Forecasts(_Items, ModelInfo):
    """Answer to a request for a list of items or a range of days."""


@dataclass
class Comparison(ModelInfo, ItemComparison):
    """Answer to a request for one store and day with a ``what_if``."""


@dataclass
class _ComparedItems:
    items: Annotated[
        list[ItemComparison | ItemProblem],
        Field(description="A comparison or a problem for each item, in request order."),
    ]


@dataclass
class Comparisons(_ComparedItems, ModelInfo):
    """Answer to a request for a list of items or a range of days, with a ``what_if``."""
