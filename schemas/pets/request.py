"""Requests for ``/predictions/pets`` and ``/explanations/pets``.

A photo is sent as it is, as the field ``image`` of a form, or in base64 as the field ``image`` of a JSON object. The
options are fields beside it, or parameters of the query.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

MAX_TOP = 100
MAX_NAME = 100  # characters of a class's name

Method = Literal["activation", "gradcam", "contrast"]

ClassName = Annotated[str, Field(strict=True, min_length=1, max_length=MAX_NAME)]


class Options(BaseModel):
    """What a client may ask for beside the breed."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    heatmap: Literal["none", "activation", "gradcam", "contrast"] = Field(
        default="none",
        description="the heatmap to draw: none; activation, where the network's last layer is active; gradcam, what "
        "speaks for a class; contrast, what speaks for a class rather than another",
    )
    class_: ClassName | None = Field(
        default=None,
        alias="class",
        description="the class that the heatmap explains, the most probable one if left out; upper and lower case, "
        "spaces and underscores are alike",
        examples=["Maine Coon"],
    )
    versus: ClassName | None = Field(
        default=None,
        description="the class that a contrast is drawn against, the most probable other one if left out",
        examples=["Ragdoll"],
    )
    top_k: int = Field(
        default=5,
        strict=True,
        ge=1,
        le=MAX_TOP,
        description="how many breeds to list, most probable first; all if the model has fewer",
    )
    overlay: Literal["none", "png"] = Field(
        default="png", description="whether a heatmap comes painted on the photo too, as a PNG in base64"
    )

    @field_validator("class_", "versus")
    @classmethod
    def _has_a_heatmap(cls, name: str | None, info: ValidationInfo) -> str | None:
        """A class is named for a heatmap's sake: without one the client expects what it will not get."""
        heatmap = info.data.get("heatmap")  # not there if it is wrong itself
        if name is None or heatmap is None:
            return name
        if info.field_name == "versus" and heatmap != "contrast":
            raise ValueError("goes with heatmap contrast alone")
        if heatmap in ("none", "activation"):
            raise ValueError("goes with heatmap gradcam or contrast alone")
        if info.field_name == "versus" and class_key(name) == class_key(info.data.get("class_") or ""):
            raise ValueError("must be another class than the one that the heatmap explains")
        return name


class PetRequest(Options):
    """A request that was read.

    Attributes:
        image: the photo's file as it was sent, at least one byte.
        content_type: what the sender calls it, in lower case, as ``image/jpeg``; often wrong.
    """

    image: bytes = Field(min_length=1, repr=False)
    content_type: str | None = None


class JsonRequest(Options):
    """A photo and options in JSON. It describes the request; `parse_request` reads it."""

    image: str = Field(
        min_length=1,
        description="the photo's file in base64, without line breaks; may begin like data:image/jpeg;base64,",
        json_schema_extra={"contentEncoding": "base64"},
    )


class ExplanationOptions(Options):
    """What a client may ask of ``/explanations/pets``, which always draws. It describes; `parse_request` reads."""

    heatmap: Method = Field(default="gradcam", description=Options.model_fields["heatmap"].description)


class JsonExplanationRequest(ExplanationOptions, JsonRequest):
    """A photo and options in JSON, for an explanation. It describes the request; `parse_request` reads it."""


def class_key(name: str) -> str:
    """What two spellings of a class's name have in common.

    >>> class_key(" maine_coon") == class_key("Maine  Coon")
    True
    """
    return " ".join(name.replace("_", " ").casefold().split())
