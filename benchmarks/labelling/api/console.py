"""A console without a gateway, for measurements over the addresses of labelling."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import psutil

from console.settings import Settings

_START_S = 60.0
_ADDRESS = "http://127.0.0.1:8080"
_THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class RunningConsole(NamedTuple):
    """A console that answers.

    Attributes:
        client: client of its addresses.
        process: its process; workers are children.
    """

    client: httpx.Client
    process: psutil.Process

    def cpu_seconds(self) -> float:
        """Return the CPU time of the console and its workers."""
        times = [process.cpu_times() for process in self._family()]
        return sum(found.user + found.system for found in times)

    def memory(self) -> tuple[int, int]:
        """Return the memory of the console and that of its workers, bytes, without pages of files that are mapped."""
        sizes = [(found := process.memory_info()).rss - found.shared for process in self._family()]
        return sizes[0], sum(sizes[1:])

    def _family(self) -> list[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)]


@contextmanager
def running_console(data: Path, bundle: Path) -> Iterator[RunningConsole]:
    """Run a console on a Unix socket.

    Args:
        data: folder of its data.
        bundle: pets bundle that it serves.
    """
    settings = Settings.model_validate(
        {"data": data, "gateway": _ADDRESS, "socket": data / "console.sock", "bundles": {"pets": bundle}}
    )
    file = data / "settings.json"
    file.write_text(settings.model_dump_json(), encoding="utf-8")
    command = [sys.executable, "-m", "console", "--settings", str(file)]
    process = subprocess.Popen(command, env=os.environ | _THREADS)
    try:
        transport = httpx.HTTPTransport(uds=str(settings.socket))
        with httpx.Client(transport=transport, base_url=_ADDRESS, timeout=300.0) as client:
            _wait(client, process)
            yield RunningConsole(client, psutil.Process(process.pid))
    finally:
        process.terminate()
        process.wait()


def _wait(client: httpx.Client, process: "subprocess.Popen[bytes]") -> None:
    """Wait until the console answers."""
    end = time.monotonic() + _START_S
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"the console has ended with status {process.returncode}")
        try:
            client.get("/healthz").raise_for_status()
            return
        except httpx.TransportError:
            time.sleep(0.05)
    raise RuntimeError(f"the console does not answer after {_START_S:.0f} s")
