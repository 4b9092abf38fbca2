"""A process for work that takes over a second of CPU, or that may end the process that does it."""

import asyncio
import contextlib
import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import ParamSpec, TypeVar

from runtime.errors import UserError

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

_IDLE_S = 60.0  # a process that nobody needs ends after this time, and returns its memory
_CHECK_S = 5.0


class WorkerError(UserError):
    """A call has ended the process that computed it, or took too long."""


class Worker:
    """A process that computes one call after another. It starts with the first call, and ends when it has none.

    A call that ends the process costs that call alone.

    Args:
        nice: niceness of the process; 20 also gives it the idle class, so that it runs only while nobody else does.
        limit_s: seconds after which a call is given up.
    """

    def __init__(self, nice: int, limit_s: float) -> None:
        self._nice, self._limit_s = nice, limit_s
        self._pool: ProcessPoolExecutor | None = None
        self._one_call = asyncio.Lock()
        self._used = 0.0

    async def run(
        self, function: Callable[Arguments, Result], *arguments: Arguments.args, **named: Arguments.kwargs
    ) -> Result:
        """Return the result of a function of a module, called in the process.

        The arguments and the result are pickled. The function's own errors are raised here.

        Raises:
            WorkerError: if the call has ended the process, or took too long.
        """
        async with self._one_call:
            if self._pool is None:
                # Not a fork: the console has threads, whose locks a fork would copy as they are.
                self._pool = ProcessPoolExecutor(
                    1, multiprocessing.get_context("spawn"), initializer=_begin, initargs=(self._nice,)
                )
            try:
                future = self._pool.submit(function, *arguments, **named)
                return await asyncio.wait_for(asyncio.wrap_future(future), self._limit_s)
            except (BrokenProcessPool, TimeoutError) as error:
                self._kill()
                reason = "took too long" if isinstance(error, TimeoutError) else "has ended the process"
                raise WorkerError(f"the computation {reason}; leave this photo or request out") from error
            finally:
                self._used = asyncio.get_running_loop().time()

    async def retire(self) -> None:
        """End the process when it has had no call for a while, again and again, until this is cancelled."""
        try:
            while True:
                await asyncio.sleep(_CHECK_S)
                idle = asyncio.get_running_loop().time() - self._used > _IDLE_S
                if idle and not self._one_call.locked():
                    self._kill()
        finally:
            self._kill()

    def _kill(self) -> None:
        """End the process at once. It keeps nothing that is not on the disk."""
        pool, self._pool = self._pool, None
        if pool is None:
            return
        for process in list((pool._processes or {}).values()):
            process.kill()
        pool.shutdown(cancel_futures=True)  # waits, or Python reports its semaphores as leaked when SIGTERM ends it


def _begin(nice: int) -> None:
    """Lower the priority of the process."""
    with contextlib.suppress(OSError):
        os.nice(min(nice, 19))
    if nice > 19 and hasattr(os, "SCHED_IDLE"):  # Linux
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
