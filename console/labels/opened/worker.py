"""A process for work that takes over a second of CPU, or that may end the process that does it."""

import asyncio
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import ParamSpec, TypeVar

from runtime.cores import lower_priority
from runtime.errors import UserError

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

_IDLE_S = 60.0  # a process that nobody needs ends after this time, and returns its memory
_CHECK_S = 5.0


class WorkerError(UserError):
    """A call has ended the process that computed it, or took too long."""


class SlowWorkerError(WorkerError):
    """A call took too long."""


class DeadWorkerError(WorkerError):
    """The process of a call has ended, by the call or for want of memory."""


class Worker:
    """A process that computes one call after another. It starts with the first call, and ends when it has none.

    A call that ends the process costs that call alone.

    Args:
        in_background: True for a process that runs only while no other wants the processor.
        limit_s: seconds after which a call is given up.
    """

    def __init__(self, limit_s: float, *, in_background: bool = False) -> None:
        self._limit_s, self._in_background = limit_s, in_background
        self._pool: ProcessPoolExecutor | None = None
        self._one_call = asyncio.Lock()
        self._used = 0.0

    async def run(
        self, function: Callable[Arguments, Result], *arguments: Arguments.args, **named: Arguments.kwargs
    ) -> Result:
        """Return the result of a function of a module, called in the process.

        The arguments and the result are pickled. The function's own errors are raised here.

        Raises:
            DeadWorkerError: if the process has ended.
            SlowWorkerError: if the call took too long.
        """
        async with self._one_call:
            if self._pool is None:
                # Not a fork: the console has threads, whose locks a fork would copy as they are.
                begin = lower_priority if self._in_background else None
                self._pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), initializer=begin)
            try:
                future = self._pool.submit(function, *arguments, **named)
                return await asyncio.wait_for(asyncio.wrap_future(future), self._limit_s)
            except BrokenProcessPool as error:
                self._kill()
                raise DeadWorkerError(
                    "the computation has ended the process; leave this photo or request out"
                ) from error
            except TimeoutError as error:
                self._kill()
                raise SlowWorkerError(
                    f"the computation took more than {self._limit_s:g} s; leave this photo or request out, or try "
                    "again when the machine has less to do"
                ) from error
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
