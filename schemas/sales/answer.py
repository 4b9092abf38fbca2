"""Answers to ``/predictions/sales``.

Answers are made by the thousand each second and are ours: they are dataclasses, which nobody validates.
"""

import datetime as dt
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from schemas.problems import Problem

# Answers are made by the thousand each second and are ours: they are dataclasses, which nobody validates.


@dataclass
class ForecastWarning:
    """What a client should know about a forecast before it relies on it."""

    code: Literal["filled", "unseen", "out_of_range", "unused", "beyond_horizon", "training_period"]
    field: Annotated[str, Field(description="the model's column or the request's field concerned")]
    detail: str


@dataclass
class ItemForecast:
    """One item's forecast among many."""

    store: int
    date: dt.date
    sales: Annotated[float, Field(ge=0, description="forecast of the day, in the currency of the training tables")]
    assumed: Annotated[
        tuple[str, ...], Field(description="what neither client nor tables state, so that it was assumed")
    ]
    warnings: list[ForecastWarning]


@dataclass
class ItemProblem:
    """One item's error among many; the others have their forecasts."""

    store: Annotated[Any, Field(description="the store as it was sent")]
    date: Annotated[Any, Field(description="the date as it was sent")]
    problem: Problem


@dataclass
class Change:
    """A forecast if things were otherwise, beside the forecast as asked."""

    sales: Annotated[float, Field(ge=0, description="what it would be")]
    difference: Annotated[float, Field(description="that less the forecast as asked")]
    ratio: Annotated[float | None, Field(ge=0, description="that over the forecast as asked; null if that is 0")]
    assumed: Annotated[
        tuple[str, ...], Field(description="what neither client nor tables state, so that it was assumed")
    ]
    warnings: list[ForecastWarning]


@dataclass
class ItemComparison(ItemForecast):
    """One item's forecast, and what it would be with every ``what_if`` of the request, also of other items."""

    what_if: Change


@dataclass
class About:
    """What every answer says of the model."""

    model: Annotated[str, Field(description="the model's name")]
    version: Annotated[str, Field(description="the model's version")]
    cutoff: Annotated[dt.date, Field(description="the last day whose sales the model knows")]

    def to_json(self) -> bytes:
        """The body that the client gets."""
        kind: Any = type(self)
        return writer(kind).dump_json(self)


@cache
def writer(kind: Any) -> TypeAdapter[Any]:
    """What writes and reads the JSON of a kind of answer."""
    return TypeAdapter(kind)


@dataclass
class Forecast(About, ItemForecast):
    """The answer to one store and day."""


@dataclass
class _Items:
    items: list[ItemForecast | ItemProblem]


@dataclass
class Forecasts(_Items, About):
    """The answer to items or a range: in the order asked, a forecast or a problem each."""


@dataclass
class Comparison(About, ItemComparison):
    """The answer to one store and day with a ``what_if``."""


@dataclass
class _ComparedItems:
    items: list[ItemComparison | ItemProblem]


@dataclass
class Comparisons(_ComparedItems, About):
    """The answer to items or a range with a ``what_if``: in the order asked, a comparison or a problem each."""
