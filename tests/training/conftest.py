"""Fixtures of the tests of both reports: the history of a training, a learning-rate finder, a check of plots."""

import matplotlib.image
import numpy as np
import pytest

from training.loop.history import Epoch, History
from training.loop.lr_finder import FoundLR


@pytest.fixture(scope="session")
def history():
    """Return the history of three epochs of a hundred steps."""
    steps = np.arange(300)
    losses = 10 * np.exp(-steps / 60) + 0.02
    epochs = [Epoch(n, 0, losses[n * 100 - 1], {"rmspe": 0.3 / n, "accuracy": 1 - 0.1 / n}, 1.0) for n in (1, 2, 3)]
    return History(losses.tolist(), (1e-3 * np.sin(np.pi * steps / 300)).tolist(), epochs)


@pytest.fixture(scope="session")
def found():
    """Return the result of a learning-rate finder that suggests 0.001."""
    lrs = np.geomspace(1e-7, 10, 80)
    return FoundLR(lrs.tolist(), (5 / (1 + lrs * 1000) + lrs).tolist(), 1e-3)


@pytest.fixture(scope="session")
def is_picture():
    """Return a check that a PNG file has a drawing on it: many colours, and ink in each quarter."""

    def look(file):
        pixels = (255 * matplotlib.image.imread(file)[..., :3]).astype(int) @ [65_536, 256, 1]
        ink = pixels < 0xF0F0F0
        quarters = [half for rows in np.array_split(ink, 2) for half in np.array_split(rows, 2, axis=1)]
        return len(np.unique(pixels)) > 20 and all(quarter.any() for quarter in quarters)

    return look
