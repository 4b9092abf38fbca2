"""Requests for ``/predictions/pets`` and ``/explanations/pets``.

A client sends the photo's bytes as the body, as the field ``image`` of a form, or in base64 as the field ``image`` of a
JSON object. The options are fields beside the image, or query parameters.

`PetJsonRequest` and the models for explanations only describe requests in the OpenAPI document;
`schemas.pets.parse` reads every form of request into a `PetRequest`.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

MAX_TOP = 100
MAX_NAME = 100  # characters of a class's name

Method = Literal["activation", "gradcam", "contrast"]
MethodOrNone = Literal["none", "activation", "gradcam", "contrast"]
Look = Literal["whole", "closer"]
Overlay = Literal["none", "png"]
Retain = Literal["none", "review", "appeal"]

ClassName = Annotated[str, Field(strict=True, min_length=1, max_length=MAX_NAME)]


class PetOptions(BaseModel):
    """Options beside the photo."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    heatmap: MethodOrNone = Field(
        default="none",
        description="Heatmap to draw: none; activation, where the network's last layer is active; gradcam, the "
        "evidence for a class; contrast, the evidence for a class against another class.",
    )
    class_: ClassName | None = Field(
        default=None,
        alias="class",
        description="Class that the heatmap explains; by default the most probable one. Upper and lower case, spaces "
        "and underscores make no difference.",
        examples=["Maine Coon"],
    )
    versus: ClassName | None = Field(
        default=None,
        description="Class that a contrast compares with; by default the most probable other one.",
        examples=["Ragdoll"],
    )
    look: Look = Field(
        default="whole",
        description="Part of the photo to classify: whole, its middle square; closer, the part with the evidence for a "
        "breed, if it is much smaller. A closer look helps with small animals and takes up to twice the time.",
    )
    top_k: int = Field(
        default=5,
        strict=True,
        ge=1,
        le=MAX_TOP,
        description="Number of breeds to list, most probable first; all of them if the model has fewer.",
    )
    overlay: Overlay = Field(
        default="png", description="Format of the photo with the heatmap painted on it: png (in base64), or none."
    )

    retain: Retain = Field(
        default="none",
        description="Consent to keep the photo for people who look at it: none; review, if the decision is review; "
        "appeal, in any case, because an appeal follows. A service keeps photos only if its operator wants it to.",
    )

    @field_validator("class_", "versus")
    @classmethod
    def _needs_a_heatmap(cls, name: str | None, info: ValidationInfo) -> str | None:
        """Reject a class name without a heatmap that would use it: the client expects something it would not get."""
        heatmap = info.data.get("heatmap")  # absent if it is invalid itself
        if name is None or heatmap is None:
            return name
        if info.field_name == "versus" and heatmap != "contrast":
            raise ValueError("only allowed with heatmap contrast")
        if heatmap in ("none", "activation"):
            raise ValueError("only allowed with heatmap gradcam or contrast")
        if info.field_name == "versus" and class_key(name) == class_key(info.data.get("class_") or ""):
            raise ValueError("must be another class than the one that the heatmap explains")
        return name


class PetRequest(PetOptions):
    """A parsed request.

    Attributes:
        image: bytes of the photo's file, at least one.
        content_type: the sender's content type in lower case, such as ``image/jpeg``; often wrong.
    """

    image: bytes = Field(min_length=1, repr=False)
    content_type: str | None = None


class PetJsonRequest(PetOptions):
    """A photo and options as JSON."""

    image: str = Field(
        min_length=1,
        description="The photo's file in base64 without line breaks, optionally as a data URL "
        "(data:image/jpeg;base64,...).",
        json_schema_extra={"contentEncoding": "base64"},
    )


class PetExplanationOptions(PetOptions):
    """Options of an explanation, which always has a heatmap."""

    heatmap: Method = Field(
        default="gradcam",
        description="Heatmap to draw: activation, where the network's last layer is active; gradcam, the evidence for "
        "a class; contrast, the evidence for a class against another class.",
    )


class PetJsonExplanationRequest(PetExplanationOptions, PetJsonRequest):
    """A photo and options as JSON, for an explanation."""


def class_key(name: str) -> str:
    """Return a key that is equal for all accepted spellings of a class name.

    >>> class_key(" maine_coon") == class_key("Maine  Coon")
    True
    """
    return " ".join(name.replace("_", " ").casefold().split())
