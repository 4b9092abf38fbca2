"""Parts of a service that run a process, each in its own thread, and start it again when it ends."""

import logging
import subprocess
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import AbstractContextManager
from typing import Generic, Protocol, TypeVar

from runtime.errors import UserError
from serving.process import ServerError, describe_exit
from serving.signals import postponed, wait_for

logger = logging.getLogger(__name__)

_POLL_S = 0.05
_LONGEST_WAIT_S = 60.0
_RECOVERY_S = 300.0  # a part that is down for longer no longer counts as recovering
_STABLE_S = 60.0  # after a part ran for so long, its next end counts as the first


class Process(Protocol):
    """A running part of a service."""

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """Return its process."""
        ...


Part = TypeVar("Part", bound=Process)


class Supervised(Generic[Part]):
    """A part that is started again whenever its process ends, at once and then after growing waits.

    Its thread lives as long as the process: Linux ends the process with the thread that started it (PR_SET_PDEATHSIG).

    Attributes:
        name: name of the part, for log lines.
        current: the running part; None while it is down.
        restarts: number of times that the process ended unexpectedly.
    """

    def __init__(
        self,
        name: str,
        start: Callable[[threading.Event], AbstractContextManager[Part]],
        *,
        retry_first: bool = False,
    ) -> None:
        """Prepare the part; `begin` starts it.

        Args:
            name: name of the part, for log lines.
            start: starts the part and stops it when the context ends. It raises an error if its argument is set before
                the part is ready.
            retry_first: go on after a first start that fails, because the service can do without the part.
        """
        self.name, self._retry_first = name, retry_first
        self.current: Part | None = None
        self.restarts = 0
        self._down_since: float | None = None  # of the monotonic clock; None before the first start
        self._start = start
        self._stopping, self._retired = threading.Event(), False
        self._first: Future[Part] = Future()
        self._has_started_or_failed = threading.Event()
        self._first.add_done_callback(lambda _: self._has_started_or_failed.set())
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def is_recovering(self) -> bool:
        """Return True while the part is down and may come back: it is started or waits for its start."""
        since = self._down_since
        return self.current is None and since is not None and time.monotonic() - since < _RECOVERY_S

    def begin(self) -> None:
        """Start the part without waiting for it."""
        self._thread.start()

    def wait_until_started(self) -> Part:
        """Return the part when its first start has succeeded, or raise the error of that start."""
        wait_for(self._has_started_or_failed.is_set)
        return self._first.result()

    def stop(self) -> None:
        """Stop the part, or its start, without waiting for its end."""
        self._stopping.set()

    def retire(self) -> None:
        """Do not start the part again when it ends."""
        self._retired = True

    def join(self) -> None:
        """Wait until the part has stopped."""
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        failures, self._down_since = 0, time.monotonic()
        while not self._stopping.is_set():
            ready = 0.0
            try:
                with self._start(self._stopping) as part:
                    self.current, ready = part, time.monotonic()
                    if not self._first.done():
                        self._first.set_result(part)
                    while not self._stopping.wait(_POLL_S) and part.process.poll() is None:
                        pass
                    self._down_since, self.current = (
                        time.monotonic(),
                        None,
                    )  # before the process is stopped, which may take long
                reason = f"ended unexpectedly, {describe_exit(part.process.returncode)}"
            except Exception as error:
                if not self._first.done() and not self._retry_first:
                    self._first.set_exception(error)
                    return
                reason = f"can't be started: {error}"
                if not isinstance(error, (UserError, OSError)):
                    logger.exception("unexpected error of %s", self.name)
            finally:
                self.current = None
            if self._stopping.is_set() or self._retired:
                break
            self.restarts += 1
            failures = 1 if ready and time.monotonic() - ready > _STABLE_S else failures + 1
            wait = min(2.0 ** (failures - 2), _LONGEST_WAIT_S) if failures > 1 else 0.0
            logger.error("%s %s; it is started again%s", self.name, reason, f" in {wait:g} s" if wait else "")
            self._stopping.wait(wait)
        if not self._first.done():
            self._first.set_exception(ServerError(f"{self.name} was stopped before it was started"))


def stop_all(parts: Iterable[Supervised[Part]]) -> None:
    """Stop parts at the same time, because stopping a process can take long."""
    parts = list(parts)
    with postponed():
        for part in parts:
            part.stop()
        for part in parts:
            part.join()
