"""``bundle.json`` of a sales bundle."""

import datetime as dt
from typing import Any, Final, Literal

from pydantic import Field

from schemas.bundle import BundleManifest, StrictModel
from schemas.sales.options import Objective

# 2: columns that never varied are left out; counts of days, closures and competitors are as `sales.columns` has them.
# 3: calibration.safetensors, and the objective.
FORMAT_VERSION: Final = 3


class PreprocessSpec(StrictModel):
    """FillMissing, Categorify and Normalize, fitted on the training rows."""

    cat_names: list[str] = Field(description="Categorical columns in the network's order, without the _na columns.")
    cont_names: list[str] = Field(description="Continuous columns in the network's order.")
    classes: dict[str, list[int | str]] = Field(
        description="Values of the codes 1, 2, ... by categorical column. Code 0 is #na#."
    )
    gapped: list[str] = Field(description="Categorical columns with missing values in training.")
    na_names: list[str] = Field(
        description="Continuous columns with missing values in training. Each has an additional _na column."
    )
    medians: list[float] = Field(description="Values that replace missing ones, by continuous column.")
    means: list[float] = Field(description="Means in training, by continuous column.")
    stds: list[float] = Field(
        description="Sample standard deviations in training (ddof 1, as in fastai v1), by continuous column."
    )
    mins: list[float] = Field(description="Smallest values in training, by continuous column.")
    maxs: list[float] = Field(description="Largest values in training, by continuous column.")
    unused: dict[str, float | None] = Field(
        default_factory=dict,
        description="Columns that never varied in training, which the network does not take, with their only value.",
    )


class NetworkSpec(StrictModel):
    """Shape of the tabular network."""

    emb_szs: list[tuple[int, int]] = Field(description="Number of codes and width of each embedding.")
    n_cont: int = Field(description="Number of continuous inputs.")
    layers: list[int] = Field(description="Widths of the hidden layers.")
    ps: list[float] = Field(description="Dropout probabilities after the hidden layers.")
    emb_drop: float = Field(description="Dropout probability of the embeddings.")
    y_range: tuple[float, float] = Field(
        description="Lowest and highest log of sales, in the model's unit, that the network can predict."
    )
    log_unit: float = Field(default=0.0, description="Logarithm of the unit in which the model learns sales.")
    anchor: tuple[list[float], float] | None = Field(
        default=None,
        description="Weights of the continuous inputs, and constant, of the simple forecast from which the network "
        "learns the difference; null if it learns the log of sales.",
    )
    tree_share: float = Field(default=0.0, description="Share of the boosted trees in the output; 0 without trees.")


class CalibrationSpec(StrictModel):
    """Summary of the calibration of intervals, quantiles and objectives."""

    cutoffs: list[dt.date] = Field(
        description="Cutoffs of the windows whose forecasts were compared with the sales that followed, earliest first."
    )
    days: int = Field(description="Number of days of a store that were compared.")
    new_stores: int = Field(description="Number of stores without such days, whose intervals are wider.")
    factors: dict[Objective, float] = Field(description="Factor of the median forecast, by objective.")
    coverage: dict[str, float] = Field(
        description="Share of the sales of days within their interval, by its level in percent. Each window is judged "
        "by the calibration of the others, and the mean is taken over windows. Empty with one window."
    )
    total_coverage: dict[str, float] = Field(
        description="The same for the totals of a store over the horizon, as far as the window reaches."
    )


class SalesManifest(BundleManifest):
    """``bundle.json`` of a sales bundle."""

    format_version: int = Field(default=FORMAT_VERSION, description="Version of the format of sales bundles.")
    kind: Literal["sales"] = "sales"
    synthetic: bool = Field(description="True if trained on generated tables: the forecasts then mean nothing.")
    mode: Literal["production", "parity"] = Field(description="Set of columns; see `sales.columns`.")
    cutoff: dt.date = Field(description="Last day whose sales the model knows.")
    horizon: int = Field(description="Number of days after the cutoff that the model is made for.")
    beyond_horizon: Literal["warn", "refuse"] = Field(
        default="warn",
        description="Answer to a date beyond the horizon: a forecast with a warning, or the problem beyond-horizon.",
    )
    first_date: dt.date = Field(description="First day of the calendar.")
    last_date: dt.date = Field(description="Last day of the calendar. The model rejects later dates.")
    levels: dict[str, list[int | str]] = Field(description="Meanings of the codes in the tables, by column.")
    preprocess: PreprocessSpec = Field(description="Fitted preprocessing.")
    network: NetworkSpec = Field(description="Shape of the network.")
    metrics: dict[str, Any] = Field(description="Figures of the holdout.")
    training: dict[str, Any] = Field(description="Options of the training.")
    objective: Objective = Field(
        default="median", description="Measure that forecasts are best for, unless a request names another."
    )
    calibration: CalibrationSpec | None = Field(
        default=None, description="Summary of the calibration; null if the model has no intervals."
    )
    files: dict[str, str] = Field(description="SHA-256 of every other file in the folder, by name.")
