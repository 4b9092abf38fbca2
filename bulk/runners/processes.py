"""Processes of this machine."""

import os
import signal
import threading
from collections import Counter
from collections.abc import Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection, get_context, parent_process

from bulk.job import Done, Part, Task
from bulk.runners.runner import LostWorkerError
from bulk.work import Step, run_part
from runtime.words import counted

LOSSES = 3  # a part whose worker dies for the third time ends the job


class Processes:
    """A number of processes. A part whose process dies goes to another one.

    Each process is a separate pool, because a pool ends all its processes if one of them dies. The processes of a
    survey stay for the next step, because each needs seconds to load the bundle.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._kept: list[ProcessPoolExecutor] = []

    @property
    def name(self) -> str:
        """Return the number of processes."""
        return counted(self.count, "process")

    def run(self, task: Task, step: Step, parts: Sequence[Part]) -> Generator[Done]:
        """Run a step with all parts; see `Runner.run`."""
        waiting, losses = list(reversed(parts)), Counter[int]()
        needed = min(self.count, len(parts))
        for pool in self._kept[needed:]:
            _end(pool)
        pools, self._kept = self._kept[:needed], []
        pools += [_pool() for _ in range(needed - len(pools))]
        running: dict[Future[Done], tuple[int, Part]] = {}
        try:
            idle = list(range(len(pools)))
            while waiting or running:
                while waiting and idle:
                    place, part = idle.pop(), waiting.pop()
                    try:
                        running[pools[place].submit(run_part, task, step, part)] = place, part
                    except BrokenProcessPool:  # its process died while it had no part
                        pools[place] = _pool()
                        idle.append(place)
                        waiting.append(part)
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    place, part = running.pop(future)
                    idle.append(place)
                    try:
                        yield future.result()
                    except BrokenProcessPool:
                        pools[place] = _pool()
                        losses[part.number] += 1
                        if losses[part.number] == LOSSES:
                            raise LostWorkerError(
                                f"{LOSSES} processes died with part {part.number}, the last of them just now: is there "
                                "enough memory? Use fewer --processes"
                            ) from None
                        waiting.append(part)
            if step != "answer":
                self._kept, pools = pools, []
        finally:
            for pool in pools:
                _end(pool)


def _pool() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_begin)


def _begin() -> None:
    """Prepare a worker: Ctrl-C is the driver's, and a worker ends with its driver, however that ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    assert parent is not None  # a worker
    threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)


def _end(pool: ProcessPoolExecutor) -> None:
    """Stop a pool at once; a part that it works on is left unpublished."""
    for process in list((pool._processes or {}).values()):
        process.kill()
    pool.shutdown(wait=True, cancel_futures=True)
