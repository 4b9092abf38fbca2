"""The optimizer of the training loop: AdamW as fastai sets it up, its one-cycle schedule and its saved state."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import OneCycleLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from training.loop import checkpoint as checkpoints

SQR_MOM = 0.99
"""Adam's second beta; torch's default is 0.999."""

EPS = 1e-8


@dataclass(frozen=True)
class OneCycle:
    """One cycle of learning rate and momentum, step by step.

    Attributes:
        epochs: number of epochs.
        batches: number of batches in an epoch.
        lr_max: peak learning rate of each group of layers.
        pct_start: share of the steps in which the rate rises.
        div: the first rate is ``lr_max / div``.
        div_final: the last rate is ``lr_max / div_final``.
        moms: momentum (Adam's first beta) at both ends and at the peak of the cycle.
    """

    epochs: int
    batches: int
    lr_max: Sequence[float]
    pct_start: float
    div: float
    div_final: float
    moms: tuple[float, float]

    @property
    def steps(self) -> int:
        """Number of steps in the cycle."""
        return self.epochs * self.batches

    def schedule(self, optimizer: Optimizer, epochs_done: int) -> OneCycleLR:
        """Return the schedule of an optimizer that has finished some epochs of the cycle."""
        one_cycle = partial(
            OneCycleLR,
            optimizer,
            [group["lr"] for group in optimizer.param_groups],
            total_steps=self.steps,
            # torch divides by the length of the rise, steps * pct_start - 1
            pct_start=self.pct_start if self.pct_start * self.steps != 1 else self.pct_start * 1.01,
            base_momentum=self.moms[1],
            max_momentum=self.moms[0],
            div_factor=self.div,
            final_div_factor=self.div_final / self.div,
        )
        schedule = one_cycle()  # also adds to the optimizer's groups what a later step needs
        return one_cycle(last_epoch=epochs_done * self.batches - 1) if epochs_done else schedule


def adamw(
    groups: Sequence[nn.Module], lrs: Sequence[float], *, wd: float, wd_bn_bias: bool, device: torch.device
) -> AdamW:
    """Return AdamW over all parameters that are not frozen.

    Args:
        groups: groups of layers.
        lrs: learning rate of each group.
        wd: decoupled weight decay.
        wd_bn_bias: let biases and batch norms decay too; otherwise they form groups of their own.
        device: device of the parameters.

    Raises:
        ValueError: if the number of learning rates is not that of the groups, or all layers are frozen.
    """
    if len(lrs) != len(groups):
        raise ValueError(f"{len(groups)} groups need one learning rate or as many; got {list(lrs)}")
    settings: list[dict[str, Any]] = []
    for module, lr in zip(groups, lrs, strict=True):
        trained = [param for param in module.parameters() if param.requires_grad]
        decaying = [param for param in trained if param.ndim > 1 or wd_bn_bias]
        others = [param for param in trained if not (param.ndim > 1 or wd_bn_bias)]
        settings += [
            {"params": params, "lr": lr, "weight_decay": decay}
            for params, decay in ((decaying, wd), (others, 0.0))
            if params
        ]
    if not settings:
        raise ValueError("all layers are frozen, so there is nothing to train; call unfreeze on some")
    return AdamW(settings, betas=(0.9, SQR_MOM), eps=EPS, fused=device.type in ("cpu", "cuda"))


def parameters(optimizer: Optimizer) -> list[nn.Parameter]:
    """Return the parameters that an optimizer trains, in the order of its state."""
    return [param for group in optimizer.param_groups for param in group["params"]]


def optimizer_state(optimizer: Optimizer, names: Mapping[nn.Parameter, str]) -> dict[str, Tensor]:
    """Return the tensors of an optimizer's state, as ``PARAMETER/ENTRY``."""
    return {
        f"{names[param]}/{entry}": tensor
        for param in parameters(optimizer)
        for entry, tensor in optimizer.state[param].items()
    }


def restore_optimizer(optimizer: Optimizer, names: Mapping[nn.Parameter, str], tensors: Mapping[str, Tensor]) -> None:
    """Give an optimizer the state that ``optimizer_state`` returned."""
    state = {}
    for index, param in enumerate(parameters(optimizer)):
        entries = checkpoints.group(tensors, f"{names[param]}/")
        # Laid out in memory like the parameter, because fused AdamW goes by the order in memory without a check.
        state[index] = {
            entry: torch.empty_like(param).copy_(tensor) if tensor.ndim else tensor for entry, tensor in entries.items()
        }
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def moving_average(model: nn.Module, decay: float) -> AveragedModel:
    """Return a copy of a model that follows it as an exponential moving average, batch-norm statistics included.

    Raises:
        ValueError: if the decay is not between 0 and 1.
    """
    if not 0 < decay < 1:
        raise ValueError(f"ema is {decay}; the decay of a moving average lies between 0 and 1, such as 0.999")
    return AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)  # type: ignore[no-untyped-call]
