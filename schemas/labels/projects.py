"""Labelling projects: create, list, look at, rename, archive, copy and delete."""

from typing import Any

from pydantic import Field, model_validator
from pydantic.json_schema import JsonSchemaMode

from schemas.labels.audits import AuditCounts
from schemas.labels.marks import LabelName
from schemas.labels.parts import BODY, LabelAnswer, LabelRequest, Name, answer, created, empty, item, operation

MOST_DRAWN = 2000  # photos; drawing takes 0.04 s each


class NewProject(LabelRequest):
    """A new labelling project."""

    name: Name = Field(description="Name for people; two projects may have the same.", examples=["Cats and dogs"])
    demonstration: bool = Field(default=False, description="True for a project of drawn vehicles, to try labelling.")
    photos: int = Field(default=600, ge=2, le=MOST_DRAWN, description="Number of photos of a demonstration.")


class ProjectChange(LabelRequest):
    """A change of a project."""

    name: Name | None = Field(default=None, description="New name; the id stays.")
    archived: bool | None = Field(
        default=None, description="True to reject all changes from now on; false to allow them again."
    )

    @model_validator(mode="after")
    def _changes_something(self) -> "ProjectChange":
        if self.name is None and self.archived is None:
            raise ValueError("must have name, archived, or both")
        return self


class ProjectCopy(LabelRequest):
    """A copy of a project."""

    name: Name = Field(description="Name of the copy.")


class ProjectSummary(LabelAnswer):
    """A labelling project in a list."""

    id: str = Field(description="Id of the project, a part of its addresses.")
    name: str = Field(description="Name for people.")
    created: str = Field(description="Time when it was created, UTC; empty if the project can't be opened.")
    archived: bool = Field(description="True for a project that can't be changed until it is restored.")
    photos: int = Field(description="Number of photos.")
    labelled: int = Field(description="Number of photos with a label; can't tell and blind answers are labels too.")
    error: str | None = Field(description="Reason why the project can't be opened; null if it can.")


class ProjectList(LabelAnswer):
    """All labelling projects."""

    projects: list[ProjectSummary] = Field(description="The projects, oldest first.")
    bundle: str | None = Field(description="Name of the model whose network embeds photos; null without one.")
    bundle_error: str | None = Field(description="Reason why no network embeds photos; null if one does.")


class EmbeddingProgress(LabelAnswer):
    """Progress of the embedding of a project's photos."""

    running: bool = Field(description="True while photos are embedded.")
    photos: int = Field(description="Number of photos.")
    embedded: int = Field(description="Number of photos with features.")
    broken: int = Field(description="Number of photos that can't be decoded, or whose files are gone.")
    fitted: int = Field(description="Number of photos that the map was fitted on; 0 before there is a map.")
    finished: bool = Field(description="True when no photo waits.")
    error: str | None = Field(description="Reason why the embedding stopped early; null if it did not.")


class LabelUse(LabelName):
    """A label of a project, and its use."""

    photos: int = Field(description="Number of photos that may be seen and have the label.")


class LabelProject(LabelAnswer):
    """A labelling project."""

    id: str = Field(description="Id of the project, a part of its addresses.")
    name: str = Field(description="Name for people.")
    created: str = Field(description="Time when it was created, UTC.")
    archived: bool = Field(description="True for a project that can't be changed until it is restored.")
    photos: int = Field(description="Number of photos.")
    labelled: int = Field(description="Number of photos with a label; can't tell and blind answers are labels too.")
    cant_tell: int = Field(description="Number of photos that may be seen and of which somebody can't tell.")
    labels: list[LabelUse] = Field(description="The labels, oldest first, retired ones too.")
    progress: EmbeddingProgress = Field(description="Progress of the embedding.")
    last_event: int = Field(description="Number of the last event; the stream goes on from there.")
    rows_version: str = Field(description="Version of the rows: of the photos on the map, and their order.")
    audit: AuditCounts = Field(description="Counts of the audit.")
    people: list[str] = Field(description="Names of those who look at the project.")


COMPONENTS: dict[type, JsonSchemaMode] = {
    **dict.fromkeys((NewProject, ProjectChange, ProjectCopy), "validation"),
    **dict.fromkeys((ProjectList, LabelProject), "serialization"),
}


def paths() -> dict[str, Any]:
    """Return the path items by address."""
    return {
        **item(
            "/labels",
            get=operation("listProjects", "Return the labelling projects", answer("The projects.", "ProjectList")),
            post=operation(
                "createProject",
                "Create a labelling project, empty or with drawn photos",
                created("The new project.", "LabelProject", *BODY),
                body="NewProject",
            ),
        ),
        **item(
            "/labels/{project}",
            get=operation("getProject", "Return a labelling project", answer("The project.", "LabelProject")),
            patch=operation(
                "changeProject",
                "Rename, archive or restore a project",
                answer("The project.", "LabelProject", *BODY, "precondition-failed"),
                body="ProjectChange",
                parameters=(_IF_MATCH,),
            ),
            delete=operation("deleteProject", "Delete a project with its data", empty("The project is deleted.")),
        ),
        **item(
            "/labels/{project}/copy",
            post=operation(
                "copyProject",
                "Copy a project: photos, labels and history",
                created("The copy.", "LabelProject", *BODY),
                body="ProjectCopy",
            ),
        ),
    }


_IF_MATCH = {
    "name": "if-match",
    "in": "header",
    "required": False,
    "description": "ETag of the project as it was loaded; the change is rejected if somebody was faster.",
    "schema": {"type": "string"},
}
