"""The bundle that is made of a project's labels: the job that trains it, and its serving."""

from typing import Any, Literal

from pydantic import Field
from pydantic.json_schema import JsonSchemaMode

from schemas.bundle import NAME
from schemas.labels.parts import BODY, LabelAnswer, LabelRequest, answer, file, item, operation

JobState = Literal["none", "running", "done", "failed", "cancelled", "interrupted"]
ServingState = Literal["none", "reloading", "served", "failed"]
Network = Literal["default", "quick"]


class NewBundle(LabelRequest):
    """A bundle to make."""

    name: str | None = Field(
        default=None,
        pattern=NAME,
        description="Name of the model, as in /predictions/NAME. By default that of the served pets model, which the "
        "bundle can then replace without a restart.",
    )
    network: Network = Field(
        default="default",
        description="`default` is the network of `shopcat train pets`. `quick` is a smaller one with smaller photos, "
        "which trains several times as fast and is less accurate.",
    )


class HeldOut(LabelAnswer):
    """Accuracy of a bundle on the photos of the audit, on which it was not trained."""

    right: int = Field(description="Number of right predictions.")
    photos: int = Field(serialization_alias="of", description="Number of photos.")
    share: float | None = Field(description="Share of right predictions; null below 30 photos.")
    low: float | None = Field(description="Lower end of its 95 % interval; null below 30 photos.")
    high: float | None = Field(description="Upper end of its 95 % interval; null below 30 photos.")
    looks: int = Field(description="Number of models that these photos have judged, with this one.")
    text: str = Field(description="The figure in words, with what limits it.")


class MadeBundle(LabelAnswer):
    """A bundle that was made of a project's labels."""

    name: str = Field(description="Name of the model.")
    version: str = Field(description="Version of the model.")
    created: str = Field(description="Time when it was written, UTC.")
    path: str = Field(description="Folder of the bundle, below that of the projects.")
    labels: list[str] = Field(description="Names of its classes.")
    photos: int = Field(description="Number of photos that it was trained on.")
    threshold: float = Field(description="Probability below which a prediction is for review.")
    accepted: float = Field(description="Share of the photos of the audit that it accepts without review.")
    held_out: HeldOut = Field(description="Accuracy on the photos of the audit.")
    warnings: list[str] = Field(description="Photos that were left out, and labels without a photo to judge by.")


class BundleJob(LabelAnswer):
    """The last job that makes a bundle."""

    state: JobState = Field(description="State of the job. An interrupted one goes on when the console runs again.")
    who: str | None = Field(description="Name of the person who started it; null without a job.")
    started: str | None = Field(description="Time of its start, UTC; null without a job.")
    ended: str | None = Field(description="Time of its end, UTC; null before.")
    stage: str = Field(description="Part of the work that is being done; empty without a job.")
    share: float = Field(description="Share of the work that is done, 0 to 1, estimated.")
    message: str = Field(description="Reason of the end; empty for a bundle.")
    log_tail: str = Field(description="Last lines of the training's output.")


class Serving(LabelAnswer):
    """The served model that a bundle can replace."""

    state: ServingState = Field(description="State of the bundle that was chosen last; none if none was.")
    model: str | None = Field(description="Name of the served model; null if the service has none to replace.")
    version: str | None = Field(description="Version that is served now.")
    chosen: str | None = Field(description="Version that was chosen in place of the command line's; null for none.")
    chosen_by: str | None = Field(description="Name of the person who chose it.")
    origin: str | None = Field(description="Name of the project whose labels it was made of.")
    instead_of: str | None = Field(description="Version of the command line's bundle that it replaces.")
    address: str | None = Field(description="Address for predictions of the model.")
    error: str | None = Field(description="Reason why the last change failed.")
    refused: str | None = Field(description="Reason why the bundle can't be served; null if it can.")


class BundleState(LabelAnswer):
    """The bundle of a project: the job that makes it, the last one that was made, and its serving."""

    job: BundleJob = Field(description="The last job.")
    bundle: MadeBundle | None = Field(description="The last bundle that was made; null without one.")
    refused: str | None = Field(description="Reason why no bundle can be made now; null if one can.")
    serving: Serving = Field(description="The served model that the bundle can replace.")


COMPONENTS: dict[type, JsonSchemaMode] = {NewBundle: "validation", BundleState: "serialization"}


def paths() -> dict[str, Any]:
    """Return the path items by address."""
    return {
        **item(
            "/labels/{project}/bundle",
            get=operation("getBundle", "Return the job that makes a bundle, and its serving", _state("The state.")),
            post=operation(
                "makeBundle",
                "Make a bundle: train a model on the labels of now, in the background",
                _accepted("The job has begun.", *BODY, "not-ready", "not-supported"),
                body="NewBundle",
            ),
            delete=operation("cancelBundle", "Cancel the job that makes a bundle", _state("The state.")),
        ),
        **item(
            "/labels/{project}/bundle/bundle.zip",
            get=operation(
                "downloadBundle",
                "Return the last bundle that was made",
                file("The bundle.", "application/zip", "not-ready"),
            ),
        ),
        **item(
            "/labels/{project}/bundle/serve",
            post=operation(
                "serveBundle",
                "Serve the last bundle that was made in place of the served model; this needs the role admin",
                _accepted("The service is loading it.", "not-ready", "not-supported"),
            ),
            delete=operation(
                "serveFormerBundle",
                "Serve the bundle of the command line again; this needs the role admin",
                _accepted("The service is loading it.", "not-supported"),
            ),
        ),
    }


def _state(description: str) -> dict[str, Any]:
    return answer(description, "BundleState")


def _accepted(description: str, *problems: Any) -> dict[str, Any]:
    answers = answer(description, "BundleState", *problems)
    return {"202": answers.pop("200"), **answers}
