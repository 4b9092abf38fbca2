"""Fit the sales model, a network and trees, to the sales that a panel knows."""

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from runtime.errors import UserError
from runtime.words import counted
from sales.features import COLUMNS, Columns, Features
from sales.panel import Panel
from sales.preprocess import Prepared, Preprocessor, varying
from schemas.sales.manifest import NetworkSpec
from training.device import fast_bfloat16
from training.loop import checkpoint
from training.loop.batches import TensorBatches, predict
from training.loop.history import History
from training.loop.learner import DivergedError, Learner
from training.loop.lr_finder import FoundLR
from training.sales.metrics import rmspe
from training.sales.model.network import TabularNet, emb_sz_lesson, emb_sz_rule
from training.sales.model.reference import anchor_values, reference
from training.sales.model.trees import Trees
from training.sales.options import Options
from training.sales.rows import Rows, forecast_open_days

# Columns whose sum is the mean log of the store's sales on the weekday, with or without a promotion.
ANCHOR = ("Level", "Weekday_364", "PromoWeekday_364")
TREE_SHARE = 0.5  # of the output; the network has the rest
MARGIN = 1.2  # factor between the largest sales of training and the largest forecast, as in the fast.ai lesson


@dataclass(frozen=True)
class Fitted:
    """A trained network with the panel, features and preprocessor that make its inputs.

    Attributes:
        panel: the sales, calendar, weather and trends that the network was trained on.
        features: columns made from the panel.
        preprocessor: codes and scales of the columns, fitted to the training rows.
        net: the network, in eval mode.
        trees: boosted trees on the same inputs; None for the network alone.
        spec: sizes of the network, for the manifest.
        options: options of the training, with the batch size and the number format that were chosen.
        device: device of the network.
        history: losses, learning rates and figures by epoch.
        lr: result of the learning-rate finder; None if it was not run or the loss diverged at once.
    """

    panel: Panel
    features: Features
    preprocessor: Preprocessor
    net: TabularNet
    trees: Trees | None
    spec: NetworkSpec
    options: Options
    device: str = "cpu"
    history: History = field(default_factory=History)
    lr: FoundLR | None = None

    def run(self, cats: NDArray[np.int32], conts: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run network and trees in torch and LightGBM, the reference for the exported graph.

        Arguments and result are those of `sales.preprocess.Run`.
        """
        return reference(self.net, self.trees, self.spec, device=self.device)(cats, conts)

    def weights(self) -> dict[str, NDArray[Any]]:
        """Return the network's state dict and the trees, by name."""
        weights = {name: tensor.cpu().numpy() for name, tensor in self.net.state_dict().items()}
        return weights | (self.trees.arrays() if self.trees is not None else {})

    def forecast(self, rows: Rows) -> NDArray[np.float64]:
        """Return the median forecasts of store-days, ``[row]``, as open days."""
        return forecast_open_days(self.features, self.preprocessor, self.run, rows)


def fit(
    panel: Panel,
    options: Options,
    *,
    device: str = "cpu",
    holdout: Rows | None = None,
    folder: Path | None = None,
    progress: bool | None = None,
) -> Fitted:
    """Train a network and trees on all sales that a panel knows.

    Args:
        panel: the data.
        options: options that decide the result.
        device: device to train on.
        holdout: rows to evaluate on after each epoch. Their RMSPE goes to the progress bar and the history. With a
            holdout the learning-rate finder runs first, on a copy of the network's state.
        folder: folder to save a checkpoint to after each epoch and after the trees, and to resume from.
        progress: show a progress bar; if None, only on a terminal.
    """
    fitted, prepared, log_sales = _prepare(panel, options, device)
    batches = _batches(fitted, prepared, log_sales)
    found = None
    if holdout is not None:
        with suppress(DivergedError):  # the report then lacks one plot
            found = _learner(fitted, options, progress=progress).lr_find(batches)
    learner = _learner(fitted, options, folder, progress=progress)
    evaluate = None if holdout is None else _evaluation(fitted, holdout)
    epochs = fitted.options.epochs
    assert epochs is not None  # `_prepare` chose it
    learner.fit_one_cycle(batches, epochs, options.lr_max, pct_start=options.pct_start, evaluate=evaluate)
    fitted.net.load_state_dict(learner.trained.state_dict())
    fitted.net.eval()
    trees = _fit_trees(fitted, prepared, log_sales, folder) if fitted.spec.tree_share else None
    return replace(fitted, trees=trees, history=learner.history, lr=found)


def lr_find(panel: Panel, options: Options, *, device: str = "cpu") -> FoundLR:
    """Run the learning-rate finder on all sales that a panel knows."""
    fitted, prepared, log_sales = _prepare(panel, options, device)
    return _learner(fitted, options).lr_find(_batches(fitted, prepared, log_sales))


def _prepare(panel: Panel, options: Options, device: str) -> tuple[Fitted, Prepared, NDArray[np.float32]]:
    """Return a new network, the inputs of the training rows, and their log sales ``[row]``.

    Raises:
        UserError: if all rows have the same values in all columns.
    """
    rows, origin = _training_rows(panel, options)
    rng = np.random.default_rng(options.seed + 1)
    new = rng.random(len(rows)) < options.cold_start
    features, columns, unused = _columns(panel, options, rows, origin, new)
    names = features.feature_set
    if not names.cat_names and not names.cont_names:
        raise UserError(
            f"nothing can be learned from {counted(len(rows), 'row')} with sales, because no column differs between "
            "them; add earlier sales"
        )
    unflagged = [column.name for column in COLUMNS[options.mode].values() if not column.flagged]
    preprocessor = Preprocessor.fit(columns, names.cat_names, names.cont_names, unused, unflagged)
    prepared = preprocessor.transform(columns)
    _drop_codes(prepared.cats[:, : len(names.cat_names)], names.cat_names, new, options.drop_codes, rng)
    unit = panel.unit if options.mode == "production" else 1.0  # the lesson learns sales as they are
    log_sales = np.log(rows.sales / unit).astype(np.float32)
    spec = _network_spec(preprocessor, options, rows.sales / unit, unit)
    torch.manual_seed(options.seed)
    net = TabularNet(
        spec.emb_szs, spec.n_cont, spec.layers, spec.ps, spec.emb_drop, y_range=spec.y_range, anchor=spec.anchor
    ).to(device)
    net.start_at(float((log_sales - anchor_values(spec, prepared)).mean()))
    bfloat16 = fast_bfloat16(device) if options.bfloat16 is None else options.bfloat16
    epochs, batch_size = options.epochs_for(len(rows)), options.batch_size_for(len(rows))
    chosen = replace(options, epochs=epochs, batch_size=batch_size, bfloat16=bfloat16)
    return Fitted(panel, features, preprocessor, net, None, spec, chosen, device), prepared, log_sales


def _batches(fitted: Fitted, prepared: Prepared, log_sales: NDArray[np.float32]) -> TensorBatches:
    """Return the batches to train a network on."""
    tensors = [torch.from_numpy(array).to(fitted.device) for array in (prepared.cats, prepared.conts, log_sales)]
    batch_size = fitted.options.batch_size
    assert batch_size is not None  # `_prepare` chose it
    return TensorBatches(*tensors, batch_size=batch_size)


def _fit_trees(fitted: Fitted, prepared: Prepared, log_sales: NDArray[np.float32], folder: Path | None) -> Trees:
    """Return trees that learn what the network learns, or those that an interrupted run has saved in the folder."""
    file = None if folder is None else folder / "trees.ckpt"
    fingerprint = _fingerprint(fitted.panel, fitted.options)
    if file is not None and file.exists():
        tensors, state = checkpoint.load(file)
        checkpoint.check_same(file, "data and options", state, fingerprint)
        return Trees.of({name: tensor.numpy() for name, tensor in tensors.items()})
    target = log_sales - anchor_values(fitted.spec, prepared)
    options = fitted.options
    trees = Trees.fit(prepared, target, options.trees, seed=options.seed, threads=torch.get_num_threads())
    if file is not None:
        tensors = {name: torch.from_numpy(array) for name, array in trees.arrays().items()}
        checkpoint.save(file, tensors, fingerprint)
    return trees


def _columns(
    panel: Panel, options: Options, rows: Rows, origin: NDArray[np.int64] | None, new: NDArray[np.bool_]
) -> tuple[Features, Columns, dict[str, float | None]]:
    """Return the features and the columns of the training rows, without columns that never vary.

    Parity mode keeps all columns of the lesson.

    Returns:
        The features, the columns, and the only value of each column that was left out.
    """
    features = Features(panel, options.mode, horizon=options.horizon)
    columns = features.build(rows.store, rows.day, origin=origin, new=new)
    feature_set, unused = varying(columns, features.feature_set)
    if options.mode == "parity" or not unused:
        return features, columns, {}
    features = Features(panel, options.mode, feature_set, horizon=options.horizon)
    return features, features.build(rows.store, rows.day, origin=origin, new=new), unused


def _drop_codes(
    cats: NDArray[np.int32],
    names: Sequence[str],
    new: NDArray[np.bool_],
    share: float,
    rng: np.random.Generator,
) -> None:
    """Set some codes to 0 (``#na#``), in place, so that its embeddings are trained.

    Args:
        cats: ``[row, cat]``, codes.
        names: names of the columns.
        new: ``[row]``, true for the rows of stores that count as new: the network may not recognise them.
        share: share of the codes of each column.
        rng: source of the random numbers.
    """
    if share:
        cats[rng.random(cats.shape, dtype=np.float32) < share] = 0
    if "Store" in names:
        cats[new, names.index("Store")] = 0


def _network_spec(preprocessor: Preprocessor, options: Options, sales: NDArray[np.float64], unit: float) -> NetworkSpec:
    """Return the sizes of the network, and the range of its output.

    The range follows the sales of the training rows, in ``unit``, so that any currency gives the same model. In parity
    mode it begins at sales of 1, as in the fast.ai lesson.
    """
    width = emb_sz_lesson if options.emb_rule == "lesson" else emb_sz_rule
    margin = MARGIN if sales.min() < sales.max() else 1 + 1e-6  # constant sales are forecast as they are
    lowest = 0.0 if options.mode == "parity" else float(np.log(sales.min() / margin))
    return NetworkSpec(
        emb_szs=[(codes, width(codes)) for codes in preprocessor.n_codes],
        n_cont=len(preprocessor.cont_names),
        layers=list(options.layers),
        ps=list(options.ps),
        emb_drop=options.emb_drop,
        y_range=(lowest, float(np.log(sales.max() * margin))),
        log_unit=math.log(unit),
        anchor=_anchor(preprocessor) if options.target == "relative" else None,
        tree_share=TREE_SHARE if options.trees_for(len(sales)) else 0.0,
    )


def _anchor(preprocessor: Preprocessor) -> tuple[list[float], float] | None:
    """Return weights and constant with which the normalised columns give the store's weekday-and-promotion mean.

    A column that never varied in training is left out. There is no anchor without the level.
    """
    names, normalize = preprocessor.cont_names, preprocessor.normalize
    used = np.array([name in ANCHOR for name in names])
    if ANCHOR[0] not in names:
        return None
    return np.where(used, normalize.stds + 1e-7, 0.0).tolist(), float(normalize.means[used].sum())


def _evaluation(fitted: Fitted, holdout: Rows) -> Callable[[nn.Module], Mapping[str, float]]:
    """Return a function that computes a network's RMSPE on the holdout."""
    prepared = fitted.preprocessor.transform(fitted.features.build(holdout.store, holdout.day))
    cats, conts = torch.from_numpy(prepared.cats), torch.from_numpy(prepared.conts)

    def evaluate(net: nn.Module) -> Mapping[str, float]:
        log_sales = predict(net, cats, conts, device=fitted.device).astype(np.float64) + fitted.spec.log_unit
        return {"rmspe": rmspe(holdout.sales, np.exp(log_sales))}

    return evaluate


def _training_rows(panel: Panel, options: Options) -> tuple[Rows, NDArray[np.int64] | None]:
    """Return the rows to train on, and the last day whose sales each row may use.

    In production mode each row is a forecast made up to a horizon before, on a day drawn at random, since the model
    will forecast as far ahead. In parity mode the columns look ahead, so there is no such day.
    """
    rows = Rows.sold(panel)
    if options.mode == "parity":
        return rows, None
    days_ahead = np.random.default_rng(options.seed).integers(1, options.horizon + 1, len(rows))
    return rows, rows.day - days_ahead


def _learner(fitted: Fitted, options: Options, folder: Path | None = None, *, progress: bool | None = None) -> Learner:
    """Return the learner of a network. Its checkpoint in the folder fits these data and options only."""
    fingerprint = {}
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        fingerprint = _fingerprint(fitted.panel, options)
    return Learner(
        fitted.net,
        nn.functional.mse_loss,
        wd=options.wd,
        ema=options.ema,
        bfloat16=bool(fitted.options.bfloat16),
        device=fitted.device,
        seed=options.seed,
        checkpoint=None if folder is None else folder / "all.ckpt",
        fingerprint=fingerprint,
        progress=progress,
    )


def _fingerprint(panel: Panel, options: Options) -> dict[str, Any]:
    """Return what decides the result of a fit, as JSON values."""
    return {"data": _digest(panel), **json.loads(json.dumps(asdict(options)))}


def _digest(panel: Panel) -> str:
    """Return a hash of everything in a panel."""
    digest = hashlib.sha256(json.dumps(panel.levels, sort_keys=True).encode())
    for key, array in sorted(panel.arrays().items()):
        digest.update(key.encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
