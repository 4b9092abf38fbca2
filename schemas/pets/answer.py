"""Answers to ``/predictions/pets``. They are ours: dataclasses, which nobody validates."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from schemas.pets.request import Method

Species = Literal["cat", "dog"]


# Answers are ours: they are dataclasses, which nobody validates.


@dataclass
class Breed:
    """One breed and how probable it is."""

    breed: Annotated[str, Field(description="the class's name")]
    species: Annotated[Species | None, Field(description="null if the model does not know it")]
    probability: Annotated[float, Field(ge=0, le=1, description="calibrated; 0 to 1, all classes' sum is 1")]


@dataclass
class BoxAnswer:
    """A part of the photo, in pixels of the upright original; may be fractional."""

    left: Annotated[float, Field(description="pixels from the left edge")]
    top: Annotated[float, Field(description="pixels from the upper edge")]
    right: Annotated[float, Field(description="pixels from the left edge")]
    bottom: Annotated[float, Field(description="pixels from the upper edge")]


@dataclass
class HeatmapAnswer:
    """Where the network looked. The grid's cells divide the box evenly; outside it the network sees nothing."""

    method: Method
    class_: Annotated[str | None, Field(alias="class", description="the class explained; null for activation")]
    versus: Annotated[str | None, Field(description="the class that a contrast is drawn against; else null")]
    grid: Annotated[
        list[list[float]],
        Field(description="rows from the top, cells from the left; the network's own units, higher is more"),
    ]
    min: Annotated[float, Field(description="the grid's lowest value")]
    max: Annotated[float, Field(description="the grid's highest value")]
    all_zero: Annotated[bool, Field(description="whether nothing in the photo speaks for the class: a blank map")]
    box: Annotated[BoxAnswer, Field(description="what the grid covers: the part of the photo that the network sees")]
    width: Annotated[int, Field(ge=1, description="of the upright original, pixels")]
    height: Annotated[int, Field(ge=1, description="of the upright original, pixels")]
    overlay: Annotated[
        str | None,
        Field(
            description="the grid painted on the whole upright photo, a PNG in base64; null if it was not asked for",
            json_schema_extra={"contentEncoding": "base64", "contentMediaType": "image/png"},
        ),
    ]


@dataclass
class PetWarning:
    """What a client should know about an answer before it relies on it."""

    code: Literal["small_image", "unusual_aspect"]
    detail: str


@dataclass
class Prediction:
    """The answer to one photo."""

    breed: Annotated[str, Field(description="the most probable class")]
    species: Annotated[Species | None, Field(description="null if the model does not know it")]
    probability: Annotated[float, Field(ge=0, le=1, description="of the breed, calibrated; 0 to 1")]
    top: Annotated[list[Breed], Field(description="the most probable breeds, best first, as many as asked for")]
    decision: Annotated[
        Literal["accept", "review"],
        Field(description="review if the probability is below the model's threshold: let a person look"),
    ]
    heatmap: Annotated[HeatmapAnswer | None, Field(description="null if it was not asked for")]
    warnings: list[PetWarning]
    model: Annotated[str, Field(description="the model's name")]
    version: Annotated[str, Field(description="the model's version")]

    def to_json(self) -> bytes:
        """The body that the client gets."""
        return _WRITER.dump_json(self, by_alias=True)


_WRITER = TypeAdapter(Prediction)
