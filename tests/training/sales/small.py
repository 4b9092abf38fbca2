"""Options of a training that takes a moment."""

from typing import Any

from training.sales.options import Options

SMALL: dict[str, Any] = {"layers": (8, 4), "epochs": 2, "batch_size": 256, "trees": 20, "calibration_windows": 1}
OPTIONS = Options.of(**SMALL)
