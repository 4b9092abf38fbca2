"""Watchdog of a worker: it kills a process that hangs, so that another takes its place."""

import contextlib
import logging
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

logger = logging.getLogger(__name__)

_POLL_S = 1.0  # a worker touches its file as often


@contextlib.contextmanager
def watchdog(process: "subprocess.Popen[bytes]", heartbeat: Path, patience: float) -> Iterator[None]:
    """Kill a process that does not touch a file for some seconds, until the block ends.

    A request would not show which of the workers that share a port hangs.

    Args:
        process: the process.
        heartbeat: the file.
        patience: seconds; longer than the process may be busy.
    """
    ended = threading.Event()

    def watch() -> None:
        last, missed = -1, 0
        # Polls are counted, not seconds: where all processes are frozen and go on, nothing hangs.
        while not ended.wait(_POLL_S):
            with contextlib.suppress(OSError):
                beat = heartbeat.stat().st_mtime_ns
                missed, last = (missed + 1 if beat == last else 0), beat
            if missed * _POLL_S > patience and process.poll() is None:
                logger.error("the process %d hangs: no sign of life for %g s; it is killed", process.pid, patience)
                process.kill()
                return

    thread = threading.Thread(target=watch, name=f"watchdog of {process.pid}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
