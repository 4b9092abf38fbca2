"""The audit of a project: photos that are held back, for the only figure that is called accuracy."""

from typing import Any

from pydantic import Field
from pydantic.json_schema import JsonSchemaMode

from schemas.labels.learning import SPACE
from schemas.labels.parts import BODY, MAX_NUMBER, LabelAnswer, LabelRequest, Sha256, answer, item, operation

_LOW, _HIGH = "Lower end of the 95 % interval.", "Upper end of the 95 % interval."


class AuditAnswer(LabelRequest):
    """Blind answer about a photo of the audit."""

    photo: Sha256 = Field(description="SHA-256 of the photo's file.")
    label: int = Field(ge=0, le=MAX_NUMBER, description="Id of the right label; 0 if the person can't tell.")


class AuditedLabel(LabelAnswer):
    """Accuracy of one label."""

    label: int = Field(description="Id of the label.")
    right: int = Field(description="Number of right predictions among the photos of this label.")
    answers: int = Field(serialization_alias="of", description="Number of answers with this label.")
    share: float | None = Field(description="Share of right predictions; null below 10 answers.")
    low: float | None = Field(description=_LOW)
    high: float | None = Field(description=_HIGH)


class AuditFigure(LabelAnswer):
    """Accuracy on photos that nobody has trained on."""

    right: int = Field(description="Number of right predictions.")
    answers: int = Field(serialization_alias="of", description="Number of answers that name a label.")
    share: float = Field(description="Share of right predictions.")
    low: float = Field(description=_LOW)
    high: float = Field(description=_HIGH)
    by_label: list[AuditedLabel] = Field(description="Accuracy by label.")


class AuditCounts(LabelAnswer):
    """Counts of the photos that are held back for the audit."""

    asked: int = Field(description="Number of photos that the audit asks about.")
    answered: int = Field(description="Number of blind answers, with those that can't tell.")
    draw: int = Field(description="Number of the draw, from 1.")
    held: int = Field(description="Number of photos that are held back: those to ask about, and their near copies.")
    labelled: int = Field(description="Number of these with a label: a blind answer, or one that was imported.")


class AuditState(AuditCounts):
    """State of the audit."""

    open: int = Field(description="Number of photos without an answer.")
    cant_tell: int = Field(description="Number of photos whose label nobody can tell.")
    due: bool = Field(description="True if audit photos are due among the others.")
    due_photos: int = Field(description="Number of audit photos that are due: 5 for each 20 labels.")
    looks: int = Field(description="Number of models of which somebody has seen the figure, in this draw.")
    figure: AuditFigure | None = Field(description="Accuracy; null while it is not yet known, or nobody has seen it.")
    text: str = Field(
        description="Accuracy as a sentence.", examples=["The accuracy is not yet known: answer 12 more audit photos."]
    )


COMPONENTS: dict[type, JsonSchemaMode] = {AuditAnswer: "validation", AuditState: "serialization"}


def paths() -> dict[str, Any]:
    """Return the path items by address."""
    return {
        **item(
            "/labels/{project}/audit",
            get=operation(
                "getAudit",
                "Return the state of the audit, with the accuracy if somebody has seen it before",
                answer("The audit.", "AuditState", "invalid-request"),
                parameters=(SPACE,),
            ),
            post=operation(
                "answerAudit",
                "Store a blind answer about a photo of the audit",
                answer("The audit.", "AuditState", *BODY),
                body="AuditAnswer",
            ),
        ),
        **item(
            "/labels/{project}/audit/figure",
            post=operation(
                "lookAtAudit",
                "Return the state of the audit with the accuracy once it is known, and count the look",
                answer("The audit.", "AuditState", *BODY),
                parameters=(SPACE,),
            ),
        ),
        **item(
            "/labels/{project}/audit/next",
            post=operation(
                "nextAuditPhoto",
                "Return the next photo of the audit, without prediction and labels",
                answer("The photo.", "NextPhoto", *BODY),
            ),
        ),
        **item(
            "/labels/{project}/audit/draw",
            post=operation(
                "drawAudit",
                "Hold back other photos, and give those of the audit back to the map and the training",
                answer("The audit.", "AuditState", *BODY),
            ),
        ),
    }
