"""Growth of the cost of a request with the number of connections, without the gateway."""

import contextlib
import math
import tempfile
from pathlib import Path

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


def connections(bundle: Path, rounds: int) -> list[Curve]:
    """Measure the CPU time of a worker for a request, by connections."""
    least = [math.inf] * len(CONNECTIONS)
    ports, bodies = Ports.any_free(), one_day(bundle)
    url = f"http://{HOST}:{ports.inference}/predictions/{name_of(bundle)}"
    with contextlib.ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory()))
        service = serving_without_gateway(lambda: [archive(bundle, folder / "store")], PythonRunner(1), ports)
        worker = psutil.Process(running.enter_context(service).process.pid)
        measure_load(url, bodies, connections=8, seconds=2)
        for _ in range(rounds):
            for place, number in enumerate(CONNECTIONS):
                before = worker.cpu_times()
                load = measure_load(url, bodies, connections=number, seconds=2)
                after = worker.cpu_times()
                seconds = after.user + after.system - before.user - before.system
                least[place] = min(least[place], seconds / load.requests * 1e3)
    return [Curve("a request to a worker, CPU ms", "connections", CONNECTIONS, least, 0)]
