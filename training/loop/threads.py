"""Threads of a training on a CPU: how many there are, and how they wait for one another.

Measured: the wall time of a step of the default sales network with two threads, as a ratio to one thread's
(``benchmarks.train_threads``, medians of 7 rounds on two cores).

=============  ==========  ===============  ================
rows in batch  other busy  spinning (GNU's  passive waiting
               processes   default)
=============  ==========  ===============  ================
128            0           1.06             1.02
128            2           2.76             1.03
1,024          0           0.60             0.73
1,024          2           2.32             0.67
=============  ==========  ===============  ================

On a busy machine, 256 rows took 1.01 times as long and 512 rows 0.52 times (passive waiting, medians of 3 rounds). A
spinning thread takes the core that the other thread needs. So threads wait passively, and small batches train on one.

The batch alone decides, not a measurement at the start of a fit. With another number of threads, sums are rounded in
another order: after 30 steps at 1,024 rows, weights differed by up to 0.004. A resumed training would then end with
other weights.
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
