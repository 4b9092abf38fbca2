"""Options of the sales training, without torch."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from runtime.words import counted
from training.options import OptionsError, TrainingOptions, declarations, option

DEFAULT_HORIZON = 49  # days, seven weeks; Kaggle's horizon is 48
MAX_HORIZON = 366  # days; as far as the calendar reaches beyond the last known sales (`sales.panel.DAYS_AHEAD`)
MIN_STEPS_PER_EPOCH = 150
MIN_STEPS = 1000  # of a training without a given number of epochs
MAX_EPOCHS = 100  # of such a training
MIN_TREE_ROWS = 100  # twice a leaf of `training.sales.model.trees`: fewer rows give no branch
QUICK: Mapping[str, Any] = MappingProxyType({"epochs": 2, "trees": 200, "calibration_windows": 1})
"""Options of a quick training, unless they are given."""


@dataclass(frozen=True)
class Options(TrainingOptions):
    """Options of a training. Those of production scored best in rolling windows; see `docs/reference/experiments.md`.

    The parity defaults are the fast.ai lesson's layers, learning rate, weight decay and dropouts. That lesson trains
    three cycles of 5 epochs in batches of 64, which takes hours on a CPU. In parity mode a moving average of the
    weights makes the figures depend less on the last steps.
    """

    mode: Literal["production", "parity"] = option(
        "production",
        help="production: only columns that are known when the forecast is made. parity: the columns of the fast.ai "
        "lesson, which look ahead, to compare with its figures.",
    )
    epochs: int | None = option(
        None, parity=10, min=1, shown="5, more for few rows", help="Number of passes over the training rows."
    )
    batch_size: int | None = option(
        None,
        parity=256,
        min=2,
        shown="1024, fewer for few rows",
        help="Number of rows in a batch.",
    )
    lr_max: float = option(2e-3, parity=1e-3, gt=0, flag="--lr", help="Peak learning rate; see `shopcat lr-find`.")
    pct_start: float = option(0.3, min=0, max=1, flag=None, help="Share of the training in which the rate rises.")
    wd: float = option(0.1, parity=0.2, min=0, help="Weight decay.")
    ema: float | None = option(
        None,
        parity=0.998,
        gt=0,
        lt=1,
        help="Decay of a moving average of the weights, which replaces them after training.",
    )
    target: Literal["relative", "sales"] = option(
        "relative",
        parity="sales",
        help="relative: learn the difference to the store's mean of the weekday and promotion. sales: learn the log of "
        "sales.",
    )
    cold_start: float = option(
        0.03,
        parity=0.0,
        min=0,
        lt=1,
        help="Share of the rows whose store and past sales are hidden, so that the network can forecast new stores.",
    )
    drop_codes: float = option(
        0.01,
        parity=0.0,
        min=0,
        lt=1,
        help="Share of each category's codes that become #na#, so that the network can forecast without them.",
    )
    layers: tuple[int, ...] = option((500, 250), parity=(1000, 500), min=1, help="Widths of the hidden layers.")
    ps: tuple[float, ...] = option(
        (0.1, 0.2),
        parity=(0.001, 0.01),
        min=0,
        lt=1,
        help="Dropout rate after each hidden layer, or one for all. The last default serves further layers.",
    )
    emb_drop: float = option(0.1, parity=0.04, min=0, lt=1, help="Dropout rate of the embeddings.")
    trees: int = option(
        600,
        parity=0,
        min=0,
        help="Number of boosted trees, whose forecast is averaged with the network's; 0 for the network alone.",
    )
    emb_rule: Literal["lesson", "fastai"] = option(
        "lesson", help="Width of an embedding of n codes: min(50, n/2 + 1), or the rule of later fastai versions."
    )
    bfloat16: bool | None = option(
        None,
        parity=False,
        flag="--bfloat16/--float32",
        shown="bfloat16 if the device is faster in it",
        help="Number format of matrix products.",
    )
    seed: int = option(0, min=0, help="Random seed for initial weights, batch order, dropout and trees.")
    horizon: int = option(
        DEFAULT_HORIZON,
        min=1,
        max=MAX_HORIZON,
        help="Number of days after the last known sales for which the model is made.",
    )
    beyond_horizon: Literal["warn", "refuse"] = option(
        "warn",
        help="Answer of the model to a date beyond its horizon. warn: a forecast with a warning. refuse: a problem.",
    )
    holdout: int | None = option(
        None,
        min=1,
        shown="the model's horizon; parity: as many rows as test.csv has",
        help="Number of days at the end of the tables to evaluate on.",
    )
    calibration_windows: int = option(
        4,
        parity=1,
        min=1,
        help="Number of past windows whose forecast errors give the intervals, the holdout included. Each takes a fit. "
        "Short tables allow fewer.",
    )
    country: str | None = option(
        None,
        shown="DE for Rossmann's tables; otherwise only the tables' holidays",
        help="Country of the stores, as two capital letters (ISO 3166), such as US. Its holidays are assumed after the "
        "plan, and known everywhere if the tables state none.",
    )
    objective: Literal["median", "mean", "rmspe"] = option(
        "median",
        help="Measure that forecasts are best for, unless a request names another. median: as many sales above as "
        "below. mean: totals that add up. rmspe: the root mean square percentage error.",
    )
    refit: bool = option(
        True,
        parity=False,
        flag="--refit/--no-refit",
        help="Fit all rows again after the evaluation; otherwise the bundle holds the first fit, which has not seen "
        "the last days.",
    )

    @classmethod
    def of(cls, mode: Literal["production", "parity"] = "production", **given: Any) -> "Options":
        """Return the defaults of a mode, with the given values in their place.

        Raises:
            OptionsError: if a value is out of bounds, or values contradict each other.
        """
        if "layers" in given or "ps" in given:
            given["ps"] = cls._rates(mode, len(given.get("layers", cls.layers)), given.get("ps"))
        return cls.from_preset(mode, mode=mode, **given)

    @classmethod
    def _rates(cls, mode: str, n_layers: int, given: tuple[float, ...] | None) -> tuple[float, ...]:
        """Return the dropout rate after each layer: one given rate is for all, and the last default is repeated."""
        if given is not None:
            return given * n_layers if len(given) == 1 else given
        declared = next(declaration for declaration in declarations(cls) if declaration.name == "ps")
        default = declared.presets.get(mode, declared.default)
        return tuple(default[min(layer, len(default) - 1)] for layer in range(n_layers))

    def check(self) -> None:
        """Check that each hidden layer has a dropout rate, and that the country is a code.

        Raises:
            OptionsError: if layers and dropouts differ in number, or the country is not two capital letters.
        """
        if self.country is not None and not re.fullmatch("[A-Z]{2}", self.country):
            raise OptionsError(f"--country is {self.country!r}; write two capital letters (ISO 3166), such as DE or US")
        if len(self.layers) != len(self.ps):
            raise OptionsError(
                f"--layers has {counted(len(self.layers), 'width')} and --ps {counted(len(self.ps), 'dropout rate')}; "
                "give one rate for each layer, or one for all"
            )

    def epochs_for(self, n_rows: int) -> int:
        """Return the number of epochs for a number of training rows.

        Unless ``epochs`` is given, it is 5, or as many as ``MIN_STEPS`` need. Measured on 2 stores with 1,242 rows: the
        RMSPE of a holdout was 0.27 after 5 epochs (190 steps) and 0.11 after 20.
        """
        if self.epochs is not None:
            return self.epochs
        steps = max(n_rows // self.batch_size_for(n_rows), 1)
        return min(max(5, -(-MIN_STEPS // steps)), MAX_EPOCHS)

    def trees_for(self, n_rows: int) -> int:
        """Return the number of trees for a number of training rows; 0 for fewer than ``MIN_TREE_ROWS``."""
        return self.trees if n_rows >= MIN_TREE_ROWS else 0

    def batch_size_for(self, n_rows: int) -> int:
        """Return the batch size for a number of training rows.

        Unless ``batch_size`` is given, it is the power of two up to 1,024, and at least 32, that leaves at least
        ``MIN_STEPS_PER_EPOCH`` steps in an epoch.
        """
        if self.batch_size is not None:
            return self.batch_size
        largest = max(n_rows // MIN_STEPS_PER_EPOCH, 1)
        return min(max(1 << int(math.log2(largest)), 32), 1024)
