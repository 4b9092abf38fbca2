"""Train the sales model: tables in, a bundle and a report out.

Two fits. The first leaves the last weeks out and is judged on them. The second takes all rows with the same options,
since the weeks before a forecast tell most about it, and is what the bundle holds. Parity mode, made to compare with
the lesson's figures, stops after the first.
"""

import hashlib
import json
import logging
import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from runtime.bundle import Golden
from sales import bundle as bundles
from sales.calendar import STATE_HOLIDAYS
from sales.features import Features, Mode
from sales.forecaster import Forecaster, Model
from sales.history import HORIZON
from sales.panel import Panel
from sales.preprocess import Preprocessor, Run
from schemas.bundle import NetworkSpec, SalesManifest
from schemas.sales.answer import Forecast
from schemas.sales.parse import ForecastRequest
from schemas.sales.request import Item
from training.batches import TensorBatches, predict
from training.device import fast_bfloat16
from training.export import to_onnx
from training.learner import DivergedError, History, Learner
from training.lr_finder import FoundLR
from training.run import OptionsError, check_name, checkpoints
from training.sales.batchnorm_folding import FoldedNet
from training.sales.card import model_card
from training.sales.data.panel import panel_from_tables
from training.sales.data.tables import Tables
from training.sales.evaluation import Evaluation, HoldoutError, Rows
from training.sales.metrics import rmspe
from training.sales.network import EMB_DROP, LAYERS, PS, TabularNet, emb_sz_lesson, emb_sz_rule

log = logging.getLogger(__name__)

EPOCH_STEPS = 150
GOLDEN_ROWS = 48


@dataclass(frozen=True)
class Options:
    """How to train. The network is the lesson's in both modes; the other defaults are those that were found best."""

    mode: Mode = "production"
    epochs: int = 5
    batch_size: int | None = None  # None: 1,024, or fewer for so few rows that an epoch would have too few steps
    lr_max: float = 2e-3
    pct_start: float = 0.3
    wd: float = 0.1
    ema: float | None = None
    layers: tuple[int, ...] = LAYERS
    ps: tuple[float, ...] = (0.1, 0.2)
    emb_drop: float = 0.1
    emb_rule: Literal["lesson", "fastai"] = "lesson"
    bfloat16: bool | None = None  # None: if the device is faster in it
    seed: int = 0
    holdout: int | None = None  # days; None: as long as the plan, or in parity mode as many rows
    refit: bool = True

    @classmethod
    def of(cls, mode: Mode, **given: Any) -> "Options":
        """The defaults of a mode, and what is given instead.

        Raises:
            OptionsError: if a value makes no sense, or the layers and their dropouts differ in number.
        """
        options = cls(mode=mode, **({**_LESSON, **given} if mode == "parity" else given))
        wrong = {
            "lr": not 0 < options.lr_max < math.inf,
            "wd": not 0 <= options.wd < math.inf,
            "layers": not all(width > 0 for width in options.layers),
            "ps": not all(0 <= p < 1 for p in options.ps),
            "seed": options.seed < 0,
        }
        for name, bad in wrong.items():
            if bad:
                raise OptionsError(f"{name} has a value that can't be trained with; see --help for usual ones")
        if len(options.layers) != len(options.ps):
            raise OptionsError(
                f"{len(options.layers)} layers ({options.layers}) need as many dropouts; ps has {len(options.ps)} "
                f"({options.ps}): give both --layers and --ps"
            )
        return options

    def batch_size_for(self, rows: int) -> int:
        """The batch size that is meant for so many rows: at least ``EPOCH_STEPS`` steps an epoch, if not stated."""
        return self.batch_size or int(np.clip(2 ** int(np.log2(max(rows // EPOCH_STEPS, 1))), 32, 1024))


# The lesson's learning rate, weight decay and dropouts. It has three cycles of 5 epochs in batches of 64, which takes a
# CPU hours. The moving average makes the figure depend less on the last few steps.
_LESSON = {
    "epochs": 10,
    "batch_size": 256,
    "lr_max": 1e-3,
    "wd": 0.2,
    "ema": 0.998,
    "ps": PS,
    "emb_drop": EMB_DROP,
    "bfloat16": False,
    "refit": False,
}


@dataclass(frozen=True)
class Fitted:
    """A trained network and what its columns come from."""

    panel: Panel
    features: Features
    preprocessor: Preprocessor
    net: TabularNet
    spec: NetworkSpec
    history: History = field(default_factory=History)
    lr: FoundLR | None = None

    def run(self, device: str) -> Run:
        """The network as the forecaster runs it: here in torch, the reference for the exported one."""

        def run(cats: NDArray[np.int32], conts: NDArray[np.float32]) -> NDArray[np.float32]:
            return predict(self.net, torch.from_numpy(cats), torch.from_numpy(conts), device=device)

        return run

    def forecast(self, rows: Rows, device: str) -> NDArray[np.float64]:
        """Forecast sales ``[row]`` of open days."""
        prepared = self.preprocessor.transform(self.features.build(rows.store, rows.day))
        return np.exp(self.run(device)(prepared.cats, prepared.conts).astype(np.float64))


class Trained(NamedTuple):
    """What training gives beside the bundle that it wrote.

    Attributes:
        manifest: the bundle's.
        holdout: the first fit's forecasts of the days that it did not see.
        history: of the first fit.
        lr: what the learning-rate finder saw before the first fit; nothing if the loss diverged at once.
    """

    manifest: SalesManifest
    holdout: Evaluation
    history: History
    lr: FoundLR | None


def holdout_cutoff(tables: Tables, options: Options) -> np.datetime64:
    """The last day that the first fit may see.

    As long a time is held out as the plan (the test table) covers. In parity mode it is as many rows, by the lesson's
    rule: from the date of the open row that stands as far from the end as the test table has rows.

    Raises:
        HoldoutError: if that leaves no sales before or after the cutoff.
    """
    sold = tables.train.loc[tables.train["Sales"] > 0, "Date"].to_numpy("datetime64[D]")
    last = sold.max()
    if options.holdout is not None:
        cutoff = last - options.holdout
    elif options.mode == "parity":
        latest = np.sort(sold)[::-1]
        cutoff = latest[min(len(tables.test), len(latest) - 1)] - 1
    else:
        plan = tables.test["Date"].to_numpy("datetime64[D]")
        cutoff = last - max(int((plan.max() - last).astype(int)), 1) if plan.size else last - HORIZON
    if not sold.min() <= cutoff < last:
        raise HoldoutError(
            f"holding out the days after {cutoff} leaves nothing to train on or nothing to judge by: "
            f"the sales run from {sold.min()} to {last}; choose other holdout days"
        )
    return np.datetime64(cutoff)


def train(
    tables: Tables,
    out: Path,
    options: Options,
    *,
    device: str = "cpu",
    name: str = "sales",
    synthetic: bool = False,
    replace: bool = False,
    resume: bool = True,
    progress: bool | None = None,
    report: Callable[[Trained], None] | None = None,
) -> Trained:
    """Train, judge, and write a bundle; interrupted, it goes on after the last finished epoch.

    Args:
        tables: the lesson's tables.
        out: the bundle's folder. Checkpoints lie beside it until it is complete.
        options: how to train.
        device: where to train.
        name: the model's name.
        synthetic: whether the tables are made up, which the bundle then says.
        replace: whether a bundle that is there already may be replaced.
        resume: whether to go on from a checkpoint; else it starts anew.
        progress: show a bar; only on a terminal if left out.
        report: called with the result before the checkpoints go: if it fails, the next run is done in a moment.

    Returns:
        What the report is written of.

    Raises:
        OptionsError: if the name can't be a model's.
        HoldoutError: if the tables leave nothing to train on or to judge by.
        RunningError: if another training is about to write the bundle.
        CheckpointError: if the checkpoint is of other tables or options.
        DivergedError: if the loss is no number any more.
    """
    check_name(name)
    panel = panel_from_tables(tables)
    before = panel_from_tables(tables, cutoff=holdout_cutoff(tables, options))
    unseen = Rows.sold(panel, after=before.cutoff)
    with checkpoints(out, resume=resume) as folder:
        log.info("first fit: %s", _span(before))
        first = fit(before, options, device=device, judge=unseen, checkpoint=folder / "holdout.ckpt", progress=progress)
        holdout = Evaluation(panel, before.cutoff, unseen, first.forecast(unseen, device))
        final = first
        if options.refit:
            log.info("second fit, all rows: %s", _span(panel))
            final = fit(panel, options, device=device, checkpoint=folder / "all.ckpt", progress=progress)
        calendar = final.panel.calendar
        manifest = {
            "name": name,
            "created": datetime.now(UTC).replace(microsecond=0),
            "synthetic": synthetic,
            "mode": options.mode,
            "cutoff": calendar.date(final.panel.cutoff),
            "horizon": HORIZON,
            "first_date": calendar.date(0),
            "last_date": calendar.date(calendar.days - 1),
            "levels": {key: list(values) for key, values in final.panel.levels.items()},
            "preprocess": final.preprocessor.spec(final.panel.levels),
            "network": final.spec,
            "metrics": holdout.metrics(),
            "training": {**asdict(options), "rows": len(Rows.sold(final.panel)), "torch": torch.__version__},
        }
        whole = bundles.save(
            out,
            manifest,
            weights={key: tensor.cpu().numpy() for key, tensor in final.net.state_dict().items()},
            network=_exported(final, device),
            panel=final.panel,
            golden=_golden(final, name, device),
            card=model_card(manifest),
            replace=replace,
        )
        trained = Trained(whole, holdout, first.history, first.lr)
        if report is not None:
            report(trained)
    return trained


def fit(
    panel: Panel,
    options: Options,
    *,
    device: str = "cpu",
    judge: Rows | None = None,
    checkpoint: Path | None = None,
    progress: bool | None = None,
) -> Fitted:
    """Train on all sales that a panel knows.

    Args:
        panel: what is known.
        options: how to train.
        device: where to train.
        judge: rows to look at after each epoch: their RMSPE goes to the progress bar and the history. The
            learning-rate finder has a look, too, and leaves no trace.
        checkpoint: file to save to after each epoch, and to go on from.
        progress: show a bar; only on a terminal if left out.
    """
    fitted, batches = _prepare(panel, options, device)
    found = None
    if judge is not None:
        with suppress(DivergedError):  # a plot less
            found = _learner(fitted, options, device, None, progress).lr_find(batches)
    learner = _learner(fitted, options, device, checkpoint, progress)
    evaluate = None
    if judge is not None:
        prepared = fitted.preprocessor.transform(fitted.features.build(judge.store, judge.day))
        cats, conts = torch.from_numpy(prepared.cats), torch.from_numpy(prepared.conts)

        def evaluate(net: nn.Module) -> Mapping[str, float]:
            log_sales = predict(net, cats, conts, device=device)
            return {"rmspe": rmspe(judge.sales, np.exp(log_sales.astype(np.float64)))}

    learner.fit_one_cycle(batches, options.epochs, options.lr_max, pct_start=options.pct_start, evaluate=evaluate)
    fitted.net.load_state_dict(learner.trained.state_dict())
    fitted.net.eval()
    return Fitted(panel, fitted.features, fitted.preprocessor, fitted.net, fitted.spec, learner.history, found)


def lr_find(panel: Panel, options: Options, *, device: str = "cpu") -> FoundLR:
    """Look for a learning rate on all sales that a panel knows."""
    fitted, batches = _prepare(panel, options, device)
    return _learner(fitted, options, device, None, progress=None).lr_find(batches)


def _prepare(panel: Panel, options: Options, device: str) -> tuple[Fitted, TensorBatches]:
    """A new network and the batches that it is to be trained on."""
    features = Features(panel, options.mode)
    rows, origin = _training_rows(panel, options)
    columns = features.build(rows.store, rows.day, origin=origin)
    preprocessor = Preprocessor.fit(columns, features.feature_set.cat_names, features.feature_set.cont_names)
    prepared = preprocessor.transform(columns)
    width = emb_sz_lesson if options.emb_rule == "lesson" else emb_sz_rule
    spec = NetworkSpec(
        emb_szs=[(codes, width(codes)) for codes in preprocessor.n_codes],
        n_cont=len(preprocessor.cont_names),
        layers=list(options.layers),
        ps=list(options.ps),
        emb_drop=options.emb_drop,
        y_range=(0.0, float(np.log(rows.sales.max() * 1.2))),
    )
    torch.manual_seed(options.seed)
    net = TabularNet(spec.emb_szs, spec.n_cont, spec.layers, spec.ps, spec.emb_drop, y_range=spec.y_range).to(device)
    net.start_at(float(np.log(rows.sales).mean()))
    tensors = (
        torch.from_numpy(prepared.cats).to(device),
        torch.from_numpy(prepared.conts).to(device),
        torch.from_numpy(np.log(rows.sales)).to(device),
    )
    return Fitted(panel, features, preprocessor, net, spec), TensorBatches(
        *tensors, batch_size=options.batch_size_for(len(rows))
    )


def _training_rows(panel: Panel, options: Options) -> tuple[Rows, NDArray[np.int64] | None]:
    """What to train on, and the last day that each row may know.

    In production mode every row is a forecast made some days before, 1 to ``HORIZON`` at random, as far ahead as
    forecasts will be.
    """
    if options.mode == "parity":
        return Rows.sold(panel), None
    rows = Rows.sold(panel)
    ahead = np.random.default_rng(options.seed).integers(1, HORIZON + 1, len(rows))
    return rows, rows.day - ahead


def _learner(fitted: Fitted, options: Options, device: str, checkpoint: Path | None, progress: bool | None) -> Learner:
    """The learner of a network; its checkpoint goes with these data and options alone."""
    fingerprint = {}
    if checkpoint is not None:
        fingerprint = {"data": _digest(fitted.panel), **json.loads(json.dumps(asdict(options)))}
    return Learner(
        fitted.net,
        nn.functional.mse_loss,
        wd=options.wd,
        ema=options.ema,
        bfloat16=fast_bfloat16(device) if options.bfloat16 is None else options.bfloat16,
        device=device,
        seed=options.seed,
        checkpoint=checkpoint,
        fingerprint=fingerprint,
        progress=progress,
    )


def _exported(fitted: Fitted, device: str) -> bytes:
    """The network as ONNX."""
    cats = torch.zeros((2, len(fitted.spec.emb_szs)), dtype=torch.int32, device=device)
    return to_onnx(
        FoldedNet(fitted.net), (cats, torch.zeros((2, fitted.spec.n_cont), device=device)), ("cats", "conts")
    )


def _golden(fitted: Fitted, name: str, device: str) -> Golden:
    """Store days from all over the calendar, some with other plans than the tables', and their forecasts."""
    calendar, rng = fitted.panel.calendar, np.random.default_rng(0)
    forecaster = Forecaster(
        Model(name, "training", fitted.panel, fitted.features, fitted.preprocessor, fitted.run(device), HORIZON)
    )
    rows: Golden = []
    for number in range(GOLDEN_ROWS):
        store = int(rng.integers(len(calendar.stores)))
        first = fitted.panel.cutoff + 1 if number % 2 else 0
        day = int(rng.integers(first, min(fitted.panel.cutoff + HORIZON, calendar.days)))
        row: dict[str, Any] = {"store": int(calendar.stores[store]), "date": calendar.date(day).isoformat()}
        if number % 4 == 3:
            row |= {"promo": not calendar.promo[store, day], "open": True}
        if number % 16 == 7:
            row |= {"state_holiday": STATE_HOLIDAYS[1], "school_holiday": not calendar.school_holiday[store, day]}
        (answer,) = forecaster.predict([ForecastRequest((Item.model_validate(row),), single=True)])
        assert isinstance(answer, Forecast)  # the rows are made from the calendar
        rows.append({**row, "sales": answer.sales})
    return rows


def _digest(panel: Panel) -> str:
    """A hash of all that a panel knows."""
    digest = hashlib.sha256(json.dumps(panel.levels, sort_keys=True).encode())
    for key, array in sorted(panel.arrays().items()):
        digest.update(key.encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _span(panel: Panel) -> str:
    """How much a panel knows, in words."""
    return f"{len(Rows.sold(panel)):,} rows with sales up to {panel.calendar.date(panel.cutoff)}"
