"""A bundle's manifest: what is in the folder that training writes and serving reads."""

import datetime as dt
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

FORMAT_VERSION: Literal[1] = 1

NAME = r"^[a-z][a-z0-9_-]{0,39}$"  # of a model: it stands in addresses, file names and labels


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PreprocessSpec(_Strict):
    """FillMissing, Categorify and Normalize as they were fitted on the training rows."""

    cat_names: list[str] = Field(description="categorical columns in the network's order, without the _na columns")
    cont_names: list[str] = Field(description="continuous columns in the network's order")
    classes: dict[str, list[int | str]] = Field(description="by column: the value of code 1, 2, ...; code 0 is #na#")
    gapped: list[str] = Field(description="categorical columns with missing values in training")
    na_names: list[str] = Field(
        description="continuous columns with gaps in training: each has an _na column of its own"
    )
    medians: list[float] = Field(description="what fills a gap, by continuous column")
    means: list[float]
    stds: list[float] = Field(description="sample standard deviations (ddof 1), as fastai v1 has them")
    mins: list[float] = Field(description="smallest value in training, by continuous column")
    maxs: list[float]


class NetworkSpec(_Strict):
    """The tabular network's shape."""

    emb_szs: list[tuple[int, int]] = Field(description="codes and width of each embedding")
    n_cont: int
    layers: list[int]
    ps: list[float]
    emb_drop: float
    y_range: tuple[float, float] = Field(description="range of the log target")


class SalesManifest(_Strict):
    """``bundle.json`` of a sales bundle."""

    format_version: Literal[1] = FORMAT_VERSION
    kind: Literal["sales"] = "sales"
    name: str = Field(pattern=NAME)
    version: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,59}$")
    created: dt.datetime
    synthetic: bool = Field(description="trained on generated tables; its forecasts mean nothing")
    mode: Literal["production", "parity"]
    cutoff: dt.date = Field(description="the last day whose sales the model knows")
    horizon: int = Field(description="days beyond the cutoff for which the model was made")
    first_date: dt.date = Field(description="the calendar's first day")
    last_date: dt.date = Field(description="the calendar's last day; later dates are refused")
    levels: dict[str, list[int | str]] = Field(description="by column: what the codes in the tables stand for")
    preprocess: PreprocessSpec
    network: NetworkSpec
    metrics: dict[str, Any] = Field(description="the holdout's figures")
    training: dict[str, Any] = Field(description="the options it was trained with")
    files: dict[str, str] = Field(description="sha256 of every other file in the folder")


class ImageSpec(_Strict):
    """How a photo becomes the network's input."""

    size: int = Field(ge=32, le=1024, description="side of the network's input, pixels")
    crop_pct: float = Field(gt=0, le=1, description="share of the shorter side that the network sees")
    mean: tuple[float, float, float] = Field(description="of red, green and blue, where 255 counts as 1")
    std: tuple[float, float, float]


class BackboneSpec(_Strict):
    """A backbone by name, and what it wants."""

    name: str
    channels: int = Field(description="of its last feature map")
    mean: tuple[float, float, float] = Field(description="that its input is normalised with")
    std: tuple[float, float, float]


class HeadSpec(_Strict):
    """What makes logits of a feature map."""

    hidden: int | None = Field(description="units of the hidden layer behind concat pooling; null: one linear layer")
    p: float = Field(ge=0, lt=1, description="dropout before the last layer")
    bn_final: bool = Field(description="whether a batch norm follows the last layer")


class BreedSpec(_Strict):
    """A class."""

    name: str
    species: Literal["cat", "dog"] | None = None


class PetsManifest(_Strict):
    """``bundle.json`` of a pets bundle."""

    format_version: Literal[1] = FORMAT_VERSION
    kind: Literal["pets"] = "pets"
    name: str = Field(pattern=NAME)
    version: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,59}$")
    created: dt.datetime
    classes: list[BreedSpec] = Field(min_length=2, description="in the order of the logits")
    image: ImageSpec
    backbone: BackboneSpec
    head: HeadSpec
    temperature: float = Field(gt=0, description="logits are divided by it before they become probabilities")
    threshold: float = Field(ge=0, le=1, description="predictions less probable than this are for review")
    metrics: dict[str, Any] = Field(description="of the photos that it was judged by")
    training: dict[str, Any] = Field(description="the options it was trained with")
    files: dict[str, str] = Field(description="sha256 of every other file in the folder")
