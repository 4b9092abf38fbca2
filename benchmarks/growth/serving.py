"""Growth of the cost of a request with the number of connections, without the gateway."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psutil

from benchmarks.growth.curve import Curve
from benchmarks.load_generator.closed_loop import measure as measure_load
from benchmarks.table.sales import one_day
from runtime.bundle import name_of
from serving.archives.archive import archive
from serving.ports import HOST, Ports
from serving.python.runner import PythonRunner
from serving.without_gateway import serving_without_gateway

CONNECTIONS = (1, 4, 16, 64, 128)  # the largest number that one worker accepts


class ServedWorker(NamedTuple):
    """A worker without a gateway that answers forecasts of one day.

    Attributes:
        url: address of the forecasts.
        bodies: requests.
        process: its process.
    """

    url: str
    bodies: list[bytes]
    process: psutil.Process

    def load(self, connections: int, seconds: float = 2) -> tuple[float, float]:
        """Send requests; return the seconds and the worker's CPU seconds of a request."""
        before = sum(self.process.cpu_times()[:2])
        load = measure_load(self.url, self.bodies, connections=connections, seconds=seconds)
        return 1 / load.rate, (sum(self.process.cpu_times()[:2]) - before) / load.requests


@contextlib.contextmanager
def served_worker(bundle: Path) -> Iterator[ServedWorker]:
    """Serve a bundle with one worker until the block ends."""
    ports = Ports.any_free()
    with tempfile.TemporaryDirectory() as folder:
        service = serving_without_gateway(lambda: [archive(bundle, Path(folder, "store"))], PythonRunner(1), ports)
        with service as server:
            url = f"http://{HOST}:{ports.inference}/predictions/{name_of(bundle)}"
            worker = ServedWorker(url, one_day(bundle), psutil.Process(server.process.pid))
            worker.load(8)  # to warm up
            yield worker


def connections(bundle: Path, rounds: int) -> list[Curve]:
    """Measure the CPU time of a worker for a request, by connections."""
    with served_worker(bundle) as worker:
        costs = [[1e3 * worker.load(number)[1] for number in CONNECTIONS] for _ in range(rounds)]
    least = [min(column) for column in zip(*costs, strict=True)]
    return [Curve("a request to a worker, CPU ms", "connections", CONNECTIONS, least, 0)]
