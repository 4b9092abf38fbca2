"""A bundle of many stores: the stores of a smaller one, repeated, with the same network.

    python -m benchmarks.growth.stores BUNDLE STORES

It prints the figures of `measure_stores` as JSON.
"""

import datetime as dt
import json
import math
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.growth.curve import largest_memory
from sales import bundle as bundles
from sales.bundle import Bundle
from sales.calendar import GRIDS
from sales.forecaster import Forecaster
from sales.network import onnx_network
from sales.panel import Panel
from schemas.sales.parse import parse_request

BY_STORE = (
    *("store_type", "assortment", "promo_interval", "state", "sales"),
    *("competition_distance", "competition_year", "competition_month", "promo2_year", "promo2_week"),
    *(f"calendar.{grid}" for grid in GRIDS),
)


def with_stores(bundle: Bundle, n_stores: int) -> Bundle:
    """Return a bundle in memory with ``n_stores`` stores. New ones have code 0, as stores that training never saw."""
    arrays = bundle.panel.arrays()
    numbers = np.arange(1, n_stores + 1, dtype=np.int32)
    place = (numbers - 1) % len(bundle.panel.store_ids)
    repeated = {name: arrays[name][place] for name in BY_STORE}
    levels = {**bundle.panel.levels, "Store": tuple(numbers.tolist())}
    panel = Panel.of({**arrays, **repeated, "calendar.stores": numbers}, levels)
    return replace(bundle, panel=panel, residuals=None, calibration=None)


def measure_stores(bundle: Path, n_stores: int) -> tuple[float, float, float]:
    """Return the CPU seconds and the MiB of loading a model of many stores, and the CPU milliseconds of a request."""
    loaded = bundles.load(bundle)
    repeated, run = with_stores(loaded, n_stores), onnx_network(loaded, "cpu", 1)
    start = time.process_time()
    forecaster = Forecaster.of(repeated, run)
    seconds = time.process_time() - start
    request = parse_request({"store": n_stores // 2, "date": str(forecaster.cutoff + dt.timedelta(days=5))})
    forecaster.predict([request])
    least = math.inf
    for _ in range(10):
        start = time.process_time()
        for _ in range(50):
            forecaster.predict([request])
        least = min(least, (time.process_time() - start) / 50)
    return seconds, largest_memory(), least * 1000


if __name__ == "__main__":
    print(json.dumps(measure_stores(Path(sys.argv[1]), int(sys.argv[2]))))
