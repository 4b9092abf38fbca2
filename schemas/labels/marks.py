"""Labels of a project, the events that give them to photos, and the stream of news."""

from typing import Annotated, Any, Literal, get_args

from pydantic import Field, model_validator
from pydantic.json_schema import JsonSchemaMode

from schemas.labels.parts import (
    BODY,
    MAX_NUMBER,
    MAX_PHOTOS,
    Colour,
    LabelAnswer,
    LabelRequest,
    Name,
    Sha256,
    answer,
    created,
    empty,
    events,
    item,
    operation,
    path_parameter,
    query,
)

LabelHow = Literal["click", "lasso", "similar", "suggestion", "confirm"]
MOST_EVENTS = 10_000  # of an answer


class NewLabel(LabelRequest):
    """A new label."""

    name: Name = Field(description="Name of the label. Names that differ in case alone count as one.", examples=["cat"])
    colour: Colour | None = Field(
        default=None, description="Colour, #RRGGBB; the next one of the palette if left out.", examples=["#0072B2"]
    )


class LabelChange(LabelRequest):
    """A change of a label."""

    name: Name | None = Field(default=None, description="New name.")
    colour: Colour | None = Field(default=None, description="New colour, #RRGGBB.")

    @model_validator(mode="after")
    def _changes_something(self) -> "LabelChange":
        if self.name is None and self.colour is None:
            raise ValueError("must have name, colour, or both")
        return self


class LabelMerge(LabelRequest):
    """A label that takes the photos of another one."""

    into: int = Field(ge=1, le=MAX_NUMBER, description="Number of the label that the photos get.")


class LabelName(LabelAnswer):
    """A label of a project."""

    id: int = Field(description="Number of the label.")
    name: str = Field(description="Name of the label.")
    colour: str = Field(description="Colour, #RRGGBB.")
    retired: bool = Field(description="True if the label can't be given any more.")


class Merged(LabelAnswer):
    """Result of a merge."""

    photos: int = Field(description="Number of photos that got the other label.")


class GivenLabels(LabelRequest):
    """A label for some photos."""

    photos: list[Sha256] = Field(
        max_length=MAX_PHOTOS,
        description="SHA-256 of each photo, hexadecimal; none if all were deselected and are in `negatives`.",
    )
    label: int | None = Field(
        ge=0, le=MAX_NUMBER, description="Number of the label; 0 for `can't tell`; null to take the label away."
    )
    how: LabelHow = Field(description="Way in which the photos were chosen.")
    space: str | None = Field(default=None, max_length=40, description="Name of the space that the person looked at.")
    since: int | None = Field(
        default=None,
        ge=0,
        le=MAX_NUMBER,
        description="Number of the last event that the page knows; the answer then has what others did since, too.",
    )
    negatives: list[Sha256] = Field(
        default=[],
        max_length=MAX_PHOTOS,
        description="Photos that the person has looked at and does not give this label to.",
    )

    @model_validator(mode="after")
    def _is_about_photos(self) -> "GivenLabels":
        if not self.photos and not self.negatives:
            raise ValueError("must have photos, negatives, or both")
        return self


class LabelBatch(LabelAnswer):
    """Labels that photos have got at once."""

    batch: int | None = Field(description="Number of the batch; null if there was nothing to undo or redo.")
    last_event: int = Field(description="Number of the project's last event.")
    labels: dict[str, int | None] = Field(
        description="New label of each photo by its SHA-256: a number, 0 for `can't tell`, or null for none."
    )
    held_back: int = Field(
        description="Number of further photos that changed: those of the audit, which `labels` does not name."
    )


class LabelState(LabelAnswer):
    """Labels of all photos that may be seen."""

    last_event: int = Field(description="Number of the project's last event.")
    labels: dict[str, int] = Field(description="Label of each photo that has one, by its SHA-256.")


class LabelEvent(LabelAnswer):
    """A label that a photo got."""

    id: int = Field(description="Number of the event; later events have larger ones.")
    time: str = Field(description="Time of the event, UTC.")
    who: str = Field(description="Name of the person.")
    batch: int = Field(description="Number of its batch.")
    photo: str = Field(description="SHA-256 of the photo.")
    label: int | None = Field(description="Number of the label; 0 for `can't tell`; null if the photo lost its label.")
    how: str = Field(description="Way in which the label was given, or `undo`, `redo`, `import` or `merge`.")
    space: str | None = Field(description="Name of the space that the person looked at, if any.")
    source: int | None = Field(description="Number of the event whose label came back or was merged, if any.")


class LabelHistory(LabelAnswer):
    """Events of a project."""

    events: list[LabelEvent] = Field(description="The events, oldest first.")


COMPONENTS: dict[type, JsonSchemaMode] = {
    **dict.fromkeys((NewLabel, LabelChange, LabelMerge, GivenLabels), "validation"),
    **dict.fromkeys((LabelName, Merged, LabelBatch, LabelState, LabelHistory), "serialization"),
}
SHARED_TYPES: dict[str, Any] = {
    "LabelHow": Annotated[LabelHow, Field(description="Way in which photos were chosen for a label.")],
}
HOWS: tuple[LabelHow, ...] = get_args(LabelHow)

_NUMBER = {"type": "integer", "minimum": 1, "maximum": MAX_NUMBER}
_LABEL = path_parameter("label", _NUMBER, "Number of the label.")


def paths() -> dict[str, Any]:
    """Return the path items by address."""
    return {
        **item(
            "/labels/{project}/labels",
            post=operation(
                "createLabel",
                "Create a label, or bring a retired one of that name back",
                created("The label.", "LabelName", *BODY),
                body="NewLabel",
            ),
        ),
        **item(
            "/labels/{project}/labels/{label}",
            _LABEL,
            patch=operation(
                "changeLabel",
                "Give a label another name or colour",
                answer("The label.", "LabelName", *BODY),
                body="LabelChange",
            ),
            delete=operation("retireLabel", "Stop a label from being given", empty("The label is retired.", *BODY)),
        ),
        **item(
            "/labels/{project}/labels/{label}/merge",
            _LABEL,
            post=operation(
                "mergeLabels",
                "Give the photos of a label another one, and retire the label; it can be undone",
                answer("The number of photos.", "Merged", *BODY),
                body="LabelMerge",
            ),
        ),
        **item(
            "/labels/{project}/state",
            get=operation(
                "getLabels", "Return the labels of all photos that may be seen", answer("The labels.", "LabelState")
            ),
        ),
        **item(
            "/labels/{project}/events",
            get=operation(
                "listEvents",
                "Return the history of labels, oldest first, without the answers of the audit",
                answer("The history.", "LabelHistory", "invalid-request"),
                parameters=(
                    query("after", _from(0), "Number of an event; later ones are returned."),
                    query("photo", {"type": "string", "pattern": "^[0-9a-f]{64}$"}, "SHA-256 of a photo, for its own."),
                    query("most", {**_from(1), "maximum": MOST_EVENTS}, "Number of events at most."),
                ),
            ),
            post=operation(
                "labelPhotos",
                "Give photos a label, in one batch that can be undone",
                answer("The batch, which is on the disk.", "LabelBatch", *BODY),
                body="GivenLabels",
            ),
        ),
        **item(
            "/labels/{project}/undo",
            post=operation(
                "undoLabels",
                "Undo the client's last batch; labels that others have given since stay",
                answer("The labels of now.", "LabelBatch", *BODY),
            ),
        ),
        **item(
            "/labels/{project}/redo",
            post=operation(
                "redoLabels",
                "Redo the batch that the client has undone last",
                answer("The labels of now.", "LabelBatch", *BODY),
            ),
        ),
        **item(
            "/labels/{project}/stream",
            get=operation(
                "streamNews",
                "Send news of the project as server-sent events, until the client hangs up",
                events("The events.", "invalid-request"),
                parameters=(
                    query("after", _from(0), "Number of an event; labels of later ones are sent first."),
                    {
                        "name": "last-event-id",
                        "in": "header",
                        "required": False,
                        "description": "The same, as browsers send it when they connect again.",
                        "schema": {"type": "string", "pattern": "^[0-9]{1,15}$"},
                    },
                ),
            ),
        ),
    }


def _from(least: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": least, "maximum": MAX_NUMBER}
