"""A small training run in two stages, and one that kills itself. No test tools: the killed processes import this."""

import os
import signal

import numpy as np
import torch
from torch import nn
from torch.nn.functional import mse_loss

from training.loop.batches import TensorBatches, predict
from training.loop.groups import freeze, spread_lr, unfreeze
from training.loop.learner import Learner
from training.sales.network import TabularNet

ROWS = 320


def data():
    rng = torch.Generator().manual_seed(5)
    cats = torch.randint(0, 6, (ROWS, 2), generator=rng)
    conts = torch.randn(ROWS, 3, generator=rng)
    return cats, conts, 2.0 + cats[:, 0] / 3 + conts[:, 1].sin()


def learner(path=None, *, seed=0, **options):
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


def rmse(model):
    *inputs, target = data()
    predicted = predict(model, *inputs, device=next(model.parameters()).device)
    return {"rmse": float(np.sqrt(np.mean((predicted - target.numpy()) ** 2)))}


def two_stages(learn, on_epoch=None):
    train = TensorBatches(*data(), batch_size=32)
    freeze(learn.model.embeds)
    learn.fit_one_cycle(train, 2, 1e-2, evaluate=rmse, on_epoch=on_epoch)
    unfreeze(learn.model.embeds)
    learn.fit_one_cycle(train, 3, spread_lr(1e-3, 1e-2, 2), evaluate=rmse, on_epoch=on_epoch)
    return learn


def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)


def train_and_die(path, what, number):
    """Trains ``two_stages`` and kills the process at its step, epoch or checkpoint of that number."""
    count = 0

    def at_the_number(function):
        def wrapped(*arguments):
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
