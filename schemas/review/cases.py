"""Requests and answers of ``/review``: photos that people look at, one by one.

Requests are pydantic models, because they are validated. Answers are dataclasses, which come from our own code.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from schemas.pets.answer import ReviewReason
from schemas.pets.request import MAX_NAME
from schemas.review.text import Note
from schemas.sales.request import Day

Verdict = Literal["breed", "other_breed", "not_a_pet", "cant_tell"]
SkipReason = Literal["unclear_photo", "private_content", "needs_an_expert", "other"]
CaseState = Literal["first", "second", "third", "settled", "expired", "erased"]
Waiting = Literal["first", "second", "third"]
How = Literal["blind", "prediction_shown"]

_MODEL = Field(default=None, min_length=1, max_length=100, description="Name of a model; any if left out.")
_REASON = Field(default=None, description="Reason for the review; any if left out.")


class ReviewFilter(BaseModel):
    """Choice of cases."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str | None = _MODEL
    reason: ReviewReason | None = _REASON
    waiting_for: Waiting | None = Field(
        default=None, description="Opinion that the case waits for: first, second or third; any if left out."
    )


class ExportRange(BaseModel):
    """Days whose answers an export has."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    first: Day | None = Field(default=None, alias="from", description="First day, UTC; the beginning if left out.")
    last: Day | None = Field(default=None, alias="to", description="Last day, UTC; today if left out.")


class ReviewAnswer(BaseModel):
    """A reviewer's answer about one photo, or the reason for skipping it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    verdict: Verdict | Literal["skip"] = Field(
        description="`breed`: the photo shows the breed in `breed`. `other_breed`: a pet of a breed that the model "
        "does not know. `not_a_pet`: neither a cat nor a dog. `cant_tell`: the reviewer looked and can't tell. `skip`: "
        "the reviewer leaves the photo to others."
    )
    breed: str | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_NAME,
        description="Breed that the photo shows; required for the verdict breed, and for no other.",
    )
    reason: SkipReason | None = Field(
        default=None, description="Reason for skipping the photo; required for the verdict skip, and for no other."
    )
    note: Note = Field(default="", description="Remark for other reviewers and the export, plain text.")

    @model_validator(mode="after")
    def _has_the_fields_of_its_verdict(self) -> "ReviewAnswer":
        """Reject an answer that lacks the field of its verdict, or has that of another."""
        for name, verdict in (("breed", "breed"), ("reason", "skip")):
            given = getattr(self, name) is not None
            if given != (self.verdict == verdict):
                raise ValueError(f"the field {name} is for the verdict {verdict}, which needs it, and for no other")
        return self


@dataclass
class Candidate:
    """A breed and its probability."""

    breed: Annotated[str, Field(description="Name of the class.")]
    probability: Annotated[float, Field(description="Calibrated probability.")]


@dataclass
class ShownPrediction:
    """The model's answer, as the reviewer sees it."""

    breed: Annotated[str, Field(description="Most probable class.")]
    probability: Annotated[float, Field(description="Calibrated probability of the breed.")]
    known: Annotated[bool, Field(description="False if the photo is unlike all training photos.")]
    top: Annotated[list[Candidate], Field(description="Most probable breeds, best first.")]


@dataclass
class Opinion:
    """An answer that a reviewer gave."""

    number: Annotated[
        int, Field(description="Number of the opinion: 1 for the first reviewer of the photo, then 2 and 3.")
    ]
    who: Annotated[str, Field(description="Name of the reviewer's key.")]
    at: Annotated[str, Field(description="Time of the answer, UTC.")]
    verdict: Annotated[Verdict, Field(description="The reviewer's answer.")]
    breed: Annotated[str | None, Field(description="Breed, if the verdict is `breed`.")]
    how: Annotated[How, Field(description="`blind` if the reviewer did not see the prediction before the answer.")]
    note: Annotated[str, Field(description="The reviewer's remark, plain text.")]


@dataclass
class Waits:
    """A case that waits for an answer, without anything that would influence the answer."""

    id: Annotated[str, Field(description="Id of the case: the id of the receipt.")]
    model: Annotated[str, Field(description="Name of the model.")]
    reason: Annotated[ReviewReason, Field(description="Reason for the review.")]
    waiting_for: Annotated[Waiting, Field(description="Opinion that the case waits for.")]
    since: Annotated[str, Field(description="Time of the model's answer, UTC.")]
    leased: Annotated[bool, Field(description="True if somebody is looking at it.")]


@dataclass
class Agreement:
    """Agreement of first and second reviewers, who do not see each other's answers."""

    pairs: Annotated[int, Field(description="Number of photos with two answers.")]
    share: Annotated[float | None, Field(description="Share of equal answers; null without pairs.")]
    kappa: Annotated[
        float | None,
        Field(description="Cohen's kappa: agreement beyond chance, at most 1; null if it is undefined."),
    ]


@dataclass
class Queue:
    """The review queue as one reviewer sees it."""

    waiting: Annotated[int, Field(description="Number of cases that wait for this reviewer, as filtered.")]
    counts: Annotated[
        dict[str, int],
        Field(description="Number of cases that wait, by reason, whoever may answer them; as filtered but by reason."),
    ]
    states: Annotated[dict[str, int], Field(description="Number of cases by state, as filtered by model.")]
    oldest_seconds: Annotated[float, Field(description="Age of the oldest waiting case in seconds; 0 without any.")]
    answered_today: Annotated[int, Field(description="Number of this reviewer's answers since midnight UTC.")]
    agreement: Annotated[Agreement, Field(description="Agreement of reviewers.")]
    cases: Annotated[list[Waits], Field(description="Next cases that wait for this reviewer, in order; at most 50.")]

    def to_json(self) -> bytes:
        """Return the response's body."""
        return _QUEUE.dump_json(self)


@dataclass
class Case:
    """A case that its reviewer looks at, or has answered.

    Until the reviewer has answered, a blind case has no prediction, and no case has the opinions of others.
    """

    id: Annotated[str, Field(description="Id of the case: the id of the receipt.")]
    model: Annotated[str, Field(description="Name of the model.")]
    version: Annotated[str, Field(description="Version of the model.")]
    reason: Annotated[ReviewReason, Field(description="Reason for the review.")]
    propensity: Annotated[float, Field(description="Probability with which a photo of this reason goes to review.")]
    state: Annotated[CaseState, Field(description="State of the case.")]
    since: Annotated[str, Field(description="Time of the model's answer, UTC.")]
    blind: Annotated[bool, Field(description="True if the prediction is hidden until the answer.")]
    lease_until: Annotated[
        str | None, Field(description="Time until which nobody else gets the case, UTC; null after the answer.")
    ]
    photo: Annotated[str | None, Field(description="Address of the photo; null if it is deleted.")]
    classes: Annotated[list[str], Field(description="Breeds that the model knows, in alphabetical order.")]
    prediction: Annotated[ShownPrediction | None, Field(description="The model's answer; null while it is hidden.")]
    opinions: Annotated[list[Opinion], Field(description="Answers so far; empty until the reviewer has answered.")]

    def to_json(self) -> bytes:
        """Return the response's body."""
        return _CASE.dump_json(self)


_QUEUE, _CASE = TypeAdapter(Queue), TypeAdapter(Case)
