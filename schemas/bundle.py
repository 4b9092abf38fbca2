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
