"""Answers of ``/feedback``: the result of each true value, and the figures that follow from all of them.

They are dataclasses, which pydantic writes without validating: all of their values come from our own code.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from schemas.feedback.request import PetOutcome, Why
from schemas.problems import Problem
from schemas.sales.answer import ForecastDate, StoreOfAnswer

Outcome = Literal["counted", "replaced", "unchanged"]
Source = Literal["receipt", "recomputed"]
PetsEstimate = Literal["accepted", "reviewed", "all"]

Entry = Annotated[int, Field(ge=0, description="Place of the value's entry in the request, from 0.")]
FeedbackId = Annotated[str, Field(description="Id of the stored value, for `DELETE /feedback/ID`.")]
OutcomeField = Annotated[
    Outcome,
    Field(
        description="`counted`: the first value. `replaced`: it replaces an earlier value, which is kept. "
        "`unchanged`: the same value was sent before."
    ),
]
Revision = Annotated[int, Field(ge=1, description="Number of different values that were sent, with this one.")]


@dataclass
class SalesResult:
    """Result of true sales that were taken."""

    entry: Entry
    id: FeedbackId
    outcome: OutcomeField
    revision: Revision
    source: Annotated[
        Source,
        Field(description="`receipt`: a served forecast. `recomputed`: a forecast that the model made again now."),
    ]
    item: Annotated[int | None, Field(description="Number of the item in the answer; null without a receipt.")]
    store: StoreOfAnswer
    date: ForecastDate
    forecast: Annotated[float, Field(ge=0, description="The forecast.")]
    sales: Annotated[float, Field(ge=0, description="The true sales.")]


@dataclass
class PetResult:
    """Result of a truth about a photo that was taken."""

    entry: Entry
    id: FeedbackId
    outcome: OutcomeField
    revision: Revision
    breed: Annotated[str, Field(description="Breed of the answer.")]
    truth: Annotated[str, Field(description="True breed; or other_breed, not_a_pet or unknown.")]
    right: Annotated[bool | None, Field(description="True if the answer was right; null if the truth is unknown.")]


@dataclass
class RejectedEntry:
    """Problem of a true value that was not taken. The others are."""

    entry: Entry
    item: Annotated[int | None, Field(description="Number of the item in the answer; null if it has none.")]
    problem: Annotated[Problem, Field(description="The reason why the value was rejected.")]


@dataclass
class _Counts:
    counted: Annotated[int, Field(ge=0, description="Number of first values.")]
    replaced: Annotated[int, Field(ge=0, description="Number of values that replaced others.")]
    unchanged: Annotated[int, Field(ge=0, description="Number of values that were known.")]
    rejected: Annotated[int, Field(ge=0, description="Number of rejected values.")]

    def to_json(self) -> bytes:
        """Return the response's body."""
        answer_type: Any = type(self)
        return TypeAdapter(answer_type).dump_json(self)


@dataclass
class SalesFeedbackResults(_Counts):
    """Results of true sales."""

    results: Annotated[list[SalesResult | RejectedEntry], Field(description="Result of each value, in order.")]


@dataclass
class PetsFeedbackResults(_Counts):
    """Results of truths about photos."""

    results: Annotated[list[PetResult | RejectedEntry], Field(description="Result of each value, in order.")]


@dataclass
class EstimateAnswer:
    """An estimate with its 95 percent interval."""

    answers: Annotated[int, Field(ge=0, description="Number of answers that it comes from.")]
    point: Annotated[float | None, Field(description="The estimate; null without answers.")]
    low: Annotated[float | None, Field(description="Lower bound; null if there are too few answers or days.")]
    high: Annotated[float | None, Field(description="Upper bound; null if there are too few answers or days.")]


@dataclass
class SalesFigures:
    """Figures of a group of forecasts. Days without sales are in none of them."""

    source: Annotated[Source, Field(description="Source of the forecasts.")]
    group: Annotated[
        str, Field(description="Name of the grouping: `all`, `horizon`, or that of a slice, such as `store_type`.")
    ]
    value: Annotated[str, Field(description="Value of the grouping; for `horizon`, the week after the cutoff, from 1.")]
    wape: Annotated[EstimateAnswer, Field(description="Sum of the absolute errors over the sum of the sales.")]
    bias: Annotated[EstimateAnswer, Field(description="Sum of the forecasts over the sum of the sales, less one.")]
    coverage_80: Annotated[EstimateAnswer, Field(description="Share of the sales within their 80 percent interval.")]
    coverage_90: Annotated[EstimateAnswer, Field(description="Share of the sales within their 90 percent interval.")]
    pinball: Annotated[
        EstimateAnswer, Field(description="Weighted quantile loss: mean over the 5, 10, 50, 90 and 95 % quantiles.")
    ]


@dataclass
class PetsFigures:
    """Accuracy of a group of answers to photos."""

    group: Annotated[str, Field(description="Name of the grouping: `all` or `species`.")]
    value: Annotated[str, Field(description="Value of the grouping.")]
    estimate: Annotated[
        PetsEstimate,
        Field(
            description="`accepted`: photos that were accepted, from the random share of them. `reviewed`: photos "
            "below the threshold. `all`: both, each weighted by 1 over its probability of a review."
        ),
    ]
    accuracy: Annotated[EstimateAnswer, Field(description="Share of the answers that are right.")]


@dataclass
class TruthCount:
    """Number of truths about photos."""

    why: Annotated[Why, Field(description="Source of the truths.")]
    truth: Annotated[PetOutcome, Field(description="Kind of the truths.")]
    number: Annotated[int, Field(ge=1, description="Number of them.")]


@dataclass
class _Report:
    model: Annotated[str, Field(description="Name of the model.")]
    days: Annotated[int, Field(ge=1, description="Number of days back from now whose true values count.")]
    truths: Annotated[int, Field(ge=0, description="Number of true values of these days.")]
    answers: Annotated[
        int | None, Field(description="Number of answers of these days; null if the console could not count them.")
    ]
    share: Annotated[float | None, Field(description="Share of the answers whose truth is known; null if unknown.")]
    card: Annotated[dict[str, float], Field(description="Figures of the model's card, by name, to compare with.")]

    def to_json(self) -> bytes:
        """Return the response's body."""
        answer_type: Any = type(self)
        return TypeAdapter(answer_type).dump_json(self)


@dataclass
class SalesReport(_Report):
    """Figures of the forecasts of a model, from the true sales that came back."""

    kind: Annotated[Literal["sales"], Field(description="Kind of the model.")]
    figures: Annotated[list[SalesFigures], Field(description="Figures by source and group.")]


@dataclass
class PetsReport(_Report):
    """Accuracy of the breeds that a model named, from the truth that came back."""

    kind: Annotated[Literal["pets"], Field(description="Kind of the model.")]
    figures: Annotated[list[PetsFigures], Field(description="Accuracy by group.")]
    reports: Annotated[list[TruthCount], Field(description="Numbers of truths; those of owners are in no estimate.")]
