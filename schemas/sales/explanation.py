"""The contract of ``/explanations/sales``: a forecast, and the contributions that explain it.

Its requests are those of ``/predictions/sales`` with lower limits; `schemas.sales.parse` reads them.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Annotated

from pydantic import ConfigDict, Field

from schemas.sales.answer import ItemForecast, ItemProblem, ModelInfo
from schemas.sales.options import AnswerOptions
from schemas.sales.parse import MAX_EXPLAINED
from schemas.sales.request import PlainRange, StoreDay, StoreId

Log = Annotated[float, Field(description="Contribution to the natural logarithm of sales. Logarithms add up.")]
Multiplier = Annotated[float, Field(gt=0, description="The contribution as a factor: e to the power of `log`.")]
Value = Annotated[
    float | int | str | None,
    Field(description="Value that the network received; null if it is missing or was never seen in training."),
]


class ExplanationDay(AnswerOptions, StoreDay):
    """One store and day."""


class ExplanationItemList(AnswerOptions):
    """Up to 50 items. Facts about one store form one plan: a fact of one day can change other days' forecasts."""

    model_config = ConfigDict(extra="forbid")

    items: list[StoreDay] = Field(
        min_length=1, max_length=MAX_EXPLAINED, description="Stores and days whose forecasts are explained."
    )


class ExplanationRange(PlainRange):
    """One store and up to 50 consecutive days. A fact holds for all days, or is a list with one value a day."""

    days: int = Field(strict=True, ge=1, le=MAX_EXPLAINED, description="Number of days, including the first.")


@dataclass
class Baseline:
    """The ordinary day that every forecast is compared with: a future day without promotion or holiday."""

    store: Annotated[StoreId, Field(description="The store with median sales.")]
    date: Annotated[dt.date, Field(description="An ordinary future day of that store.")]
    sales: Annotated[float, Field(gt=0, description="Forecast of that day, as /predictions/sales returns it.")]


@dataclass
class GroupContribution:
    """Contribution of a group of inputs to the forecast."""

    group: Annotated[str, Field(description="Subject of the inputs, such as promotion or weather.")]
    log: Log
    multiplier: Multiplier


@dataclass
class Contribution:
    """Contribution of one input of the network to the forecast."""

    input: Annotated[str, Field(description="Name of the model's input column.")]
    group: Annotated[str, Field(description="The group that the input belongs to.")]
    value: Value
    baseline: Annotated[Value, Field(description="Value of the input on the ordinary day.")]
    log: Log
    multiplier: Multiplier


@dataclass
class ItemExplanation(ItemForecast):
    """Forecast of one item in a list, with its explanation. A closed store's forecast is 0 and has no contributions."""

    baseline: Annotated[Baseline, Field(description="The ordinary day that the forecast is compared with.")]
    groups: Annotated[
        list[GroupContribution],
        Field(
            description="Contributions of the groups, largest first. Their logarithms add up to the logarithm of "
            "`sales` minus the logarithm of the ordinary day's sales."
        ),
    ]
    contributions: Annotated[
        list[Contribution],
        Field(
            description="Contributions of all inputs, largest first. The logarithms of a group's inputs add up to "
            "the group's logarithm."
        ),
    ]
    unexplained: Annotated[
        str | None, Field(description="Reason why the forecast has no contributions; null if it has.")
    ]


@dataclass
class Explanation(ModelInfo, ItemExplanation):
    """Answer to a request for one store and day."""


@dataclass
class _Items:
    items: Annotated[
        list[ItemExplanation | ItemProblem],
        Field(description="An explanation or a problem for each item, in request order."),
    ]


@dataclass
class Explanations(_Items, ModelInfo):
    """Answer to a request for a list of items or a range of days."""
