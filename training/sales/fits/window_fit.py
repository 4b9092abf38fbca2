"""A fit on the tables as they were known at a cutoff, with forecasts of the days after it.

A finished fit leaves a file with its forecasts, so that an interrupted run does not compute it again.
"""

import hashlib
import json
import logging
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
from training.loop.history import Epoch, History
from training.loop.lr_finder import FoundLR
from training.sales.data.panel import panel_from_tables
from training.sales.data.tables import Tables
from training.sales.fit import Fitted, fit
from training.sales.fits.competitors import COMPETITORS
from training.sales.options import Options
from training.sales.rows import Rows

logger = logging.getLogger(__name__)

Forecasts = dict[str, NDArray[np.float64]]

MODEL = "model"
LESSON = "lesson"


@dataclass(frozen=True)
class WindowFit:
    """One fit, with all inputs of its process. Its tables have no sales after the cutoff.

    Attributes:
        name: words for log lines and errors; unique among fits that run together.
        cutoff: last day whose sales are known; None for the last day of the tables.
        store: ``[row]``, store of each row to forecast, as an index into the panel.
        day: ``[row]``, day of each row to forecast, as an index into the panel.
        tables: the tables as known at the cutoff, with the plan of the window.
        options: options of the model, with the seed.
        device: device to train on.
        file: file for the forecasts. The checkpoints lie beside it until the fit is finished.
        sales: ``[row]``, actual sales, for figures alone; None if they are not needed.
        find_lr: run the learning-rate finder first, and state the error on the rows after each epoch.
        keep: keep the last checkpoint, so that `fitted` needs no training.
        baselines: trained baselines to compute beside the model.
        observed: tables with the weather of the window, for the lesson's network; None if nothing needs them.
    """

    name: str
    cutoff: np.datetime64 | None
    store: NDArray[np.int64]
    day: NDArray[np.int64]
    tables: Tables
    options: Options
    device: str
    file: Path
    sales: NDArray[np.float64] | None = None
    find_lr: bool = False
    keep: bool = False
    baselines: tuple[str, ...] = ()
    observed: Tables | None = None

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
        """Return the forecasts ``[row]`` by forecaster, if this or an earlier run finished the fit; otherwise None.

        Raises:
            CheckpointError: if they are of other tables or options.
        """
        saved = self._saved()
        return None if saved is None else saved[0]

    def forecast(self) -> NDArray[np.float64]:
        """Return the model's forecasts ``[row]`` of the finished fit."""
        forecasts = self.finished()
        assert forecasts is not None
        return forecasts[MODEL]

    def course(self) -> tuple[History, FoundLR | None]:
        """Return the history of the finished fit, and the result of its learning-rate finder."""
        saved = self._saved()
        assert saved is not None
        history, lr = saved[1]["history"], saved[1]["lr"]
        epochs = [Epoch(**epoch) for epoch in history["epochs"]]
        return History(**{**history, "epochs": epochs}), None if lr is None else FoundLR(**lr)

    @cached_property
    def fitted(self) -> Fitted:
        """The trained network. It is trained now, unless there is a checkpoint of it."""
        return self._fit(self.tables, self.options, MODEL)

    def run(self, *, progress: bool | None = None) -> None:
        """Fit the model and the trained baselines, and write their forecasts to the file.

        Args:
            progress: show a progress bar; if None, only on a terminal.
        """
        rows = self._rows
        fitted = self._fit(self.tables, self.options, MODEL, progress)
        with _one_thread():
            forecasts = {MODEL: fitted.forecast(rows) if len(rows) else np.zeros(0)}
            for name in self.baselines:
                if name == LESSON:
                    assert self.observed is not None
                    options = Options.of("parity", seed=self.options.seed)
                    forecasts[name] = self._fit(self.observed, options, LESSON, progress).forecast(rows)
                else:
                    forecasts[name] = COMPETITORS[name](fitted, rows, seed=self.options.seed)
        tensors = {name: torch.from_numpy(np.asarray(values, np.float64)) for name, values in forecasts.items()}
        course = {"history": asdict(fitted.history), "lr": None if fitted.lr is None else asdict(fitted.lr)}
        checkpoint.save(self.file, tensors, {"fit": self.fingerprint, "course": course})
        if self.keep:
            self.__dict__["fitted"] = fitted  # if this process runs the fit, it need not load it again
        else:
            shutil.rmtree(self._checkpoints, ignore_errors=True)

    @property
    def _checkpoints(self) -> Path:
        return self.file.with_suffix("")

    @property
    def _rows(self) -> Rows:
        unknown = np.full(len(self.store), np.nan)
        return Rows(self.store, self.day, unknown if self.sales is None else self.sales)

    def _saved(self) -> tuple[Forecasts, dict[str, Any]] | None:
        """Return the forecasts and the course of a finished fit; None if it is not finished."""
        if not self.file.exists():
            return None
        tensors, state = checkpoint.load(self.file)
        checkpoint.check_same(self.file, "data and options", state.get("fit", {}), self.fingerprint)
        return {name: tensor.numpy() for name, tensor in tensors.items()}, state["course"]

    def _fit(self, tables: Tables, options: Options, name: str, progress: bool | None = None) -> Fitted:
        panel = panel_from_tables(tables, cutoff=self.cutoff)
        sold, last = int((~np.isnan(panel.sales)).sum()), panel.calendar.date(panel.cutoff)
        logger.info("%s rows with sales up to %s", f"{sold:,}", last)
        holdout = self._rows if self.find_lr and name == MODEL else None
        folder = self._checkpoints / name
        with _one_thread():
            return fit(panel, options, device=self.device, holdout=holdout, folder=folder, progress=progress)


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
        elif field.name == "own_columns":
            for values in tables.own_columns:
                digest.update(repr((values.column, values.words)).encode())
                digest.update(pd.util.hash_pandas_object(values.rows, index=False).to_numpy().tobytes())
        else:
            digest.update(repr(table).encode())
    return digest.hexdigest()
