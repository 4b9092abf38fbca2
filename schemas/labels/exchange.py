"""Labels out of a project and into it: tables, tasks of Label Studio, photos, and predictions of other models."""

from typing import Any, Literal

from pydantic import Field
from pydantic.json_schema import JsonSchemaMode

from schemas.labels.parts import LabelAnswer, answer, empty, file, item, operation, query
from schemas.problem_kinds import ProblemName

MAX_IMPORT = 10 << 20  # bytes of a file to import, which the gateway lets through

ImportWhat = Literal["labels", "predictions"]


class ExportState(LabelAnswer):
    """Content that an export would have now, and all that it lacks."""

    missing: list[str] = Field(description="Reasons why no model can be trained on the labels yet; empty if one can.")
    warnings: list[str] = Field(description="Photos that are left out, and labels without a photo to judge by.")
    train: int = Field(description="Number of photos to train on.")
    valid: int = Field(description="Number of photos of the audit, to judge a model by.")
    blind: int = Field(description="Number of those whose label is a blind answer.")
    labels: list[str] = Field(description="Names of the labels that photos have.")
    other_models: list[str] = Field(description="Names of the models whose predictions were imported.")


class Imported(LabelAnswer):
    """Outcome of an import."""

    imported: int = Field(description="Number of photos that got another label, or a prediction.")
    same: int = Field(default=0, description="Number of photos that had the same label already; 0 for predictions.")
    blind: int = Field(default=0, description="Number of photos with another blind answer, which stays.")
    new_labels: list[str] = Field(default=[], description="Labels that the project did not have.")
    models: list[str] = Field(default=[], description="Models whose predictions were imported.")
    unknown: list[str] = Field(
        default=[], description="Some of the hashes or names that no photo, or several photos, have."
    )
    unknown_count: int = Field(default=0, description="Number of all of these.")


class AuditedShare(LabelAnswer):
    """Share of blind answers of the audit that a model has right."""

    right: int = Field(description="Number of right predictions.")
    answers: int = Field(serialization_alias="of", description="Number of answers that the model has a prediction for.")
    share: float | None = Field(description="Share of right predictions; null below 30 answers.")
    low: float | None = Field(description="Lower end of its 95 % interval; null below 30 answers.")
    high: float | None = Field(description="Upper end of its 95 % interval; null below 30 answers.")


class OtherModel(LabelAnswer):
    """A model whose predictions were imported, beside the project's own classifier."""

    name: str = Field(description="Name of the model.")
    photos: int = Field(description="Number of photos that it has a prediction for.")
    strange: list[str] = Field(description="Some labels that it predicts and the project does not have.")
    compared: int = Field(description="Number of seen photos that both models have a prediction for.")
    agreed: int = Field(description="Number of those for which both predict the same label.")
    audit: AuditedShare = Field(description="Accuracy by the audit.")


class OtherModels(LabelAnswer):
    """Models whose predictions were imported."""

    models: list[OtherModel] = Field(description="The models, by name.")


class Guess(LabelAnswer):
    """Prediction of a label."""

    label: str = Field(description="Name of the label.")
    probability: float = Field(description="Its probability, 0 to 1.")


class Disagreement(LabelAnswer):
    """A seen photo for which two models predict different labels."""

    sha256: str = Field(description="SHA-256 of the photo's file.")
    name: str = Field(description="Name of the photo.")
    ours: Guess = Field(description="Prediction of the project's classifier.")
    theirs: Guess = Field(description="Prediction of the other model.")
    given: str | None = Field(description="Label that people gave; null without one.")


class Disagreements(LabelAnswer):
    """Seen photos for which another model predicts other labels than the project's classifier."""

    count: int = Field(description="Number of all such photos.")
    photos: list[Disagreement] = Field(description="The photos that both are surest about, at most 200.")


COMPONENTS: dict[type, JsonSchemaMode] = dict.fromkeys(
    (ExportState, Imported, OtherModels, Disagreements), "serialization"
)
_FILES = {
    "labels.csv": ("exportLabels", "Return the decision about each photo", "text/csv"),
    "history.csv": ("exportHistory", "Return all events: who gave which label when, and how", "text/csv"),
    "predictions.csv": (
        "exportPredictions",
        "Return the predictions of the classifier and of other models",
        "text/csv",
    ),
    "label-studio.json": ("exportTasks", "Return labelled photos as tasks of Label Studio", "application/json"),
    "label-studio.xml": ("exportInterface", "Return the labelling interface of Label Studio", "application/xml"),
    "photos.zip": (
        "exportPhotos",
        "Return the folder that `shopcat train pets` reads: train/, and valid/ with the photos of the audit",
        "application/zip",
    ),
}
_MODEL = query("model", {"type": "string"}, "Name of a model whose predictions were imported.", required=True)


def paths() -> dict[str, Any]:
    """Return the path items by address."""
    files = {
        path: found
        for name, (title, summary, kind) in _FILES.items()
        for path, found in item(
            f"/labels/{{project}}/export/{name}", get=operation(title, summary, file("The file.", kind, "not-ready"))
        ).items()
    }
    return {
        **item(
            "/labels/{project}/export",
            get=operation(
                "getExport", "Return what an export would have, and lack", answer("The state.", "ExportState")
            ),
        ),
        **files,
        **item(
            "/labels/{project}/import",
            get=operation(
                "listOtherModels",
                "Return the models whose predictions were imported, compared with the project's classifier",
                answer("The models.", "OtherModels"),
            ),
            post=_import(),
            delete=operation(
                "forgetPredictions",
                "Delete the imported predictions of a model",
                empty("They are deleted.", "invalid-request"),
                parameters=(_MODEL,),
            ),
        ),
        **item(
            "/labels/{project}/import/disagreements",
            get=operation(
                "getDisagreements",
                "Return the photos for which another model predicts other labels than the project's classifier",
                answer("The photos.", "Disagreements", "invalid-request"),
                parameters=(_MODEL,),
            ),
        ),
    }


def _import() -> dict[str, Any]:
    problems: tuple[ProblemName, ...] = (
        "invalid-request",
        "malformed-request",
        "unsupported-media-type",
        "storage-full",
    )
    what = query(
        "what", {"type": "string", "enum": ["labels", "predictions"]}, "Content of the file; labels if absent."
    )
    model = query("model", {"type": "string"}, "Name of the model that made the predictions.")
    found = operation(
        "importLabels",
        "Import labels or predictions: CSV with label, and sha256 or name; or tasks of Label Studio",
        answer("The outcome.", "Imported", *problems),
        parameters=(what, model),
    )
    # Generators of clients know no body that is either a file or a list.
    content = {"text/csv": {"schema": {"type": "string", "format": "binary", "minLength": 1}}}
    description = "CSV, or with the content type application/json a list of tasks of Label Studio."
    return found | {"requestBody": {"required": True, "description": description, "content": content}}
