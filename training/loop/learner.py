"""The training loop of all networks: one-cycle schedule, learning-rate finder, checkpoints and resume.

The loop knows neither sales nor pets. It takes a model, batches, a loss and groups of layers, and returns a trained
model and its history. The defaults are those of fastai v1, with which the fast.ai lesson was made.

On a CPU the same seed gives the same weights, also across an interruption. With another number of threads they differ,
because sums are rounded in another order (see ``training.loop.threads``).
"""

import itertools
import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import OneCycleLR
from tqdm import tqdm

from runtime.errors import UserError
from training.loop.batches import Batches
from training.loop.checkpoint import check_same
from training.loop.cpu import cpu_resources
from training.loop.groups import parameter_names
from training.loop.history import Epoch, History
from training.loop.lr_finder import FoundLR, smoothed_losses, valley
from training.loop.optimizer import (
    EPS,
    SQR_MOM,
    OneCycle,
    adamw,
    moving_average,
    optimizer_state,
    parameters,
    restore_optimizer,
)
from training.loop.run_state import Resume, load_run, save_run
from training.loop.seeding import epoch_seed, seeded

logger = logging.getLogger(__name__)

CHECK_EVERY = 20
"""Number of steps between two reads of the losses. A read waits for the GPU, so one in every step would slow it."""

Evaluate = Callable[[nn.Module], Mapping[str, float]]


class DivergedError(UserError):
    """An infinite or NaN loss; the message names epoch, step and learning rate."""


class Learner:
    """A model in training, which can be killed at any moment and resumed.

    With a ``checkpoint``, all state is saved after each epoch. A new learner with the same arguments and the same calls
    continues from there. On a CPU it ends with exactly the weights of an uninterrupted run.

    Args:
        model: network to train; it is moved to ``device``.
        loss: mean loss of a batch, from the model's output and the target.
        groups: groups of layers with a learning rate each, from first to last; together they are the whole model. One
            group if left out. ``fit_one_cycle`` does not train layers that are frozen (``freeze``) when it is called.
        wd: decoupled weight decay, as in AdamW and fastai's ``true_wd``.
        wd_bn_bias: let biases and batch norms decay too, as fastai v1 does; v2 does not.
        ema: decay of an exponential moving average of weights and batch-norm statistics, which is then ``trained``.
        bfloat16: compute in bfloat16 where torch considers it safe (autocast); the weights stay float32.
        device: device to train on.
        seed: random seed of batch order and dropout. It does not affect the initial weights.
        checkpoint: file to save to after each epoch, and to resume from if it exists.
        fingerprint: further values that must be the same to resume, such as a hash of the data; JSON values.
        progress: show a progress bar; if None, only on a terminal.

    Attributes:
        history: losses, learning rates and figures, including those from before a resume.

    Raises:
        ValueError: if ``groups`` leave out a parameter or contain one twice.
        CheckpointError: if the checkpoint is damaged or belongs to another run.
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Callable[[Tensor, Tensor], Tensor],
        *,
        groups: Sequence[nn.Module] | None = None,
        wd: float = 0.01,
        wd_bn_bias: bool = True,
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
        self.wd, self.wd_bn_bias = wd, wd_bn_bias
        self.ema = None if ema is None else moving_average(self.model, ema)
        self.bfloat16, self.seed, self.checkpoint, self.progress = bfloat16, seed, checkpoint, progress
        self.history = History()
        self._stages: list[dict[str, Any]] = []
        self._fingerprint = {
            "wd": wd,
            "wd_bn_bias": wd_bn_bias,
            "sqr_mom": SQR_MOM,
            "eps": EPS,
            "ema": ema,
            "bfloat16": bfloat16,
            "seed": seed,
            "groups": len(self.groups),
            **(fingerprint or {}),
        }
        self._modules: dict[str, nn.Module] = {"model": self.model, **({} if self.ema is None else {"ema": self.ema})}
        self._resume: Resume | None = None
        if checkpoint is not None and checkpoint.exists():
            self.history, self._resume = load_run(checkpoint, self._modules, self._fingerprint)

    @property
    def trained(self) -> nn.Module:
        """The network to evaluate and export: the moving average if there is one, otherwise the model."""
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
        evaluate: Evaluate | None = None,
        on_epoch: Callable[[Epoch], None] | None = None,
    ) -> None:
        """Train with one cycle: the learning rate rises from ``lr_max / div`` and falls to ``lr_max / div_final``.

        A second call is a new stage with a new optimizer, for example after ``unfreeze``. In a resumed run, calls whose
        stages were finished return at once. ``trained`` is left in eval mode.

        Args:
            train: batches of an epoch.
            epochs: number of epochs.
            lr_max: peak learning rate, one for all groups or one each (``spread_lr``).
            pct_start: share of the steps in which the rate rises.
            div: the first rate is ``lr_max / div``.
            div_final: the last rate is ``lr_max / div_final``.
            moms: momentum (Adam's first beta) at both ends and at the peak of the cycle.
            evaluate: function that returns figures of ``trained``. It is called after each epoch, in eval mode and
                without gradients; the figures go to the history and the progress bar.
            on_epoch: function that is called after each epoch, when its checkpoint, if any, is safe on disk.

        Raises:
            DivergedError: if the loss becomes infinite or NaN.
            CheckpointError: if this stage differs from the stage in the checkpoint.
            ValueError: if nothing can be trained, or the number of learning rates is not that of the groups.
        """
        lrs = [lr_max] * len(self.groups) if isinstance(lr_max, int | float) else list(lr_max)
        optimizer = self._optimizer(lrs)
        if epochs < 1 or len(train) < 1:
            raise ValueError(f"training needs an epoch and a batch; epochs is {epochs}, batches {len(train)}")
        cycle = OneCycle(epochs, len(train), lrs, pct_start, div, div_final, moms)
        done = self._start_stage(cycle, optimizer)
        if done < epochs:
            with cpu_resources(self.device, train), self._progress_bar(cycle, done) as bar:
                schedule = cycle.schedule(optimizer, done)
                for epoch in range(done, epochs):
                    bar.set_description(f"epoch {epoch + 1}/{epochs}")
                    record = self._run_epoch(train, optimizer, schedule, evaluate, bar)
                    if self.checkpoint is not None:
                        state = optimizer_state(optimizer, self._names)
                        resume = Resume(self._fingerprint, self._stages, epoch + 1, state)
                        save_run(self.checkpoint, self._modules, self.history, resume)
                    if on_epoch is not None:
                        on_epoch(record)
        self.trained.eval()

    def lr_find(
        self, train: Batches, *, start: float = 1e-7, end: float = 10.0, num_it: int = 100, stop: float = 4.0
    ) -> FoundLR:
        """Train for a few steps while the learning rate rises, then restore the weights and the random state.

        Args:
            train: batches to draw from, repeated as often as necessary.
            start: first learning rate, for all groups.
            end: last learning rate.
            num_it: number of steps.
            stop: end early when the smoothed loss is this many times its lowest value.

        Returns:
            The rates, the losses smoothed as in fastai (exponentially, 0.98, without bias) and the suggestion of
            fastai v2's ``valley``.

        Raises:
            DivergedError: if the loss grows at once, so that no rate can be suggested.
        """
        rates = [start * (end / start) ** (step / max(num_it - 1, 1)) for step in range(num_it)]
        weights = {name: tensor.clone() for name, tensor in self.model.state_dict().items()}
        try:
            with cpu_resources(self.device, train), self._seeded(0):
                self.model.train()
                losses = smoothed_losses(self._losses_at(rates, train), stop)
        finally:
            self.model.load_state_dict(weights)
            self.model.zero_grad()
        skip = num_it // 10  # fastai leaves out the first tenth and the last five
        if len(losses) < skip + 10:
            raise DivergedError(
                f"the loss diverged after {len(losses)} of {num_it} steps, at a learning rate of "
                f"{rates[max(len(losses) - 1, 0)]:.3g}; start lower than {start:g}, "
                "and check the target for values that are no numbers"
            )
        tried = rates[: len(losses)]
        return FoundLR(tried, losses, valley(tried[skip:-5], losses[skip:-5]))

    def _losses_at(self, rates: Sequence[float], train: Batches) -> Iterator[float]:
        """Train one step at each rate, on batches repeated as often as necessary, and yield the losses."""
        optimizer = self._optimizer([rates[0]] * len(self.groups))
        repeated = itertools.chain.from_iterable(itertools.repeat(train))
        for rate, batch in zip(rates, repeated, strict=False):
            for group in optimizer.param_groups:
                group["lr"] = rate
            yield float(self._step(batch, optimizer))

    def _run_epoch(
        self,
        train: Batches,
        optimizer: Optimizer,
        schedule: OneCycleLR,
        evaluate: Evaluate | None,
        bar: "tqdm[Any]",
    ) -> Epoch:
        """Train and evaluate an epoch, and add its figures to the history, the progress bar and the log."""
        start = time.perf_counter()
        number = len(self.history.epochs) + 1
        loss = self._train_epoch(train, number, optimizer, schedule, bar)
        metrics = self._evaluate(evaluate)
        epoch = Epoch(number, len(self._stages) - 1, loss, metrics, time.perf_counter() - start)
        self.history.epochs.append(epoch)
        bar.set_postfix({name: f"{value:.4g}" for name, value in {"loss": loss, **metrics}.items()})
        figures = "".join(f", {name} {value:.4f}" for name, value in metrics.items())
        logger.info("epoch %d: loss %.5g%s, %.1f s", number, loss, figures, epoch.seconds)
        return epoch

    def _train_epoch(
        self, train: Batches, number: int, optimizer: Optimizer, schedule: OneCycleLR, bar: "tqdm[Any]"
    ) -> float:
        """Train on all batches once and return the mean loss."""
        self.model.train()
        first = len(self.history.losses)
        unread: list[Tensor] = []
        with self._seeded(number):
            for batch in train:
                self.history.lrs.append(float(max(schedule.get_last_lr())))
                unread.append(self._step(batch, optimizer))
                schedule.step()
                if self.ema is not None:
                    self.ema.update_parameters(self.model)
                if len(unread) == CHECK_EVERY:
                    self._read_losses(unread, number, first)
                    bar.update(CHECK_EVERY)
            bar.update(len(unread))
            self._read_losses(unread, number, first)
        return float(np.mean(self.history.losses[first:]))

    def _step(self, batch: Sequence[Tensor], optimizer: Optimizer) -> Tensor:
        """Run forward pass, backward pass and update; return the loss, still on the device."""
        *inputs, target = (tensor.to(self.device, non_blocking=True) for tensor in batch)
        with self._precision():
            loss = self.loss(self.model(*inputs), target)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return loss.detach()

    def _read_losses(self, unread: list[Tensor], number: int, first: int) -> None:
        """Move losses to the history.

        Args:
            unread: losses on the device; the list is emptied.
            number: number of the epoch.
            first: index in the history of the epoch's first step.

        Raises:
            DivergedError: if a loss is infinite or NaN.
        """
        for loss in torch.stack(unread).tolist() if unread else ():
            if not math.isfinite(loss):
                step = len(self.history.losses)
                raise DivergedError(
                    f"the loss is {loss} in epoch {number}, step {step - first + 1}, at a learning rate of "
                    f"{self.history.lrs[step]:.3g}; try a lower lr_max, and check inputs and target for NaN"
                )
            self.history.losses.append(loss)
        unread.clear()

    def _evaluate(self, evaluate: Evaluate | None) -> dict[str, float]:
        """Return the figures of ``trained``, which is left in eval mode."""
        self.trained.eval()
        with torch.no_grad():
            return {name: float(value) for name, value in evaluate(self.trained).items()} if evaluate else {}

    def _optimizer(self, lrs: Sequence[float]) -> AdamW:
        """Return a new optimizer of the layers that are not frozen."""
        return adamw(self.groups, lrs, wd=self.wd, wd_bn_bias=self.wd_bn_bias, device=self.device)

    def _progress_bar(self, cycle: OneCycle, done: int) -> "tqdm[Any]":
        """Return a progress bar over the steps of a cycle."""
        hidden = None if self.progress is None else not self.progress
        return tqdm(total=cycle.steps, initial=done * cycle.batches, unit="batch", disable=hidden)

    def _seeded(self, number: int) -> AbstractContextManager[None]:
        """Seed torch's generators for epoch ``number`` in the block, and restore their state after it."""
        return seeded(epoch_seed(self.seed, number), self.device)

    def _precision(self) -> AbstractContextManager[Any]:
        """Compute in bfloat16 in the block if the learner does."""
        return torch.autocast(self.device.type, torch.bfloat16) if self.bfloat16 else nullcontext()

    def _start_stage(self, cycle: OneCycle, optimizer: AdamW) -> int:
        """Return the number of finished epochs of a new stage; in a resumed stage, restore the optimizer's state."""
        options = {**asdict(cycle), "trained parameters": len(parameters(optimizer))}
        self._stages.append(options)
        resume = self._resume
        if resume is None or self.checkpoint is None:
            return 0
        stage = len(self._stages) - 1
        check_same(self.checkpoint, f"fit_one_cycle call {stage + 1}", resume.stages[stage], options)
        if stage < len(resume.stages) - 1:
            return cycle.epochs
        restore_optimizer(optimizer, self._names, resume.optimizer)
        self._resume = None
        return resume.epochs
