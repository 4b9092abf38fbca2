"""Answers to ``/predictions/pets`` and ``/explanations/pets``.

They are dataclasses, which pydantic writes without validating: all of their values come from our own code.
"""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from schemas.pets.request import Look, Method

Species = Literal["cat", "dog"]
Decision = Literal["accept", "review"]
ReviewReason = Literal["unlike_training", "low_probability", "random_check"]
SpeciesField = Annotated[Species | None, Field(description="Species of the breed; null if the model does not know it.")]


@dataclass
class Breed:
    """One breed and its probability."""

    breed: Annotated[str, Field(description="Name of the class.")]
    species: SpeciesField
    probability: Annotated[
        float, Field(ge=0, le=1, description="Calibrated probability; those of all classes add up to 1.")
    ]


@dataclass
class BoxAnswer:
    """Part of the photo, in pixels of the upright original. Coordinates may be fractional."""

    left: Annotated[float, Field(description="Left side: pixels from the photo's left edge.")]
    top: Annotated[float, Field(description="Upper side: pixels from the photo's upper edge.")]
    right: Annotated[float, Field(description="Right side: pixels from the photo's left edge.")]
    bottom: Annotated[float, Field(description="Lower side: pixels from the photo's upper edge.")]


@dataclass
class HeatmapAnswer:
    """Evidence for a class by position. The grid's cells divide the box evenly; the network sees nothing outside it."""

    method: Annotated[Method, Field(description="Method that computed the heatmap.")]
    class_: Annotated[
        str | None, Field(alias="class", description="Class that the heatmap explains; null for activation.")
    ]
    versus: Annotated[str | None, Field(description="Class that a contrast compares with; null for the other methods.")]
    grid: Annotated[
        list[list[float]],
        Field(
            description="Heatmap values in the network's own units; a higher value is stronger. Rows go from top to "
            "bottom, cells from left to right."
        ),
    ]
    min: Annotated[float, Field(description="Lowest value of the grid.")]
    max: Annotated[float, Field(description="Highest value of the grid.")]
    all_zero: Annotated[
        bool, Field(description="True if no part of the photo is evidence for the class, so that the map is blank.")
    ]
    box: Annotated[BoxAnswer, Field(description="Part of the photo that the network sees and the grid covers.")]
    width: Annotated[int, Field(ge=1, description="Width of the upright original, pixels.")]
    height: Annotated[int, Field(ge=1, description="Height of the upright original, pixels.")]
    overlay: Annotated[
        str | None,
        Field(
            description="Upright photo with the grid painted on it, a PNG in base64; null if not requested.",
            json_schema_extra={"contentEncoding": "base64", "contentMediaType": "image/png"},
        ),
    ]


@dataclass
class PetWarning:
    """A reason to be careful with a prediction."""

    code: Annotated[
        Literal["unlike_training", "small_subject", "small_image", "unusual_aspect"],
        Field(
            description="Kind of warning: the photo is unlike all training photos (`known` is false), the animal is "
            "small in the photo, the photo has few pixels, or the network sees only the middle of a long photo. "
            "`small_subject` is not available with a heatmap of another class or a contrast, unless `look` is `closer`."
        ),
    ]
    detail: Annotated[str, Field(description="The warning in words.")]


@dataclass
class Prediction:
    """Answer to a request with one photo."""

    breed: Annotated[str, Field(description="Most probable class; only the closest one if `known` is false.")]
    species: SpeciesField
    probability: Annotated[
        float,
        Field(
            ge=0, le=1, description="Calibrated probability of the breed, 0 to 1; not meaningful if `known` is false."
        ),
    ]
    top: Annotated[list[Breed], Field(description="Most probable breeds, best first; `top_k` sets their number.")]
    known: Annotated[
        bool,
        Field(
            description="False if the photo is unlike all training photos: it may show no pet, another animal or a "
            "breed that is not a class. Always true if the model has no limit for this."
        ),
    ]
    decision: Annotated[
        Decision,
        Field(description="`review` if a person should look at the photo; `review_reason` says why."),
    ]
    review_reason: Annotated[
        ReviewReason | None,
        Field(
            description="Reason for the review; null if the decision is `accept`. `unlike_training`: `known` is false. "
            "`low_probability`: the probability is below the model's threshold. `random_check`: the prediction would "
            "be accepted, but a random share goes to review. If several hold, the first of these."
        ),
    ]
    look: Annotated[
        Look,
        Field(
            description="`closer` if the prediction comes from the part of the photo with the animal; `whole` if no "
            "closer look was requested, or if it would not show more detail."
        ),
    ]
    box: Annotated[BoxAnswer, Field(description="Part of the photo that the prediction comes from.")]
    heatmap: Annotated[HeatmapAnswer | None, Field(description="Heatmap; null if not requested.")]
    warnings: Annotated[list[PetWarning], Field(description="Reasons to be careful with the prediction.")]
    model: Annotated[str, Field(description="Name of the model.")]
    version: Annotated[str, Field(description="Version of the model.")]
    receipt: Annotated[
        str | None,
        Field(
            exclude_if=lambda receipt: receipt is None,
            description="Signed record of the answer, which takes the true breed to `/feedback/NAME`. Absent if the "
            "service has no key for receipts.",
        ),
    ] = field(default=None, kw_only=True)
    retained: Annotated[
        bool | None,
        Field(
            exclude_if=lambda retained: retained is None,
            description="True if the photo is kept, until people have looked at it or its time is over. Absent if the "
            "request does not ask for it.",
        ),
    ] = field(default=None, kw_only=True)

    def to_json(self) -> bytes:
        """Return the response's body."""
        return _ADAPTER.dump_json(self, by_alias=True)


_ADAPTER = TypeAdapter(Prediction)
