"""Memory and threads of a training on a CPU."""

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch

from training.loop.batches import Batches, TensorBatches
from training.loop.threads import threads_for

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # glibc's malloc.h
_MMAP_AT_MOST = 32 << 20  # the highest value that glibc accepts
_KEEP = 1 << 30


@contextmanager
def cpu_resources(device: torch.device, batches: Batches) -> Iterator[None]:
    """Set up memory and threads for the training in the block, if the device is a CPU.

    Args:
        device: device that trains.
        batches: batches to train on. Rows in memory go through dense layers, so the size of the batch decides about
            the threads; photos gain from all threads.
    """
    if device.type != "cpu":
        yield
        return
    keep_freed_memory()
    with threads_for(batches.batch_size) if isinstance(batches, TensorBatches) else nullcontext():
        yield


def keep_freed_memory() -> None:
    """Let glibc keep up to 1 GiB of freed memory for the next step instead of returning it to the system.

    Each training step frees its activations, some megabytes each, and allocates as much again. If glibc returned them,
    the system would map and zero every page anew: a tenth of the training time at batch 1024. Does nothing without
    glibc.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _MMAP_AT_MOST)
        mallopt(_M_TRIM_THRESHOLD, _KEEP)
