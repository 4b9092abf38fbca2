"""Threads of a training on a CPU: how many there are, and how they wait for one another.

Measured with a step of the default sales network on two cores (``benchmarks.train_threads``, medians): spinning threads
make a step 2.3 to 2.8 times as long beside two busy neighbours, because a thread that spins takes the core that the
other one needs. With passive waiting, two threads take 0.67 to 0.73 times as long as one at 1,024 rows in a batch,
with and without neighbours, and 1.02 to 1.03 times as long at 128 rows.

The number of threads follows from the batch alone, and not from a measurement at the start: sums are rounded in another
order with another number of threads, so that a resumed training would end with other weights. After 30 steps at 1,024
rows, weights differed by up to 0.004.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

PASSIVE = {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0"}
"""Environment variables of GNU's and Intel's OpenMP that make threads sleep while they wait."""

MIN_ROWS_FOR_THREADS = 512


def wait_passively() -> None:
    """Let OpenMP threads sleep while they wait, unless the environment says otherwise.

    Takes effect only before torch is loaded.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.update(PASSIVE)


@contextmanager
def threads_for(rows: int) -> Iterator[int]:
    """Use one thread in the block if a batch has too few rows for several; otherwise as many as torch would.

    Args:
        rows: number of rows in a batch of a network of dense layers.

    Yields:
        The number of threads.
    """
    import torch  # not above: wait_passively comes before torch is loaded

    available = torch.get_num_threads()
    torch.set_num_threads(1 if rows < MIN_ROWS_FOR_THREADS else available)
    try:
        yield torch.get_num_threads()
    finally:
        torch.set_num_threads(available)
