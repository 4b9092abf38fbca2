"""The training loop that all our networks share: one-cycle, learning-rate finder, checkpoint and resume.

It knows nothing of sales or pets: a model, batches, a loss and groups of layers come in, a trained model and its
history come out. The defaults are those of fastai v1, with which the lesson was made.

Errors::

    UserError
    ├── DivergedError      the loss is no number any more
    └── CheckpointError    a checkpoint that is damaged or of another run (training/checkpoint.py)
"""

import itertools
import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import OneCycleLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm

from runtime.errors import UserError
from training import checkpoint as checkpoints
from training.batches import Batches, TensorBatches, predict
from training.checkpoint import CheckpointError
from training.groups import freeze, parameter_names, spread_lr, unfreeze
from training.lr_finder import FoundLR, valley
from training.malloc import keep_freed_memory

__all__ = [
    "Batches",
    "CheckpointError",
    "DivergedError",
    "Epoch",
    "FoundLR",
    "History",
    "Learner",
    "TensorBatches",
    "freeze",
    "predict",
    "seeded",
    "spread_lr",
    "unfreeze",
    "valley",
]

log = logging.getLogger(__name__)

CHECK_EVERY = 20
"""Steps between two looks at the losses. A look waits for a GPU to finish, so one a step would slow it down."""


class DivergedError(UserError):
    """The loss is NaN or infinite; the message names epoch, step and learning rate."""


@dataclass(frozen=True)
class Epoch:
    """What one epoch came to.

    Attributes:
        number: from 1, counted over all stages.
        stage: which call of ``fit_one_cycle``, from 0.
        loss: mean training loss of its batches.
        metrics: what ``evaluate`` said after it.
        seconds: its training and evaluation.
    """

    number: int
    stage: int
    loss: float
    metrics: dict[str, float]
    seconds: float


@dataclass
class History:
    """Training loss and highest group's learning rate of each step, and each epoch's figures."""

    losses: list[float] = field(default_factory=list)
    lrs: list[float] = field(default_factory=list)
    epochs: list[Epoch] = field(default_factory=list)


class Learner:
    """Trains a model and, if asked, can be killed at any moment and go on where it was.

    With a ``checkpoint``, all state is saved after each epoch; a learner that is made again with the same arguments
    and gets the same calls continues from there, and on a CPU ends with the very same weights as without the break.

    Args:
        model: moved to ``device``.
        loss: of the model's output and the target; a mean over the batch.
        groups: parts of the model with a learning rate of their own, earliest first; together all of it. One if left
            out. Layers that are frozen (``freeze``) when ``fit_one_cycle`` is called are not trained by that call.
        wd: decoupled weight decay, as fastai's ``true_wd`` and AdamW.
        wd_bn_bias: whether biases and batch norms decay too; fastai v1 does so, v2 does not.
        sqr_mom: Adam's second beta; fastai has 0.99 where torch has 0.999.
        eps: Adam's epsilon.
        ema: decay of an exponential moving average of weights and batch-norm statistics, which ``trained`` then is.
        bfloat16: compute in bfloat16 where torch finds it safe (autocast); the weights stay float32.
        device: where to train.
        seed: of batch order and dropout. Initial weights were drawn before.
        checkpoint: file to save to after each epoch, and to go on from if it exists.
        fingerprint: what else must be the same to go on, such as a hash of the data and the options; JSON values.
        progress: show a bar; if left out, only on a terminal.

    Attributes:
        history: losses, learning rates and metrics, those before a resume included.

    Raises:
        ValueError: if ``groups`` leave out a parameter or have one twice.
        CheckpointError: if the checkpoint is damaged or of another run.
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Callable[[Tensor, Tensor], Tensor],
        *,
        groups: Sequence[nn.Module] | None = None,
        wd: float = 0.01,
        wd_bn_bias: bool = True,
        sqr_mom: float = 0.99,
        eps: float = 1e-8,
        ema: float | None = None,
        bfloat16: bool = False,
        device: torch.device | str = "cpu",
        seed: int = 0,
        checkpoint: Path | None = None,
        fingerprint: Mapping[str, Any] | None = None,
        progress: bool | None = None,
    ) -> None:
        self.device = torch.device(device)
        self.model, self.loss = model.to(self.device), loss
        self.groups = list(groups) if groups is not None else [model]
        self._names = parameter_names(model, self.groups)
        self.wd, self.wd_bn_bias, self.sqr_mom, self.eps = wd, wd_bn_bias, sqr_mom, eps
        self.ema = None if ema is None else _moving_average(self.model, ema)
        self.bfloat16, self.seed, self.checkpoint, self.progress = bfloat16, seed, checkpoint, progress
        self.history = History()
        self._stages: list[dict[str, Any]] = []
        self._fingerprint = {
            "wd": wd,
            "wd_bn_bias": wd_bn_bias,
            "sqr_mom": sqr_mom,
            "eps": eps,
            "ema": ema,
            "bfloat16": bfloat16,
            "seed": seed,
            "groups": len(self.groups),
            **(fingerprint or {}),
        }
        self._resume: _Resume | None = None
        if checkpoint is not None and checkpoint.exists():
            self._resume = self._load(checkpoint)

    @property
    def trained(self) -> nn.Module:
        """The network to evaluate and export: the moving average if there is one, else the model."""
        return self.model if self.ema is None else self.ema.module

    def fit_one_cycle(
        self,
        train: Batches,
        epochs: int,
        lr_max: float | Sequence[float] = 3e-3,
        *,
        pct_start: float = 0.3,
        div: float = 25.0,
        div_final: float = 25e4,
        moms: tuple[float, float] = (0.95, 0.85),
        evaluate: Callable[[nn.Module], Mapping[str, float]] | None = None,
        on_epoch: Callable[[Epoch], None] | None = None,
    ) -> None:
        """Trains with one cycle: the learning rate rises from ``lr_max / div`` and falls to ``lr_max / div_final``.

        Called again it is a new stage with a new optimizer, for instance after ``unfreeze``. When resumed, stages that
        were finished return at once. ``trained`` is left in eval mode.

        Args:
            train: the batches of an epoch.
            epochs: how many.
            lr_max: highest learning rate, one for all groups or one each (``spread_lr``).
            pct_start: share of the steps in which the rate rises.
            div: the first rate is ``lr_max / div``.
            div_final: the last rate is ``lr_max / div_final``.
            moms: momentum (Adam's first beta) at the ends and at the top of the cycle.
            evaluate: called with ``trained`` in eval mode after each epoch, without gradients; its figures go to the
                history and the progress bar.
            on_epoch: called after each epoch when its checkpoint, if any, is safe on disk.

        Raises:
            DivergedError: if the loss is no number any more.
            CheckpointError: if this stage differs from that in the checkpoint.
            ValueError: if nothing can be trained or the number of learning rates is not that of the groups.
        """
        lrs = [lr_max] * len(self.groups) if isinstance(lr_max, int | float) else list(lr_max)
        optimizer = self._optimizer(lrs)
        if epochs < 1 or len(train) < 1:
            raise ValueError(f"training needs an epoch and a batch; epochs is {epochs}, batches {len(train)}")
        steps = epochs * len(train)
        options = {
            "epochs": epochs,
            "batches": len(train),
            "lr_max": lrs,
            "pct_start": pct_start,
            "div": div,
            "div_final": div_final,
            "moms": moms,
            "trained parameters": len(_params(optimizer)),
        }
        start = self._start_stage(options, optimizer)
        if start == epochs:
            self.trained.eval()
            return
        if self.device.type == "cpu":
            keep_freed_memory()
        one_cycle = partial(
            OneCycleLR,
            optimizer,
            [group["lr"] for group in optimizer.param_groups],
            total_steps=steps,
            # torch divides by the length of the rise, steps * pct_start - 1
            pct_start=pct_start if pct_start * steps != 1 else pct_start * 1.01,
            base_momentum=moms[1],
            max_momentum=moms[0],
            div_factor=div,
            final_div_factor=div_final / div,
        )
        schedule = one_cycle()
        if start:  # the schedule is a function of the step alone; this sets it to that of the resumed one
            schedule = one_cycle(last_epoch=start * len(train) - 1)
        stage = len(self._stages) - 1
        with tqdm(
            total=steps,
            initial=start * len(train),
            unit="batch",
            disable=None if self.progress is None else not self.progress,
        ) as bar:
            for epoch in range(start, epochs):
                began = time.perf_counter()
                number = len(self.history.epochs) + 1
                bar.set_description(f"epoch {epoch + 1}/{epochs}")
                mean = self._train_epoch(train, number, optimizer, schedule, bar)
                metrics = self._evaluate(evaluate)
                record = Epoch(number, stage, mean, metrics, time.perf_counter() - began)
                self.history.epochs.append(record)
                bar.set_postfix({name: f"{value:.4g}" for name, value in {"loss": mean, **metrics}.items()})
                figures = "".join(f", {name} {value:.4f}" for name, value in metrics.items())
                log.info("epoch %d: loss %.5g%s, %.1f s", number, mean, figures, record.seconds)
                if self.checkpoint is not None:
                    self._save(self.checkpoint, epoch + 1, optimizer)
                if on_epoch is not None:
                    on_epoch(record)

    def lr_find(
        self, train: Batches, *, start: float = 1e-7, end: float = 10.0, num_it: int = 100, stop: float = 4.0
    ) -> FoundLR:
        """Trains for a moment with a rising learning rate and puts everything back as it was.

        Args:
            train: batches to draw from, as often as need be.
            start: the first learning rate, for all groups.
            end: the last one.
            num_it: number of steps.
            stop: give up when the smoothed loss is so many times its lowest.

        Returns:
            The rates, the losses smoothed as fastai does (exponentially, 0.98, without bias) and the suggestion of
            fastai v2's ``valley``.

        Raises:
            DivergedError: if the loss grows at once, so that there is nothing to read off.
        """
        weights = {name: tensor.clone() for name, tensor in self.model.state_dict().items()}
        optimizer = self._optimizer([start] * len(self.groups))
        lrs: list[float] = []
        losses: list[float] = []
        average = 0.0
        try:
            with self._seeded(0):
                self.model.train()
                for i, batch in enumerate(_cycle(train, num_it)):
                    lr = start * (end / start) ** (i / max(num_it - 1, 1))
                    for group in optimizer.param_groups:
                        group["lr"] = lr
                    average = 0.98 * average + 0.02 * float(self._step(batch, optimizer))
                    smooth = average / (1 - 0.98 ** (i + 1))
                    if not math.isfinite(smooth):
                        break
                    lrs.append(lr)
                    losses.append(smooth)
                    if smooth > stop * min(losses):
                        break
        finally:
            self.model.load_state_dict(weights)
            self.model.zero_grad()
        skip = num_it // 10  # fastai leaves out the first tenth and the last five
        if len(losses) < skip + 10:
            raise DivergedError(
                f"the loss diverged after {len(losses)} of {num_it} steps, at a learning rate of "
                f"{lrs[-1] if lrs else start:.3g}; start lower than {start:g}, "
                "and check the target for values that are no numbers"
            )
        return FoundLR(lrs, losses, valley(lrs[skip:-5], losses[skip:-5]))

    def _train_epoch(
        self, train: Batches, number: int, optimizer: Optimizer, schedule: OneCycleLR, bar: "tqdm[Any]"
    ) -> float:
        """One pass over the batches; the mean loss."""
        self.model.train()
        first = len(self.history.losses)
        waiting: list[Tensor] = []
        with self._seeded(number):
            for batch in train:
                self.history.lrs.append(float(max(schedule.get_last_lr())))
                waiting.append(self._step(batch, optimizer))
                schedule.step()
                if self.ema is not None:
                    self.ema.update_parameters(self.model)
                if len(waiting) == CHECK_EVERY:
                    self._note_losses(waiting, number, first)
                    bar.update(CHECK_EVERY)
            bar.update(len(waiting))
            self._note_losses(waiting, number, first)
        return float(np.mean(self.history.losses[first:]))

    def _step(self, batch: Sequence[Tensor], optimizer: Optimizer) -> Tensor:
        """Forward, backward, update; the loss, still on the device."""
        *inputs, target = (tensor.to(self.device, non_blocking=True) for tensor in batch)
        with self._precision():
            loss = self.loss(self.model(*inputs), target)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return loss.detach()

    def _note_losses(self, waiting: list[Tensor], number: int, first: int) -> None:
        """Moves the losses to the history; ``first`` is the history's index of the epoch's first step."""
        for loss in torch.stack(waiting).tolist() if waiting else ():
            if not math.isfinite(loss):
                step = len(self.history.losses)
                raise DivergedError(
                    f"the loss is {loss} in epoch {number}, step {step - first + 1}, at a learning rate of "
                    f"{self.history.lrs[step]:.3g}; try a lower lr_max, and check inputs and target for NaN"
                )
            self.history.losses.append(loss)
        waiting.clear()

    def _evaluate(self, evaluate: Callable[[nn.Module], Mapping[str, float]] | None) -> dict[str, float]:
        self.trained.eval()
        with torch.no_grad():
            return {name: float(value) for name, value in evaluate(self.trained).items()} if evaluate else {}

    def _optimizer(self, lrs: Sequence[float]) -> AdamW:
        """AdamW over what is not frozen; biases and batch norms in groups of their own if they do not decay."""
        if len(lrs) != len(self.groups):
            raise ValueError(f"{len(self.groups)} groups need one learning rate or as many; got {list(lrs)}")
        groups: list[dict[str, Any]] = []
        for module, lr in zip(self.groups, lrs, strict=True):
            params = [param for param in module.parameters() if param.requires_grad]
            plain = [param for param in params if param.ndim > 1 or self.wd_bn_bias]
            rest = [param for param in params if not (param.ndim > 1 or self.wd_bn_bias)]
            groups += [
                {"params": some, "lr": lr, "weight_decay": wd} for some, wd in ((plain, self.wd), (rest, 0.0)) if some
            ]
        if not groups:
            raise ValueError("all layers are frozen, so there is nothing to train; call unfreeze on some")
        return AdamW(groups, betas=(0.9, self.sqr_mom), eps=self.eps, fused=self.device.type in ("cpu", "cuda"))

    def _seeded(self, number: int) -> AbstractContextManager[None]:
        """Torch's generators as epoch ``number`` finds them, whatever came before; then again as they were."""
        seed = np.random.SeedSequence([self.seed, number]).generate_state(1, np.uint64)[0]
        return seeded(int(seed), self.device)

    def _precision(self) -> AbstractContextManager[Any]:
        return torch.autocast(self.device.type, torch.bfloat16) if self.bfloat16 else nullcontext()

    def _start_stage(self, options: dict[str, Any], optimizer: AdamW) -> int:
        """How many epochs of this stage are done; if the run stopped in it, the optimizer gets its state back."""
        self._stages.append(options)
        resume = self._resume
        if resume is None or self.checkpoint is None:
            return 0
        stage = len(self._stages) - 1
        checkpoints.check_same(self.checkpoint, f"fit_one_cycle call {stage + 1}", resume.stages[stage], options)
        if stage < len(resume.stages) - 1:
            return int(options["epochs"])
        state = {}
        for i, param in enumerate(_params(optimizer)):
            entries = checkpoints.group(resume.optimizer, f"{self._names[param]}/")
            # laid out in memory like the parameter: fused AdamW goes by the memory's order and does not look
            state[i] = {k: torch.empty_like(param).copy_(v) if v.ndim else v for k, v in entries.items()}
        optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
        self._resume = None
        return resume.epochs

    def _save(self, path: Path, epochs: int, optimizer: AdamW) -> None:
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        if self.ema is not None:
            tensors |= {f"ema.{name}": tensor for name, tensor in self.ema.state_dict().items()}
        for param in _params(optimizer):
            entries = optimizer.state[param].items()
            tensors |= {f"optimizer.{self._names[param]}/{name}": tensor for name, tensor in entries}
        tensors["losses"] = torch.tensor(self.history.losses, dtype=torch.float64)
        tensors["lrs"] = torch.tensor(self.history.lrs, dtype=torch.float64)
        state = {"fingerprint": self._fingerprint, "stages": self._stages, "epochs": epochs}
        checkpoints.save(path, tensors, {**state, "history": [asdict(epoch) for epoch in self.history.epochs]})

    def _load(self, path: Path) -> "_Resume":
        tensors, state = checkpoints.load(path)
        checkpoints.check_same(path, "data and options", state["fingerprint"], self._fingerprint)
        try:
            self.model.load_state_dict(checkpoints.group(tensors, "model."))
            if self.ema is not None:
                self.ema.load_state_dict(checkpoints.group(tensors, "ema."))
        except RuntimeError as error:
            raise CheckpointError(f"{path} belongs to another network; delete it to start over. {error}") from error
        epochs = [Epoch(**epoch) for epoch in state["history"]]
        self.history = History(tensors["losses"].tolist(), tensors["lrs"].tolist(), epochs)
        log.info("%s: going on after epoch %d", path, len(epochs))
        return _Resume(state["stages"], state["epochs"], checkpoints.group(tensors, "optimizer."))


@dataclass
class _Resume:
    """What a checkpoint holds for the stage that it was made in: its number of epochs done and optimizer state."""

    stages: list[dict[str, Any]]
    epochs: int
    optimizer: dict[str, Tensor]


def _params(optimizer: Optimizer) -> list[nn.Parameter]:
    return [param for group in optimizer.param_groups for param in group["params"]]


def _moving_average(model: nn.Module, decay: float) -> AveragedModel:
    if not 0 < decay < 1:
        raise ValueError(f"ema is {decay}; the decay of a moving average lies between 0 and 1, such as 0.999")
    return AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)  # type: ignore[no-untyped-call]


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Torch's global generator starts from a seed in the block, and is put back after it."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def _cycle(train: Batches, steps: int) -> Iterator[Sequence[Tensor]]:
    """So many batches, starting again when they end."""
    return itertools.islice(itertools.chain.from_iterable(itertools.repeat(train)), steps)
