"""The manifest that every bundle has; each kind of model adds its own fields."""

import datetime as dt
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

FORMAT_VERSION: Final = 1  # of a kind of model whose format has never changed

NAME = r"^[a-z][a-z0-9_-]{0,39}$"  # a model's name is part of addresses, file names and metric labels


class StrictModel(BaseModel):
    """A part of a manifest. It is immutable, and unknown fields are an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class BundleManifest(StrictModel):
    """Fields of ``bundle.json`` that every kind of model has."""

    format_version: int = Field(default=FORMAT_VERSION, description="Version of the kind's bundle format.")
    kind: str = Field(description="Kind of the model; a key of `schemas.kinds.MODEL_KINDS`.")
    name: str = Field(pattern=NAME, description="Name of the model, as in /predictions/NAME.")
    version: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,59}$",
        description="Version of the model: date, and hash of the bundle's files that answers depend on.",
    )
    created: dt.datetime = Field(description="Time when the bundle was written.")
