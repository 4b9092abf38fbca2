"""A worker process whose model is not loaded from a bundle: `python -m tests.handlers.python.fake_worker SETTINGS`.

It writes what happens to stdout, and goes on where it waits when it reads a line from stdin. The bodies of requests say
what to do, and so do files in the bundle.
"""

import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from handlers.batch import AnsweredBatch
from handlers.http import Request, Response
from handlers.python import server
from handlers.python.settings import Settings
from handlers.readiness import declare_ready
from handlers.worker_paths import READY_FOLDER


def event(text: str, *, waits: bool = False) -> None:
    """Report an event."""
    print(text, flush=True)
    if waits:
        sys.stdin.readline()


class FakeWorker:
    """Stand-in for `handlers.worker.Worker`."""

    def __init__(self, bundle: Path, *, device: str, threads: int, timeout: float) -> None:
        event(f"load {bundle} {device} {timeout:g}")
        if (bundle / "hangs").exists():
            event("hangs")
            signal.pause()
        self.telemetry = SimpleNamespace(
            flush=lambda *, last: event(f"flush {last}"), count_refusals=lambda refusals: None
        )
        self.safeguards = SimpleNamespace(end=self.end)

    def answer(self, requests: Sequence[Request]) -> AnsweredBatch:
        """Answer a batch with the bodies of its requests."""
        bodies = [request.fields["body"] for request in requests]
        if b"fail" in bodies:
            raise ZeroDivisionError("the batch fails as a whole")
        if b"slow" in bodies:
            event("computing", waits=True)
        if b"endless" in bodies:
            event("computing without end")
            sum(iter(int, 1))
        bodies = [json.dumps(dict(os.environ)).encode() if body == b"environment" else body for body in bodies]
        return AnsweredBatch(
            [Response(200, "text/plain", body) for body in bodies],
            lambda: event("finish", waits=b"slow finish" in bodies),
        )

    def begin(self, rehearse: Callable[[Request], Any]) -> None:
        """Answer the first request."""
        event(f"ready {rehearse(Request({'body': b'first'})).body.decode()}")
        if folder := os.environ.get(READY_FOLDER):
            declare_ready(Path(folder), model="pets", version="1", cutoff="", sha256="")

    def end(self) -> None:
        """End the process after a fault."""
        event("end")
        os._exit(1)


if __name__ == "__main__":
    server.Worker = FakeWorker  # type: ignore[assignment,misc]
    server.run(Settings.read(Path(sys.argv[1])))
