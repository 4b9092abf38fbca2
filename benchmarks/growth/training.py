"""Growth of the costs of training: rows of the tables, rows of an epoch, and rows of a batch."""

import json
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn

from benchmarks.growth.curve import Curve, measure
from sales.features import Features
from sales.preprocess import Preprocessor
from training.loop.batches import TensorBatches
from training.loop.learner import Learner
from training.sales.data.demo import write_demo
from training.sales.data.panel import panel_from_tables
from training.sales.data.tables import read_tables
from training.sales.model.network import TabularNet, emb_sz_lesson
from training.sales.options import DEFAULT_HORIZON
from training.sales.rows import Rows

TABLES = (10, 40, 160, 320)  # stores
ROWS = (16_000, 64_000, 256_000, 1_024_000)
BATCHES = (64, 256, 1_024, 4_096)
CODES, CONTS, LAYERS = (1_116, 8, 13, 32, 3, 12), 16, [256, 128]


def tables(rounds: int) -> list[Curve]:
    """Measure the way from tables to the network's input."""
    sizes, seconds = [], []
    for n_stores in TABLES:
        with tempfile.TemporaryDirectory() as folder:
            write_demo(Path(folder, "tables"), stores=n_stores)
            command = [sys.executable, "-m", "benchmarks.growth.training", str(Path(folder, "tables"))]
            measured = [json.loads(subprocess.check_output(command)) for _ in range(rounds)]
        rows, cpu = (min(column) for column in zip(*measured, strict=True))
        sizes.append(rows)
        seconds.append(cpu)
    return [Curve("tables to the network's input, CPU s", "rows of the tables", sizes, seconds, 1)]


def measure_tables(folder: Path) -> tuple[int, float]:
    """Return the rows of tables, and the CPU seconds to the network's input."""
    start = time.process_time()
    panel = panel_from_tables(read_tables(folder))
    features, rows = Features(panel, "production", horizon=DEFAULT_HORIZON), Rows.sold(panel)
    columns = features.build(rows.store, rows.day)
    names = features.feature_set
    Preprocessor.fit(columns, names.cat_names, names.cont_names).transform(columns)
    return len(rows), time.process_time() - start


def epoch(n_rows: int, batch_size: int = 1_024) -> None:
    """Train a small network for an epoch on random rows."""
    rng = np.random.default_rng(0)
    cats = torch.from_numpy(rng.integers(0, CODES, (n_rows, len(CODES))))
    conts = torch.from_numpy(rng.random((n_rows, CONTS), np.float32))
    batches = TensorBatches(cats, conts, conts.mean(1), batch_size=batch_size)
    network = TabularNet([(n, emb_sz_lesson(n)) for n in CODES], CONTS, layers=LAYERS, y_range=(0.0, 12.0))
    Learner(network, nn.functional.mse_loss, device="cpu", progress=False).fit_one_cycle(batches, 1, 1e-3)


def epochs(rounds: int) -> list[Curve]:
    """Measure epochs of more rows, and of larger batches."""
    rows = [(n_rows, partial(epoch, n_rows)) for n_rows in ROWS]
    batches = [(size, partial(epoch, 64_000, size)) for size in BATCHES]
    return [
        measure("an epoch, CPU s", "rows", rows, expected=1, rounds=rounds),
        measure("an epoch of 64,000 rows, CPU s", "rows of a batch", batches, expected=0, rounds=rounds),
    ]


if __name__ == "__main__":
    print(json.dumps(measure_tables(Path(sys.argv[1]))))
