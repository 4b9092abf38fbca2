"""Requests and answers of ``/appeals``: somebody doubts an answer, and somebody else decides."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from schemas.pets.request import MAX_NAME
from schemas.review.cases import Opinion, ShownPrediction
from schemas.review.text import Reason

AppealState = Literal["open", "assigned", "upheld", "changed", "declined", "withdrawn", "erased"]
Decision = Literal["upheld", "changed", "declined"]
AppealAction = Literal["assign", "release", "decide", "withdraw"]

MAX_RECEIPT = 4_000  # characters; the receipt of a photo has about 300


class NewAppeal(BaseModel):
    """A doubt about an answer."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    receipt: str = Field(min_length=1, max_length=MAX_RECEIPT, description="Receipt of the answer that is doubted.")
    claim: Reason = Field(description="The doubt in words, plain text of 1 to 500 characters.")
    breed: str | None = Field(
        default=None, min_length=1, max_length=MAX_NAME, description="Breed that the photo shows, as the sender says."
    )


class AppealStep(BaseModel):
    """A step of an appeal."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    action: AppealAction = Field(
        description="`assign`: take the appeal. `release`: give it back. `decide`: end it with a decision and a "
        "reason. `withdraw`: end it without a decision, which only its sender can."
    )
    decision: Decision | None = Field(
        default=None,
        description="`upheld`: the model's answer stands. `changed`: the photo shows another breed, or no breed of the "
        "model. `declined`: the appeal can't be decided, for example without a photo. Required for `decide`.",
    )
    breed: str | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_NAME,
        description="Breed that the photo shows, for the decision `changed`; none if it is no breed of the model.",
    )
    reason: Reason | None = Field(default=None, description="Reason for the decision, which the sender reads.")

    @model_validator(mode="after")
    def _has_the_fields_of_its_action(self) -> "AppealStep":
        """Reject a decision without reason, and fields that the action does not have."""
        decides = self.action == "decide"
        for name in ("decision", "reason"):
            if (getattr(self, name) is not None) != decides:
                raise ValueError(f"the field {name} is for the action decide, which needs it, and for no other")
        if self.breed is not None and self.decision != "changed":
            raise ValueError("the field breed is for the decision changed, and for no other")
        return self


@dataclass
class Step:
    """A step that an appeal took."""

    at: Annotated[str, Field(description="Time, UTC.")]
    action: Annotated[str, Field(description="The step: file, assign, release, decide, withdraw or erase.")]
    who: Annotated[str, Field(description="Name of the key of whoever took it; for the sender: sender or reviewer.")]


@dataclass
class Appeal:
    """An appeal, as its sender sees it."""

    case: Annotated[str, Field(description="Case number.")]
    state: Annotated[AppealState, Field(description="State of the appeal.")]
    filed: Annotated[str, Field(description="Time of the appeal, UTC.")]
    due: Annotated[str, Field(description="Time by which it should be decided, UTC.")]
    overdue: Annotated[bool, Field(description="True if it is not decided, and should be.")]
    claim: Annotated[str, Field(description="The sender's words, plain text.")]
    breed: Annotated[str | None, Field(description="Breed that the photo shows, as the sender says.")]
    prediction: Annotated[ShownPrediction | None, Field(description="The answer that is doubted; null if erased.")]
    decided: Annotated[str | None, Field(description="Time of the decision, UTC; null before.")]
    reason: Annotated[str | None, Field(description="Reason for the decision, plain text; null before.")]
    decided_breed: Annotated[str | None, Field(description="Breed that the photo shows, if the decision names one.")]
    steps: Annotated[list[Step], Field(description="Steps so far, oldest first.")]

    def to_json(self) -> bytes:
        """Return the response's body."""
        return _APPEAL.dump_json(self)


@dataclass(kw_only=True)
class FiledAppeal(Appeal):
    """A new appeal, with the token that opens it."""

    token: Annotated[
        str, Field(description="Secret of the sender: opens the appeal, as the header x-appeal-token. Keep it.")
    ]

    def to_json(self) -> bytes:
        """Return the response's body."""
        return _FILED.dump_json(self)


@dataclass(kw_only=True)
class ReviewedAppeal(Appeal):
    """An appeal, as a reviewer sees it."""

    model: Annotated[str, Field(description="Name of the model.")]
    version: Annotated[str, Field(description="Version of the model.")]
    assigned_to: Annotated[str | None, Field(description="Name of the reviewer who looks at it; null if none.")]
    may_decide: Annotated[
        bool, Field(description="False if this reviewer answered about the photo before, or sent the appeal.")
    ]
    photo: Annotated[
        str | None, Field(description="Address of the photo for whoever it is assigned to; null if none is kept.")
    ]
    classes: Annotated[list[str], Field(description="Breeds that the model knows, in alphabetical order.")]
    opinions: Annotated[list[Opinion], Field(description="Reviewers' answers about the photo.")]

    def to_json(self) -> bytes:
        """Return the response's body."""
        return _REVIEWED.dump_json(self)


@dataclass
class AppealSummary:
    """An appeal in the list of reviewers."""

    case: Annotated[str, Field(description="Case number.")]
    state: Annotated[AppealState, Field(description="State of the appeal.")]
    due: Annotated[str, Field(description="Time by which it should be decided, UTC.")]
    overdue: Annotated[bool, Field(description="True if it is not decided, and should be.")]
    model: Annotated[str, Field(description="Name of the model.")]
    assigned_to: Annotated[str | None, Field(description="Name of the reviewer who looks at it; null if none.")]
    may_decide: Annotated[
        bool, Field(description="False if this reviewer answered about the photo before, or sent the appeal.")
    ]


@dataclass
class AppealList:
    """Appeals in the order of their due dates."""

    states: Annotated[dict[str, int], Field(description="Number of appeals by state.")]
    overdue: Annotated[int, Field(description="Number of appeals that should be decided, and are not.")]
    appeals: Annotated[list[AppealSummary], Field(description="Appeals that wait for a decision; at most 100.")]

    def to_json(self) -> bytes:
        """Return the response's body."""
        return _LIST.dump_json(self)


_APPEAL, _FILED = TypeAdapter(Appeal), TypeAdapter(FiledAppeal)
_REVIEWED, _LIST = TypeAdapter(ReviewedAppeal), TypeAdapter(AppealList)
