"""``bundle.json`` of a pets bundle."""

from typing import Any, Literal

from pydantic import Field

from schemas.bundle import BundleManifest, StrictModel


class ImageSpec(StrictModel):
    """Preprocessing of a photo into the network's input."""

    size: int = Field(ge=32, le=1024, description="Width and height of the network's input, pixels.")
    crop_pct: float = Field(gt=0, le=1, description="Share of the photo's shorter side that the network sees.")
    mean: tuple[float, float, float] = Field(description="Means of red, green and blue, on a scale from 0 to 1.")
    std: tuple[float, float, float] = Field(description="Standard deviations of red, green and blue, on that scale.")


class BackboneSpec(StrictModel):
    """A backbone by name, and the properties of its input and output."""

    name: str = Field(description="Name of the backbone in `training.pets.network`.")
    channels: int = Field(description="Number of channels of the last feature map.")
    mean: tuple[float, float, float] = Field(description="Means that normalise the input: red, green and blue.")
    std: tuple[float, float, float] = Field(description="Standard deviations that normalise the input.")


class HeadSpec(StrictModel):
    """Layers that turn the feature map into logits."""

    hidden: int | None = Field(
        description="Number of units in the hidden layer after concat pooling; null for a single linear layer."
    )
    p: float = Field(ge=0, lt=1, description="Dropout probability before the last layer.")
    bn_final: bool = Field(description="True if a batch norm follows the last layer.")


class BreedSpec(StrictModel):
    """A class of the model."""

    name: str = Field(description="Name of the class.")
    species: Literal["cat", "dog"] | None = Field(default=None, description="Species; null if unknown.")


class PetsManifest(BundleManifest):
    """``bundle.json`` of a pets bundle."""

    kind: Literal["pets"] = "pets"
    classes: list[BreedSpec] = Field(min_length=2, description="Classes in the order of the logits.")
    image: ImageSpec = Field(description="Preprocessing of a photo.")
    backbone: BackboneSpec = Field(description="Backbone of the network.")
    head: HeadSpec = Field(description="Head of the network.")
    temperature: float = Field(gt=0, description="Divisor of the logits that calibrates the probabilities.")
    threshold: float = Field(ge=0, le=1, description="Probability below which a prediction is for review.")
    known_threshold: float | None = Field(
        default=None,
        allow_inf_nan=False,
        description="Limit of the largest logit, before the temperature; a photo below it is unlike the training "
        "photos. Null in older bundles: every photo counts as known.",
    )
    review_share: float = Field(
        default=0.0, ge=0, le=1, description="Default share of the accepted photos that go to review at random, 0 to 1."
    )
    metrics: dict[str, Any] = Field(
        description="Figures on the test photos; `left_out` has those of training photos left out of a fit."
    )
    training: dict[str, Any] = Field(description="Options of the training.")
    files: dict[str, str] = Field(description="SHA-256 of every other file in the folder, by name.")
