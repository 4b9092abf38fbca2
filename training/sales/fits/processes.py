"""Fits in parallel, each in a process with one thread.

On an error or Ctrl-C, the parent process terminates the others. They also end if the parent is killed.
"""

import logging
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from multiprocessing import connection, get_context, parent_process, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Final, NamedTuple

import psutil
from tqdm import tqdm

from runtime.errors import UserError
from training.sales.fits.window_fit import WindowFit

logger = logging.getLogger(__name__)

ONE_THREAD: Final = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
# Measured: a process with 914,629 rows and LightGBM took 1.8 GB (shopcat backtest, Rossmann's tables to 2015-04-30).
PROCESS_BYTES: Final = 1 << 30
ROW_BYTES: Final = 1500


class FitError(UserError):
    """A fit whose process failed."""


class _Running(NamedTuple):
    """A process, its fit, and the end of the pipe that brings its error."""

    process: SpawnProcess
    fit: WindowFit
    error: Connection


def default_jobs(n_rows: int, *, device: str = "cpu") -> int:
    """Return the number of fits that can run in parallel, limited by cores and memory; 1 on a GPU.

    Args:
        n_rows: number of training rows.
        device: device to train on.
    """
    if device != "cpu":
        return 1
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    fitting = psutil.virtual_memory().available // (PROCESS_BYTES + ROW_BYTES * n_rows)
    return max(1, min(cores, fitting))


def run_fits(fits: Sequence[WindowFit], jobs: int, *, progress: bool | None = None) -> Generator[WindowFit, None, None]:
    """Run fits, at most ``jobs`` in parallel, and yield each when it has written its forecasts.

    Args:
        fits: the fits, in the order in which they start.
        jobs: number of processes. A single job runs in this process.
        progress: show a progress bar of a single job; if None, only on a terminal.

    Raises:
        FitError: if a process fails; the others are terminated.
    """
    if jobs == 1:
        for fit in fits:
            logger.info("fit: %s", fit.name)
            fit.run(progress=progress)
            yield fit
        return
    waiting, running = deque(fits), dict[int, _Running]()
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                started = _start(waiting.popleft())
                running[started.process.sentinel] = started
            for sentinel in connection.wait(list(running)):
                assert isinstance(sentinel, int)
                ended = running.pop(sentinel)
                _check(ended)
                yield ended.fit
    finally:
        for child in running.values():
            child.process.terminate()
        for child in running.values():
            child.process.join()


def _start(fit: WindowFit) -> _Running:
    """Start a process for a fit."""
    context = get_context("spawn")  # why: a fork of a process with torch's threads can hang
    receiver, sender = context.Pipe(duplex=False)
    level = logger.getEffectiveLevel() if logger.hasHandlers() else None
    process = context.Process(target=_run, args=(fit, sender, level), daemon=True)
    with _inherited_by_children():
        process.start()
    sender.close()
    return _Running(process, fit, receiver)


@contextmanager
def _inherited_by_children() -> Iterator[None]:
    """Give the processes started in the block one thread, and leave Ctrl-C to the parent.

    A terminal sends Ctrl-C to all processes. The parent terminates the others, which would print a traceback each.
    """
    resource_tracker.ensure_running()  # why: it unblocks SIGINT when the first process starts it
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(ONE_THREAD)
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _check(ended: _Running) -> None:
    """Check that a process ended well.

    Raises:
        FitError: if it did not.
    """
    ended.process.join()
    code = ended.process.exitcode
    message = ""
    with closing(ended.error), suppress(EOFError):  # a process without an error sends nothing
        message = ended.error.recv()
    if message:
        raise FitError(f"{ended.fit.name}: {message}")
    if code is not None and code < 0:
        raise FitError(
            f"{ended.fit.name}: the process was ended by signal {-code}, perhaps for lack of memory; run the same "
            "command with fewer --jobs, and it goes on from here"
        )
    if code != 0:
        raise FitError(f"{ended.fit.name}: the process failed with exit status {code}; its error is above")


def _run(fit: WindowFit, error: Connection, level: int | None) -> None:
    """Run a fit in this process, and send an expected error to the parent.

    Args:
        fit: the fit.
        error: end of the pipe to the parent.
        level: lowest level of the log lines, which begin with the fit's name; None for no log.
    """
    if level is not None:
        logging.basicConfig(level=logging.WARNING, format=f"{fit.name}: %(message)s", stream=sys.stderr)
        logging.getLogger("training").setLevel(level)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    tqdm.set_lock(threading.RLock())  # why: its default is a semaphore, which a terminated process would leave behind
    try:
        fit.run(progress=False)
    except UserError as expected:
        error.send(str(expected))
        sys.exit(1)


def _end_with_parent() -> None:
    """End this process as soon as its parent has ended, however it ended."""
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
