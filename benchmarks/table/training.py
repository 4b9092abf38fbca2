"""Rows of training: fastai's loop and ours with the network of fast.ai's lesson 6, and LightGBM alone.

All learn the same columns of generated tables, and forecast the same days after them. So each rate stands beside the
error that it leads to.
"""

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from fastai.tabular.all import Categorify, MSELossFlat, RegressionBlock, TabularPandas, tabular_config, tabular_learner
from numpy.typing import NDArray
from torch import nn

from benchmarks.table import machine
from benchmarks.table.record import Result
from sales.features import Features
from sales.preprocess import Prepared, Preprocessor
from training.device import fast_bfloat16
from training.loop.batches import TensorBatches, predict
from training.loop.learner import Learner
from training.sales.data.demo import write_demo
from training.sales.data.panel import panel_from_tables
from training.sales.data.tables import read_tables
from training.sales.metrics import exp_rmspe
from training.sales.model.network import EMB_DROP, LAYERS, PS, TabularNet, emb_sz_lesson
from training.sales.model.trees import Trees
from training.sales.rows import Rows

STORES, HOLDOUT = 40, 42
LEARNING_RATES = {256: 3e-3, 1024: 6e-3}  # by batch size; fastai's errors were larger with a third or half of them
WD, MARGIN = 0.2, 1.2  # as in the lesson
TREES = 600
FASTAI, BFLOAT16, FLOAT32, LIGHTGBM = "fastai", "bfloat16", "float32", "LightGBM"

Trained = Callable[[], NDArray[np.float32]]
"""Function that forecasts the holdout: log sales ``[row]``."""


@dataclass(frozen=True)
class Split:
    """Rows to train on or to forecast: the network's input, and the logarithm of the sales ``[row]``."""

    prepared: Prepared
    log_sales: NDArray[np.float32]

    def frame(self) -> pd.DataFrame:
        """Return the columns ``cat0`` and so on, ``cont0`` and so on, and ``y``, as fastai takes them."""
        cats = {f"cat{place}": column for place, column in enumerate(self.prepared.cats.T)}
        conts = {f"cont{place}": column for place, column in enumerate(self.prepared.conts.T)}
        return pd.DataFrame({**cats, **conts, "y": self.log_sales})


@dataclass(frozen=True)
class Lesson:
    """Generated tables with the columns of the lesson, and the size of its network for them.

    Attributes:
        train: rows to train on.
        holdout: rows of the days after them.
        emb_szs: number of codes and width of each embedding.
    """

    train: Split
    holdout: Split
    emb_szs: list[tuple[int, int]]

    @classmethod
    def generated(cls, stores: int) -> "Lesson":
        """Return the rows of the demonstration's tables with a number of stores."""
        with tempfile.TemporaryDirectory() as folder:
            write_demo(Path(folder, "tables"), stores=stores)
            panel = panel_from_tables(read_tables(Path(folder, "tables")))
        features, rows = Features(panel, "parity", horizon=HOLDOUT), Rows.sold(panel)
        seen = rows.day <= rows.day.max() - HOLDOUT
        splits = [rows.where(chosen) for chosen in (seen, ~seen)]
        columns = [features.build(split.store, split.day) for split in splits]
        names = features.feature_set
        preprocessor = Preprocessor.fit(columns[0], names.cat_names, names.cont_names)
        train, holdout = (
            Split(preprocessor.transform(part), np.log(split.sales).astype(np.float32))
            for part, split in zip(columns, splits, strict=True)
        )
        return cls(train, holdout, [(codes, emb_sz_lesson(codes)) for codes in preprocessor.n_codes])

    @property
    def n_cont(self) -> int:
        """Number of continuous columns."""
        return len(self.train.prepared.conts[0])

    @property
    def widths(self) -> list[int]:
        """Widths of the network's layers, from its input to its output."""
        return [sum(width for _, width in self.emb_szs) + self.n_cont, *LAYERS, 1]

    @property
    def y_range(self) -> tuple[float, float]:
        """Smallest and largest output of the network."""
        return 0.0, float(self.train.log_sales.max() + np.log(MARGIN))


@dataclass
class Figures:
    """Figures of one training in each round: seconds on the clock, seconds of CPU time, RMSPE on the holdout."""

    seconds: list[float]
    cpu_seconds: list[float]
    rmspe: list[float]

    def add(self, train: Callable[[], Trained], holdout: Split) -> None:
        """Run a training and add its figures."""
        start, cpu_start = time.perf_counter(), time.process_time()
        forecast = train()
        self.seconds.append(time.perf_counter() - start)
        self.cpu_seconds.append(time.process_time() - cpu_start)
        self.rmspe.append(exp_rmspe(holdout.log_sales, forecast()))


def rows(*, rounds: int, epochs: int = 3, stores: int = STORES) -> tuple[list[Result], str]:
    """Train all in turns; return the results and a description.

    Args:
        rounds: number of rounds, each with other initial weights and another order of the rows.
        epochs: number of passes over the rows.
        stores: number of stores in the tables.
    """
    lesson = Lesson.generated(stores)
    formats = [BFLOAT16, FLOAT32] if fast_bfloat16("cpu") else [FLOAT32]
    figures: dict[str, Figures] = {}
    products = []  # seconds that the network's matrix products take on one core: one forward, two backward
    passes = epochs * len(lesson.train.log_sales)
    for seed in range(rounds):
        for name, train in _trainings(lesson, formats, epochs, seed).items():
            figures.setdefault(name, Figures([], [], [])).add(train, lesson.holdout)
        flops = machine.limits()["matrix product, GFLOP/s"] * 1e9
        products.append(passes * 3 * machine.operations(lesson.widths) / flops)

    def rates(seconds: Sequence[float]) -> list[float]:
        return [passes / taken for taken in seconds]

    results = []
    for size in LEARNING_RATES:
        fastai = figures[_name(FASTAI, size)]
        for form in formats:
            what, ours = _name(form, size), figures[_name(form, size)]
            results += [
                Result.of(what, FASTAI, rates(ours.seconds), rates(fastai.seconds), unit="rows/s", goal=3),
                Result.of(what, FASTAI, rates(ours.cpu_seconds), rates(fastai.cpu_seconds), unit="rows/CPU s"),
                Result.of(what, FASTAI, ours.rmspe, fastai.rmspe, unit="RMSPE", goal=1, at_most=True),
            ]
        limit = rates(products)
        results.append(Result.of(what, "matrix products in float32", rates(ours.cpu_seconds), limit, unit="rows/CPU s"))
    trees = figures[LIGHTGBM]
    results += [
        Result.of(what, f"{LIGHTGBM}, {TREES} trees", ours.seconds, trees.seconds, unit="s"),
        Result.of(what, f"{LIGHTGBM}, {TREES} trees", ours.rmspe, trees.rmspe, unit="RMSPE"),
    ]
    about = (
        f"The network and the columns of fast.ai's lesson 6, {epochs} epochs with one-cycle, {torch.get_num_threads()} "
        f"threads. The tables are generated, {len(lesson.train.log_sales):,} rows of {stores} stores. The RMSPE is "
        f"that of the {HOLDOUT} days after them. Medians of {rounds} rounds with different seeds."
    )
    return results, about


def _name(loop: str, size: int) -> str:
    return f"{loop}, batches of {size:,}"


def _trainings(lesson: Lesson, formats: Sequence[str], epochs: int, seed: int) -> Mapping[str, Callable[[], Trained]]:
    """Return a function for each training, ready to start."""
    trainings: dict[str, Callable[[], Trained]] = {LIGHTGBM: lambda: _lightgbm(lesson, seed)}
    for size in LEARNING_RATES:
        trainings[_name(FASTAI, size)] = _fastai(lesson, size, epochs, seed)
        for form in formats:
            trainings[_name(form, size)] = _shopcat(lesson, size, epochs, seed, bfloat16=form == BFLOAT16)
    return trainings


def _fastai(lesson: Lesson, batch_size: int, epochs: int, seed: int) -> Callable[[], Trained]:
    """Return a function that trains as fastai's users do: TabularPandas, ``tabular_learner``, ``fit_one_cycle``."""
    frame = lesson.train.frame()
    cats, conts = ([name for name in frame.columns.tolist() if name.startswith(kind)] for kind in ("cat", "cont"))
    splits = (list(range(len(frame))), [0, 1])  # fastai evaluates on two rows, which costs nothing
    torch.manual_seed(seed)
    data = TabularPandas(frame, [Categorify], cats, conts, y_names="y", y_block=RegressionBlock(), splits=splits)
    learn = tabular_learner(
        data.dataloaders(bs=batch_size, device=torch.device("cpu")),
        layers=list(LAYERS),
        emb_szs={name: width for name, (_, width) in zip(cats, lesson.emb_szs, strict=True)},
        config=tabular_config(ps=list(PS), embed_p=EMB_DROP, y_range=lesson.y_range),
        loss_func=MSELossFlat(),
        wd=WD,
    )

    def forecast() -> NDArray[np.float32]:
        with learn.no_bar(), learn.no_logging():
            log_sales, _ = learn.get_preds(dl=learn.dls.test_dl(lesson.holdout.frame(), bs=4096))
        return np.asarray(log_sales.squeeze(1), np.float32)

    def train() -> Trained:
        with learn.no_bar(), learn.no_logging():
            learn.fit_one_cycle(epochs, LEARNING_RATES[batch_size])
        return forecast

    return train


def _shopcat(lesson: Lesson, batch_size: int, epochs: int, seed: int, *, bfloat16: bool) -> Callable[[], Trained]:
    """Return a function that trains as `training.sales.fit` does, with an output that starts at the target's mean."""
    arrays = (*lesson.train.prepared, lesson.train.log_sales)
    batches = TensorBatches(*map(torch.from_numpy, arrays), batch_size=batch_size)
    torch.manual_seed(seed)
    net = TabularNet(lesson.emb_szs, lesson.n_cont, y_range=lesson.y_range)
    net.start_at(float(lesson.train.log_sales.mean()))
    learn = Learner(net, nn.functional.mse_loss, wd=WD, bfloat16=bfloat16, seed=seed, progress=False)

    def train() -> Trained:
        learn.fit_one_cycle(batches, epochs, LEARNING_RATES[batch_size])
        return lambda: predict(learn.trained, *map(torch.from_numpy, lesson.holdout.prepared))

    return train


def _lightgbm(lesson: Lesson, seed: int) -> Trained:
    threads = torch.get_num_threads()
    trees = Trees.fit(lesson.train.prepared, lesson.train.log_sales, TREES, seed=seed, threads=threads)
    return lambda: trees.predict(lesson.holdout.prepared).astype(np.float32)
