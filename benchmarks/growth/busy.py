"""Cost of work beside two busy processes, as a ratio to the cost of the same work alone."""

import contextlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.growth.serving import served_worker
from benchmarks.growth.training import epoch
from sales.forecaster import Forecaster
from training.sales.forecast_files.forecast import forecast_file

BUSY = 2  # processes
SPIN = "while True: pass"
N_ROWS = 100_000


@dataclass(frozen=True)
class Beside:
    """Costs beside busy processes as ratios to those alone.

    Attributes:
        work: the work.
        cpu: ratio of CPU seconds; above 1 by the caches that the processes share, and by threads that spin.
        wall: ratio of seconds.
    """

    work: str
    cpu: float
    wall: float


@contextlib.contextmanager
def busy(processes: int) -> Iterator[None]:
    """Run processes that compute without a pause until the block ends."""
    running = [subprocess.Popen([sys.executable, "-c", SPIN]) for _ in range(processes)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def measure(bundle: Path, rounds: int) -> list[Beside]:
    """Measure forecasts of a file, training and requests, alone and beside busy processes, in turns."""
    forecaster = Forecaster.load(bundle)
    panel = forecaster.model.panel
    store, day = panel.store_ids[0], panel.calendar.date(panel.cutoff + 1)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "rows.csv")
        file.write_text("store,date\n" + f"{store},{day}\n" * N_ROWS)
        return [
            beside("forecasts of a file", partial(forecast_file, forecaster, file, Path(folder, "out.csv")), rounds),
            beside("training, batches of 256 rows", partial(epoch, 64_000, 256), rounds),
            beside("training, batches of 1,024 rows", partial(epoch, 256_000, 1_024), rounds),
            served(bundle, rounds),
        ]


def served(bundle: Path, rounds: int) -> Beside:
    """Return the median ratios of a request to a worker that is fully used."""
    ratios = []
    with served_worker(bundle) as worker:
        for _ in range(rounds):
            alone = worker.load(32)
            with busy(BUSY):
                crowded = worker.load(32)
            ratios.append([after / before for before, after in zip(alone, crowded, strict=True)])
    wall, cpu = (statistics.median(column) for column in zip(*ratios, strict=True))
    return Beside("requests to a worker, 32 connections", cpu, wall)


def beside(name: str, work: Callable[[], object], rounds: int) -> Beside:
    """Return the median ratios of some work."""
    work()
    ratios = []
    for _ in range(rounds):
        alone = _timed(work)
        with busy(BUSY):
            crowded = _timed(work)
        ratios.append([after / before for before, after in zip(alone, crowded, strict=True)])
    cpu, wall = (statistics.median(column) for column in zip(*ratios, strict=True))
    return Beside(name, cpu, wall)


def _timed(work: Callable[[], object]) -> tuple[float, float]:
    cpu, wall = time.process_time(), time.monotonic()
    work()
    return time.process_time() - cpu, time.monotonic() - wall
