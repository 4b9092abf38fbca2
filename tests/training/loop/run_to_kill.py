"""A small training run in two stages, and one that kills itself.

It imports no test tools, because the killed processes import it.
"""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from training.loop.batches import TensorBatches, predict
from training.loop.groups import freeze, spread_lr, unfreeze
from training.loop.history import Epoch
from training.loop.learner import Learner
from training.sales.model.network import TabularNet

ROWS = 320


def data() -> tuple[Tensor, Tensor, Tensor]:
    rng = torch.Generator().manual_seed(5)
    cats = torch.randint(0, 6, (ROWS, 2), generator=rng)
    conts = torch.randn(ROWS, 3, generator=rng)
    return cats, conts, 2.0 + cats[:, 0] / 3 + conts[:, 1].sin()


def learner(path: Path | None = None, *, seed: int = 0, **options: Any) -> Learner:
    torch.manual_seed(1)
    net = TabularNet([(6, 4), (6, 3)], 3, (16, 8), (0.05, 0.1), y_range=(0.0, 6.0))
    return Learner(
        net,
        mse_loss,
        groups=[nn.ModuleList([net.embeds, net.bn_cont]), net.layers],
        checkpoint=path,
        seed=seed,
        progress=False,
        **options,
    )


def rmse(model: nn.Module) -> dict[str, float]:
    *inputs, target = data()
    predicted = predict(model, *inputs, device=next(model.parameters()).device)
    return {"rmse": float(np.sqrt(np.mean((predicted - target.numpy()) ** 2)))}


def two_stages(learn: Learner, on_epoch: Callable[[Epoch], None] | None = None) -> Learner:
    train = TensorBatches(*data(), batch_size=32)
    freeze(learn.model.embeds)
    learn.fit_one_cycle(train, 2, 1e-2, evaluate=rmse, on_epoch=on_epoch)
    unfreeze(learn.model.embeds)
    learn.fit_one_cycle(train, 3, spread_lr(1e-3, 1e-2, 2), evaluate=rmse, on_epoch=on_epoch)
    return learn


def die(*_: object) -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)


def train_and_die(path: Path, what: str, number: int) -> None:
    """Train ``two_stages`` and kill the process at the step, epoch or checkpoint (``what``) of this number."""
    count = 0

    def at_the_number(function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any) -> Any:
            nonlocal count
            count += 1
            return die() if count == number else function(*arguments)

        return wrapped

    learn = learner(path, ema=0.9)
    if what == "step":
        learn.loss = at_the_number(learn.loss)
    elif what == "save":
        os.replace = at_the_number(os.replace)
    two_stages(learn, lambda epoch: die() if what == "epoch" and epoch.number == number else None)
