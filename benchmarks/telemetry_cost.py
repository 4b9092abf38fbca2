"""Measure the share of the throughput that metrics, the request log and traces take.

    python -m benchmarks.telemetry_cost model_store/demo [--gateway]

The same worker processes answer with and without telemetry, a second each, in turns; the content type of a request
decides. In a third turn each request also has a ``traceparent``, and the workers send spans to a receiver. Two separate
servers would not do: two equal ones differ by more than the effect of telemetry. The servers are started several times.
The figure of a start is the median of the ratios of its turns.

On a shared machine single turns differ by a tenth and more, so the ratio of the rates takes hundreds of turns. The CPU
time of a request has less noise and says the same: with all cores busy, one percent more CPU time for a request means
one percent fewer requests.
"""

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import psutil

from benchmarks.load_generator.closed_loop import Load, generator, measure
from benchmarks.servers.running import service, torchserve, warm
from benchmarks.table.sales import one_day
from benchmarks.turns import cpu_seconds

CONNECTIONS, SECONDS = 32, 1.0
HANDLER = "in_turns_handler.py"
RECORDED, UNRECORDED, TRACED = "with metrics and request log", "without", "and with traces"
CONTENT_TYPES = {RECORDED: "application/json", UNRECORDED: "application/json; recorded=no", TRACED: "application/json"}
TRACE = {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
RECEIVER = """
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_): pass
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"""


class Turn(NamedTuple):
    """Figures of one second.

    Attributes:
        load: figures of the load generator.
        cpu: CPU time of all server processes, microseconds a request.
    """

    load: Load
    cpu: float


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--gateway", action="store_true", help="measure through the gateway, as clients do")
    parser.add_argument("--starts", type=int, default=3)
    parser.add_argument("--turns", type=int, default=60, help="number of turns after each start")
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    bodies = one_day(args.bundle)
    start = service if args.gateway else torchserve
    rates, costs, all_turns = list[float](), list[float](), list[dict[str, Turn]]()
    receiver = subprocess.Popen([sys.executable, "-c", RECEIVER], stdout=subprocess.PIPE, text=True)
    assert receiver.stdout
    os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"http://127.0.0.1:{receiver.stdout.readline().strip()}"
    traced = list[float]()
    for _ in range(args.starts):
        with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as running:
            url = running.enter_context(start(args.bundle, "sales", Path(folder), args.workers, HANDLER))
            turns = in_turns(url, bodies, args.turns)
        rates.append(statistics.median(turn[RECORDED].load.rate / turn[UNRECORDED].load.rate for turn in turns))
        costs.append(statistics.median(turn[UNRECORDED].cpu / turn[RECORDED].cpu for turn in turns))
        traced.append(statistics.median(turn[RECORDED].cpu / turn[TRACED].cpu for turn in turns))
        all_turns += turns
    receiver.kill()
    where = "through the gateway" if args.gateway else "without the gateway"
    print(f"{CONNECTIONS} connections, {args.workers} workers, {where}; load by {generator()}; medians of all turns")
    for name in CONTENT_TYPES:
        rate, p50, p99 = (
            statistics.median(getattr(turn[name].load, figure) for turn in all_turns)
            for figure in ("rate", "p50", "p99")
        )
        cpu = statistics.median(turn[name].cpu for turn in all_turns)
        print(f"{name}: {rate:,.0f} requests/s, p50 {p50:.2f} ms, p99 {p99:.2f} ms; {cpu:.0f} us of a core a request")
    for name, ratios in (
        ("requests/s, with / without", rates),
        ("time of a core, without / with", costs),
        ("time of a core, without / with traces", traced),
    ):
        shown = ", ".join(f"{ratio:.3f}" for ratio in ratios)
        print(f"{name}: {statistics.median(ratios):.3f}, the median of {args.starts} starts ({shown})")


def in_turns(url: str, bodies: Sequence[bytes], number: int) -> list[dict[str, Turn]]:
    """Measure without telemetry, with it, and with traces, ``number`` times; every second time in reverse."""
    warm(url, len(bodies[0]))
    measure(url, bodies, connections=CONNECTIONS, seconds=8)

    server = [process for process in psutil.Process().children(recursive=True) if RECEIVER not in process.cmdline()]

    def turn(name: str) -> Turn:
        before, headers = cpu_seconds(server), TRACE if name == TRACED else {}
        load = measure(
            url,
            bodies,
            content_type=CONTENT_TYPES[name],
            headers=headers,
            connections=CONNECTIONS,
            seconds=SECONDS,
        )
        time.sleep(0.3)  # until the worker has recorded the last batch
        return Turn(load, 1e6 * (cpu_seconds(server) - before) / load.requests)

    names = [*CONTENT_TYPES]
    return [{name: turn(name) for name in names[:: 1 if index % 2 else -1]} for index in range(number)]


if __name__ == "__main__":
    main()
