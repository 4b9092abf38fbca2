"""The fits of a backtest: one for each window and seed, from tables that end at the window's cutoff.

A finished fit leaves a file with its forecasts, so that an interrupted backtest does not compute it again.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from training.loop import checkpoint
from training.sales.backtest.competitors import COMPETITORS
from training.sales.data.panel import panel_from_tables
from training.sales.data.tables import Tables
from training.sales.fit import Fitted, fit
from training.sales.options import Options
from training.sales.rows import Rows

Forecasts = dict[str, NDArray[np.float64]]

MODEL = "model"
LESSON = "lesson"


@dataclass(frozen=True)
class Fit:
    """One fit of a backtest, with all inputs of its process. It has no sales after the cutoff.

    Attributes:
        cutoff: last day whose sales are known.
        store: ``[row]``, store of each row to forecast, as an index into the panel.
        day: ``[row]``, day of each row to forecast, as an index into the panel.
        tables: the tables as known at the cutoff, with the plan of the window.
        observed: the same with the weather of the window, for the lesson's network; None if nothing needs it.
        options: options of the model, with the seed.
        baselines: trained baselines to compute beside the model.
        device: device to train on.
        file: file for the forecasts.
    """

    cutoff: np.datetime64
    store: NDArray[np.int64]
    day: NDArray[np.int64]
    tables: Tables
    observed: Tables | None
    options: Options
    baselines: tuple[str, ...]
    device: str
    file: Path

    @property
    def name(self) -> str:
        """Window and seed in words."""
        return f"{self.cutoff}, seed {self.options.seed}"

    @cached_property
    def fingerprint(self) -> dict[str, Any]:
        """Everything that decides the forecasts, as JSON values."""
        rows = hashlib.sha256(self.store.tobytes() + self.day.tobytes()).hexdigest()
        return {
            "tables": _digest(self.tables),
            "rows": rows,
            "cutoff": str(self.cutoff),
            "baselines": list(self.baselines),
            **json.loads(json.dumps(asdict(self.options))),
        }

    def finished(self) -> Forecasts | None:
        """Return the forecasts of an earlier run; None if it did not get so far.

        Raises:
            CheckpointError: if they are of other tables or options.
        """
        if not self.file.exists():
            return None
        tensors, state = checkpoint.load(self.file)
        checkpoint.check_same(self.file, "data and options", state, self.fingerprint)
        return {name: tensor.numpy() for name, tensor in tensors.items()}

    def run(self, *, progress: bool | None = None) -> None:
        """Fit the model and the trained baselines, and write their forecasts to the file.

        Args:
            progress: show a progress bar; if None, only on a terminal.
        """
        rows = Rows(self.store, self.day, np.full(len(self.store), np.nan, np.float32))
        checkpoints = self.file.with_suffix("")
        with _one_thread():
            fitted = self._fit(self.tables, self.options, checkpoints / MODEL, progress)
            forecasts = {MODEL: fitted.forecast(rows)}
            for name in self.baselines:
                if name == LESSON:
                    assert self.observed is not None
                    options = Options.of("parity", seed=self.options.seed)
                    forecasts[name] = self._fit(self.observed, options, checkpoints / LESSON, progress).forecast(rows)
                else:
                    forecasts[name] = COMPETITORS[name](fitted, rows, seed=self.options.seed)
        tensors = {name: torch.from_numpy(np.asarray(values, np.float64)) for name, values in forecasts.items()}
        checkpoint.save(self.file, tensors, self.fingerprint)
        shutil.rmtree(checkpoints, ignore_errors=True)

    def _fit(self, tables: Tables, options: Options, folder: Path, progress: bool | None) -> Fitted:
        panel = panel_from_tables(tables, cutoff=self.cutoff)
        return fit(panel, options, device=self.device, folder=folder, progress=progress)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Use one thread in the block, so that forecasts do not depend on the number of parallel fits.

    Why: with another number of threads, sums are rounded in another order.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _digest(tables: Tables) -> str:
    """Return a hash of all rows of all tables."""
    digest = hashlib.sha256()
    for field in fields(tables):
        table = getattr(tables, field.name)
        digest.update(field.name.encode())
        if isinstance(table, pd.DataFrame):
            digest.update(",".join(map(str, table.columns)).encode())
            digest.update(pd.util.hash_pandas_object(table, index=False).to_numpy().tobytes())
        else:
            digest.update(repr(table).encode())
    return digest.hexdigest()
