"""Photos of a project: the list in the order of the map, uploads, thumbnails and atlases."""

from typing import Any, Literal

from pydantic import Field
from pydantic.json_schema import JsonSchemaMode

from schemas.labels.parts import LabelAnswer, answer, file, item, operation, path_parameter, query
from schemas.openapi_parts import responses
from schemas.problem_kinds import ProblemName

ThumbnailSize = Literal[64, 256, 1024]
MAX_PHOTO_NAME = 1000  # characters


class RowPhoto(LabelAnswer):
    """A photo on the map."""

    sha256: str = Field(description="SHA-256 of its file, hexadecimal.")
    name: str = Field(description="Name for people: its path within a folder, or the name of the upload.")
    width: int = Field(description="Width of the upright photo in pixels.")
    height: int = Field(description="Height of the upright photo in pixels.")
    group: int = Field(description="Row of the first photo of its group of near duplicates, which may be itself.")


class BrokenPhoto(LabelAnswer):
    """A photo that can't be labelled."""

    sha256: str = Field(description="SHA-256 of its file, hexadecimal.")
    name: str = Field(description="Name for people.")
    kind: str = Field(description="Name of the problem, such as damaged-image; unreadable if the file is gone.")
    reason: str = Field(description="Cause and remedy.")


class PhotoRows(LabelAnswer):
    """Photos of a project."""

    rows_version: str = Field(description="Version of the rows; maps and atlases are asked for with it.")
    photos: list[RowPhoto] = Field(description="Photos on the map, in its order; none of the audit.")
    waiting: int = Field(description="Number of photos that wait for the embedding.")
    broken: list[BrokenPhoto] = Field(description="Photos that can't be labelled.")


class UploadedPhoto(LabelAnswer):
    """A photo that was sent."""

    sha256: str = Field(description="SHA-256 of its file, hexadecimal.")
    name: str = Field(description="Name for people.")
    state: Literal["new", "ok", "broken"] = Field(description="State: `new` until the photo is embedded.")


COMPONENTS: dict[type, JsonSchemaMode] = dict.fromkeys((PhotoRows, UploadedPhoto), "serialization")

_NAME = query(
    "name",
    {"type": "string", "minLength": 1, "maxLength": MAX_PHOTO_NAME},
    "Name for people, such as that of the file; the SHA-256 if left out.",
)
_BODY = {
    "required": True,
    "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
}


def paths() -> dict[str, Any]:
    """Return the path items by address."""
    return {
        **item(
            "/labels/{project}/photos",
            get=operation("listPhotos", "Return the photos in the map's order", answer("The photos.", "PhotoRows")),
            post=_upload("uploadPhoto", "Add a photo whose SHA-256 is not known yet"),
        ),
        **item(
            "/labels/{project}/photos/{sha256}",
            head=operation("hasPhoto", "Answer 200 if the project has a photo, and 404 if it has not", _head()),
            put=_upload("putPhoto", "Add a photo; its SHA-256 is verified while it arrives"),
        ),
        **item(
            "/labels/{project}/thumbs/{size}/{sha256}.webp",
            path_parameter("size", {"type": "integer", "enum": [64, 256, 1024]}, "Pixels of the longer side."),
            get=operation(
                "getThumbnail",
                "Return a thumbnail of a photo: upright, without anything but pixels",
                file("The thumbnail.", "image/webp", *_DECODING),
            ),
        ),
        **item(
            "/labels/{project}/atlases/{number}.webp",
            path_parameter(
                "number", {"type": "integer", "minimum": 0, "maximum": 1000}, "Number of the atlas, from 0."
            ),
            get=operation(
                "getAtlas",
                "Return 1,024 rows as squares of 64 pixels in one picture, 32 in a line",
                file("The atlas.", "image/webp", *_DECODING),
                parameters=(query("rows_version", {"type": "string"}, "Version of the rows.", required=True),),
            ),
        ),
    }


_DECODING: Any = (
    "invalid-request",
    "not-an-image",
    "damaged-image",
    "image-too-large",
    "fatal-request",
    "storage-full",
)
_UPLOADING: tuple[ProblemName, ...] = ("invalid-request", "unsupported-media-type", "storage-full")


def _upload(name: str, summary: str) -> dict[str, Any]:
    answers = answer("The photo, which the project had already.", "UploadedPhoto", *_UPLOADING)
    known = answers.pop("200")
    both = {"200": known, "201": known | {"description": "The new photo."}, **answers}
    return {**operation(name, summary, both, parameters=(_NAME,)), "requestBody": _BODY}


def _head() -> dict[str, Any]:
    answers = responses("The project has the photo.", {}, ())
    return {
        status: {key: value for key, value in found.items() if key != "content"} for status, found in answers.items()
    }
