"""Measure what the console costs the forecasts while nobody uses it.

    python -m benchmarks.console.cost model_store/demo

Two gateways stand before the same worker: one with the console and its addresses, one without. They are measured in
turns. While the one without is measured, the console's process is stopped (SIGSTOP), so that it costs nothing.
"""

import contextlib
import functools
import signal
import statistics
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psutil

from benchmarks.load_generator.closed_loop import generator, measure
from benchmarks.servers.running import warm
from benchmarks.table.sales import one_day
from benchmarks.turns import cpu_seconds, parser
from handlers.worker_paths import WorkerPaths
from serving.admission import served_models
from serving.archives.archive import archive
from serving.console.process import SOCKET, Console
from serving.gateway.config import GatewayConfig
from serving.gateway.envoy import Gateway, running_gateway
from serving.ports import Ports
from serving.process import private_folder
from serving.python.runner import PythonRunner


class Turn(NamedTuple):
    """Figures of one measurement.

    Attributes:
        rate: requests a second.
        cpu: CPU time of gateway, worker and console, microseconds a request.
    """

    rate: float
    cpu: float


def main() -> None:
    """Measure and print the ratios."""
    args = parser(__doc__).parse_args()
    bodies = one_day(args.bundle)
    with contextlib.ExitStack() as running:
        folder = running.enter_context(private_folder())
        shared = WorkerPaths.create(folder / "shared")
        model = archive(args.bundle, folder / "store")
        worker = running.enter_context(PythonRunner(1).running([model], number=0, shared=shared))
        assert isinstance(worker.address, Path)
        models = served_models(worker.models, dict.fromkeys(worker.models, 1))
        console = running.enter_context(running_console(folder / "console", model))
        gateways = {
            with_console: running.enter_context(
                running_gateway(
                    GatewayConfig(
                        Ports.any_free().inference,
                        threads=1,
                        health_check_interval=None,
                        console=folder / "console" / SOCKET if with_console else None,
                    ),
                    models,
                    [worker.address],
                )
            )
            for with_console in (False, True)
        }
        turn = functools.partial(measured_turn, bodies, model.stem, worker.process.pid, console, args.connections)
        warm(f"{gateways[False].config.url}/predictions/{model.stem}", len(bodies[0]))
        pairs: list[dict[bool, Turn]] = []
        for number in range(args.rounds + 1):  # the first warms up
            order = (False, True) if number % 2 else (True, False)
            pairs.append({with_console: turn(gateways[with_console], args.seconds) for with_console in order})
        console.resume()
    print(f"{args.connections} connections, one worker; load by {generator()}; {args.rounds} rounds\n")
    for name in Turn._fields:
        ratios = sorted(getattr(pair[True], name) / getattr(pair[False], name) for pair in pairs[1:])
        low, median, high = statistics.quantiles(ratios, n=4)
        print(f"{name}, with the console / without: {median:.3f} (quartiles {low:.3f}, {high:.3f})")


def measured_turn(
    bodies: list[bytes],
    model: str,
    worker: int,
    console: psutil.Process,
    connections: int,
    gateway: Gateway,
    seconds: float,
) -> Turn:
    """Measure one gateway, with the console running only if the gateway has its addresses."""
    console.send_signal(signal.SIGCONT if gateway.config.console else signal.SIGSTOP)
    processes = [psutil.Process(gateway.process.pid), psutil.Process(worker), console]
    before = cpu_seconds(processes)
    url = f"{gateway.config.url}/predictions/{model}"
    load = measure(url, bodies, connections=connections, seconds=seconds)
    return Turn(load.rate, 1e6 * (cpu_seconds(processes) - before) / load.requests)


@contextlib.contextmanager
def running_console(folder: Path, model: Path) -> Iterator[psutil.Process]:
    """Run a console until the block ends, and yield its process."""
    with tempfile.TemporaryDirectory() as data:
        options = {"data": data, "gateway": "http://127.0.0.1"}
        console = Console(options, folder, {model.stem: model / "bundle"})
        console.begin()
        try:
            assert threading.current_thread() is threading.main_thread()
            yield psutil.Process(console.wait_until_started().process.pid)
        finally:
            console.stop()
            console.join()


if __name__ == "__main__":
    main()
