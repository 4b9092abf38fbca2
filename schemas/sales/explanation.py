"""The contract of ``/explanations/sales``: a forecast, and what made it differ from an ordinary day's.

The requests are those of ``/predictions/sales`` with limits of their own; `schemas.sales.parse` reads them.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from schemas.sales.answer import About, ItemForecast, ItemProblem
from schemas.sales.parse import MAX_EXPLAINED
from schemas.sales.request import PlainRange, StoreDay

Log = Annotated[float, Field(description="in natural logarithms of sales; all of them add up")]
Multiplier = Annotated[float, Field(gt=0, description="the same as a factor: e to the power of log")]
Value = Annotated[float | int | str | None, Field(description="as the network took it; null is missing or never seen")]


class ManyToExplain(BaseModel):
    """Up to 50 items. What they state of a store's days is taken together, as that store's plan."""

    model_config = ConfigDict(extra="forbid")

    items: list[StoreDay] = Field(min_length=1, max_length=MAX_EXPLAINED)


class RangeToExplain(PlainRange):
    """One store and up to 50 days in a row. What is known holds for all days, or is a list with a value for each."""

    days: int = Field(strict=True, ge=1, le=MAX_EXPLAINED, description="how many days, the first included")


@dataclass
class Baseline:
    """The ordinary day that forecasts are explained against: a store's to come, without promotion and holidays."""

    store: Annotated[int, Field(description="a store in the middle of all")]
    date: Annotated[dt.date, Field(description="one of its days to come")]
    sales: Annotated[float, Field(gt=0, description="forecast of that day, as /predictions/sales answers it")]


@dataclass
class GroupContribution:
    """What the inputs of a group contributed together."""

    group: Annotated[str, Field(description="what the inputs tell of, as promotion or weather")]
    log: Log
    multiplier: Multiplier


@dataclass
class Contribution:
    """What an input of the network contributed: one of the model's columns."""

    input: Annotated[str, Field(description="the model's column")]
    group: Annotated[str, Field(description="the group that it is in")]
    value: Value
    baseline: Annotated[Value, Field(description="the value on the ordinary day")]
    log: Log
    multiplier: Multiplier


@dataclass
class ItemExplanation(ItemForecast):
    """One item's forecast, explained. A closed store's is 0 whatever the inputs are, and nothing contributes to it."""

    baseline: Baseline
    groups: Annotated[
        list[GroupContribution],
        Field(description="largest first; their logs add up to the log of sales less that of the baseline's sales"),
    ]
    contributions: Annotated[
        list[Contribution],
        Field(description="of every input, largest first; the logs of a group's inputs add up to the group's"),
    ]
    unexplained: Annotated[str | None, Field(description="why there are no contributions; null if there are")]


@dataclass
class Explanation(About, ItemExplanation):
    """The answer to one store and day."""


@dataclass
class _Items:
    items: list[ItemExplanation | ItemProblem]


@dataclass
class Explanations(_Items, About):
    """The answer to items or a range: in the order asked, an explanation or a problem each."""
