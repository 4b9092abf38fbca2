"""Growth of the costs of forecasts: rows of a file, stores, days and items of a request."""

import datetime as dt
import json
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.growth.curve import Curve, measure
from sales.forecaster import Forecaster
from schemas.sales.parse import parse_request
from training.sales.forecast_files.forecast import forecast_file

ROWS = (1_000, 4_000, 16_000, 64_000, 256_000)
STORES = (100, 1_000, 4_000, 16_000)
DAYS = (1, 7, 28, 84, 168, 336)
ITEMS = (1, 4, 16, 64, 256, 1_000)


def rows_of_files(bundle: Path, rounds: int) -> list[Curve]:
    """Measure forecasts from file to file."""
    forecaster = Forecaster.load(bundle)
    panel, horizon = forecaster.model.panel, forecaster.model.horizon
    with tempfile.TemporaryDirectory() as folder:
        calls = []
        for n_rows in ROWS:
            place, file = np.arange(n_rows), Path(folder, f"{n_rows}.csv")
            days = panel.first_day + panel.cutoff + 1 + place % horizon
            dates = np.datetime_as_string(days.astype("datetime64[D]"))
            stores = [panel.store_ids[index] for index in (place // horizon % len(panel.store_ids)).tolist()]
            pd.DataFrame({"store": stores, "date": dates}).to_csv(file, index=False)
            calls.append((n_rows, partial(forecast_file, forecaster, file, Path(folder, "out.csv"))))
        return [measure("file to file, CPU s", "rows of the file", calls, expected=1, rounds=rounds)]


def sizes_of_requests(bundle: Path, rounds: int) -> list[Curve]:
    """Measure requests of more days, and of more items."""
    forecaster = Forecaster.load(bundle)
    store, first = forecaster.model.panel.store_ids[0], forecaster.cutoff + dt.timedelta(days=1)

    def answer(request: object) -> None:
        forecaster.predict([parse_request(json.dumps(request).encode())])[0].to_json()

    def batch(n_requests: int) -> None:
        answers = forecaster.predict([parse_request({"store": store, "date": str(first)}) for _ in range(n_requests)])
        for one in answers:
            one.to_json()

    item = {"store": store, "date": str(first)}
    ranges = [(days, partial(answer, {"store": store, "start": str(first), "days": days})) for days in DAYS]
    lists = [(items, partial(answer, {"items": [item] * items})) for items in ITEMS]
    batches = [(size, partial(batch, size)) for size in ITEMS]
    return [
        measure("a request, CPU ms", "days of a range", ranges, expected=1, rounds=rounds, per=1e-3),
        measure("a request, CPU ms", "items of a list", lists, expected=1, rounds=rounds, per=1e-3),
        measure("a batch, CPU ms", "requests of a batch", batches, expected=1, rounds=rounds, per=1e-3),
    ]


def stores(bundle: Path, rounds: int, sizes: tuple[int, ...] = STORES) -> list[Curve]:
    """Measure the load of bundles of many stores, its memory, and a request, each number in a separate process."""
    figures = []
    for n_stores in sizes:
        command = [sys.executable, "-m", "benchmarks.growth.stores", str(bundle), str(n_stores)]
        measured = [json.loads(subprocess.check_output(command)) for _ in range(rounds)]
        figures.append([min(column) for column in zip(*measured, strict=True)])
    load, memory, request = zip(*figures, strict=True)
    return [
        Curve("load of a model, CPU s", "stores", sizes, load, 1),
        Curve("largest memory of the load, MiB", "stores", sizes, memory, 1),
        Curve("a request, CPU ms", "stores", sizes, request, 0),
    ]
