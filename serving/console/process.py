"""The console: a process with the pages and their API, behind the gateway.

It is started when the models are ready. Its death costs the pages and nothing else: it is started again, and its
addresses answer 503 meanwhile.
"""

import contextlib
import functools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serving.local_http import ask
from serving.output import ProcessOutput
from serving.process import ServerError, running_process
from serving.runner import WORKER_DEFAULTS
from serving.signals import wait_for
from serving.supervised import Supervised

SOCKET = "pages.sock"
_SETTINGS = "settings.json"
_START_S = 60.0
_POLL_S = 0.02
_METRICS_S = 2.0


@dataclass(frozen=True)
class ConsoleProcess:
    """A console that answers.

    Attributes:
        process: the process.
        output: its output.
        socket: its Unix socket.
    """

    process: subprocess.Popen[bytes]
    output: ProcessOutput
    socket: Path


class Console(Supervised[ConsoleProcess]):
    """The console of a service, which is started again whenever it ends."""

    def __init__(self, options: Mapping[str, Any], folder: Path, bundles: Mapping[str, Path]) -> None:
        """Prepare the console; `begin` starts it.

        Args:
            options: fields of `console.settings.Options`.
            folder: private folder for its socket and its settings.
            bundles: folders of the served bundles by the models' names.
        """
        (folder / "tmp").mkdir(parents=True)
        self.folder, self._options, self._reloads = folder, options, 0
        self._write(bundles)
        super().__init__("the console", functools.partial(running_console, folder), retry_first=True)

    def wait_until_up(self, seconds: float) -> bool:
        """Wait for the end of the first start, for some seconds at most; return True if the pages can be opened."""
        until = time.monotonic() + seconds
        wait_for(lambda: self.current is not None or self.restarts > 0 or time.monotonic() > until)
        return self.current is not None

    def use(self, bundles: Mapping[str, Path], error: str) -> None:
        """Let the console use other bundles of the same models, after a reload; the error is that of the reload."""
        self._reloads += 1
        self._write(bundles, error)
        if (running := self.current) is not None and running.process.poll() is None:
            os.kill(running.process.pid, signal.SIGHUP)

    def metrics(self) -> bytes:
        """Return the console's metrics in Prometheus's text format.

        Raises:
            OSError: if it does not respond.
        """
        return ask(self.folder / SOCKET, "/metrics", timeout=_METRICS_S)

    def _write(self, bundles: Mapping[str, Path], error: str = "") -> None:
        settings = {
            **self._options,
            "service": os.getpid(),
            "reloads": self._reloads,
            "reload_error": error,
            "socket": str(self.folder / SOCKET),
            "bundles": {name: str(folder) for name, folder in bundles.items()},
        }
        new = self.folder / f"{_SETTINGS}.new"
        new.write_text(json.dumps(settings), encoding="utf-8")
        new.replace(self.folder / _SETTINGS)


@contextlib.contextmanager
def running_console(folder: Path, cancelled: threading.Event) -> Iterator[ConsoleProcess]:
    """Run a console until the block ends.

    Args:
        folder: folder with its settings and its socket.
        cancelled: set to end a start that is in progress.

    Yields:
        The console, once it answers.

    Raises:
        ServerError: if it can't be started; the message has the end of its output.
    """
    # Without the working directory on the path of modules (-P).
    command = [sys.executable, "-P", "-m", "console", "--settings", str(folder / _SETTINGS)]
    output = ProcessOutput("console")
    with running_process(command, folder, output, defaults=WORKER_DEFAULTS) as process:
        console = ConsoleProcess(process, output, folder / SOCKET)
        _wait_until_ready(console, cancelled)
        yield console


def _wait_until_ready(console: ConsoleProcess, cancelled: threading.Event) -> None:
    until = time.monotonic() + _START_S
    while True:
        if console.process.poll() is not None:
            raise ServerError(f"it ended while it was starting\n{console.output.last_words()}")
        with contextlib.suppress(OSError):
            ask(console.socket, "/healthz", host="localhost", timeout=1.0)
            return
        if cancelled.is_set():
            raise ServerError("it was stopped while it was starting")
        if time.monotonic() > until:
            raise ServerError(f"it does not answer after {_START_S:g} s\n{console.output.tail()}")
        time.sleep(_POLL_S)
