"""Spaces and maps of a labelling project: ways to look at its photos, and their coordinates."""

from typing import Annotated, Any, Literal, get_args

from pydantic import Field
from pydantic.json_schema import JsonSchemaMode

from schemas.labels.parts import LabelAnswer, answer, file, item, operation, path_parameter, query
from schemas.openapi_parts import json_content

ProjectionName = Literal["pca-1-2", "pca-3-4", "pacmap", "ica"]


class LabelSpace(LabelAnswer):
    """A way to look at photos: a stage of the network with a pooling of its feature map."""

    name: str = Field(description="Name of the space, such as `final-what`.")
    stage: str = Field(description="Stage of the network, from `early` to `final`.")
    pooling: str = Field(description="`what`: means over the photo. `where`: means over a grid.")
    text: str = Field(description="Explanation of the space for people.")


class LabelProjection(LabelAnswer):
    """A way to make a map of a space."""

    name: ProjectionName = Field(description="Name of the projection.")
    text: str = Field(description="Explanation of the projection for people.")


class LabelMapName(LabelAnswer):
    """A space and a projection."""

    space: str = Field(description="Name of the space.")
    projection: ProjectionName = Field(description="Name of the projection.")


class LabelSpaces(LabelAnswer):
    """Spaces and projections of a project."""

    spaces: list[LabelSpace] = Field(description="Spaces, from early to final.")
    projections: list[LabelProjection] = Field(description="Projections, each of any space.")
    default: LabelMapName = Field(description="Map to begin with.")


class LabelMapProgress(LabelAnswer):
    """Progress of a map that is being laid out."""

    step: int = Field(description="Number of steps so far.")
    steps: int = Field(description="Number of all steps.")


COMPONENTS: dict[type, JsonSchemaMode] = dict.fromkeys((LabelSpaces, LabelMapProgress), "serialization")
SHARED_TYPES: dict[str, Any] = {
    "ProjectionName": Annotated[ProjectionName, Field(description="Name of a projection.")],
}


def paths() -> dict[str, Any]:
    """Return the path items by address."""
    projection = {"type": "string", "enum": [*get_args(ProjectionName)]}
    found = file("Two float32 numbers a photo, little endian.", "application/octet-stream", "invalid-request")
    progress = found["200"] | {
        "description": "The map is being made; ask again after as many seconds as the header Retry-After says.",
        "content": json_content(("LabelMapProgress",), {}),
    }
    return {
        **item(
            "/labels/{project}/spaces",
            get=operation(
                "listSpaces", "Return the spaces and projections of the maps", answer("The spaces.", "LabelSpaces")
            ),
        ),
        **item(
            "/labels/{project}/maps/{space}/{projection}",
            path_parameter("projection", projection, "Name of a projection."),
            get=operation(
                "getMap",
                "Return the coordinates of the photos on a map, in their order, each from -1 to 1",
                {"200": found.pop("200"), "202": progress, **found},
                parameters=(query("rows_version", {"type": "string"}, "Version of the rows that the page shows."),),
            ),
        ),
    }
