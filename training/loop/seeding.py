"""Random numbers that depend on the seed alone."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch's global generators in the block, and restore their state after it."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def epoch_seed(seed: int, epoch: int) -> int:
    """Return the seed of an epoch, which is unrelated to those of other epochs and seeds."""
    return int(np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0])
