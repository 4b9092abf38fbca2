"""Answers to ``/predictions/sales``.

They are dataclasses, which pydantic writes without validating: a busy worker makes thousands each second, and all of
their values come from our own code.
"""

import datetime as dt
from dataclasses import dataclass, field
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from schemas.problems import Problem
from schemas.sales.options import Objective
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
        Literal[
            "filled", "unseen", "out_of_range", "unused", "no_history", "beyond_horizon", "training_period", "new_store"
        ],
        Field(description="Kind of warning."),
    ]
    field: Annotated[
        str, Field(description="Name of the model's column or of the request's field that the warning is about.")
    ]
    detail: Annotated[str, Field(description="The warning in words.")]


@dataclass
class Interval:
    """Interval of sales."""

    level: Annotated[
        int | float, Field(description="Level in percent: share of such intervals that contain the sales.")
    ]
    low: Annotated[float, Field(ge=0, description="Lower end.")]
    high: Annotated[float, Field(ge=0, description="Upper end, at least the lower one.")]


@dataclass
class Quantile:
    """Quantile of sales."""

    quantile: Annotated[float, Field(description="Probability that the sales are at most this quantile.")]
    sales: Annotated[float, Field(ge=0, description="The quantile.")]


def _is_none(value: object) -> bool:
    return value is None


# Both fields are absent from an answer unless the request asks for them.
Intervals = Annotated[
    list[Interval] | None,
    Field(exclude_if=_is_none, description="Interval of each of the request's `levels`, in their order."),
]
Quantiles = Annotated[
    list[Quantile] | None,
    Field(exclude_if=_is_none, description="Each of the request's `quantiles`, in their order."),
]
Warnings = Annotated[list[ForecastWarning], Field(description="Reasons to be careful with the forecast.")]


@dataclass
class ItemForecast:
    """Forecast of one item in a list."""

    store: StoreOfAnswer
    date: ForecastDate
    sales: Annotated[float, Field(ge=0, description="Forecast of the day, in the currency of the training tables.")]
    intervals: Intervals = field(default=None, kw_only=True)
    quantiles: Quantiles = field(default=None, kw_only=True)
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
    intervals: Intervals = field(default=None, kw_only=True)
    quantiles: Quantiles = field(default=None, kw_only=True)
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
    objective: Annotated[Objective, Field(description="Measure that the forecasts `sales` are best for.")]
    receipt: Annotated[
        str | None,
        Field(
            exclude_if=_is_none,
            description="Signed record of the answer, which takes the true sales to `/feedback/NAME`. The items count "
            "from 0. Only if the request asks for it.",
        ),
    ] = field(default=None, kw_only=True)

    def to_json(self) -> bytes:
        """Return the response's body."""
        answer_type: Any = type(self)
        return json_adapter(answer_type).dump_json(self)


@cache
def json_adapter(answer_type: Any) -> TypeAdapter[Any]:
    """Return the adapter that writes and reads a type of answer as JSON."""
    return TypeAdapter(answer_type)


@dataclass
class Total:
    """Total of the days of a range."""

    days: Annotated[int, Field(ge=1, description="Number of days that were forecast; closed days count.")]
    sales: Annotated[float, Field(ge=0, description="Sum of the days' forecasts under the total's own `objective`.")]
    objective: Annotated[
        Objective,
        Field(
            description="Objective of the total, whatever that of the days is: `mean`, because means add up; `median` "
            "if the model has no calibration."
        ),
    ]
    intervals: Intervals = field(default=None, kw_only=True)
    quantiles: Quantiles = field(default=None, kw_only=True)


@dataclass
class WhatIfTotal:
    """Total of the days of a range with the what-if applied."""

    sales: Annotated[float, Field(ge=0, description="Total with the what-if applied.")]
    difference: Annotated[float, Field(description="This total minus the total without the what-if.")]
    ratio: Annotated[
        float | None, Field(ge=0, description="This total divided by the total without the what-if; null if that is 0.")
    ]
    intervals: Intervals = field(default=None, kw_only=True)
    quantiles: Quantiles = field(default=None, kw_only=True)


@dataclass
class ComparedTotal(Total):
    """Total of the days of a range, without and with the what-if."""

    what_if: Annotated[WhatIfTotal, Field(description="Total with the what-if applied.")]


@dataclass
class Forecast(ModelInfo, ItemForecast):
    """Answer to a request for one store and day."""


@dataclass
class _Items:
    items: Annotated[
        list[ItemForecast | ItemProblem], Field(description="A forecast or a problem for each item, in request order.")
    ]
    total: Annotated[
        Total | None, Field(exclude_if=_is_none, description="Total of the days; only in the answer to a range.")
    ] = field(default=None, kw_only=True)


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
    total: Annotated[
        ComparedTotal | None,
        Field(exclude_if=_is_none, description="Total of the days; only in the answer to a range."),
    ] = field(default=None, kw_only=True)


@dataclass
class Comparisons(_ComparedItems, ModelInfo):
    """Answer to a request for a list of items or a range of days, with a ``what_if``."""
