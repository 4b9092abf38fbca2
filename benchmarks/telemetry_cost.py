"""What metrics and the audit log take of the throughput: the same workers with and without them, in turns.

    python -m benchmarks.telemetry_cost model_store/demo

The client's content type says whether a worker tells of its answers, so that one and the same process does both, a
second each, in turns: two servers, even if they are the same, differ by more than what is to be measured, until they
are started again. The figure of a start is the median of its turns' ratios.

On a machine that others use too, single turns differ by a tenth and more, and the ratio of the rates takes hundreds of
them. The processor time of a request says the same with less noise: all cores are busy, so a server that takes a
hundredth more of them for a request answers a hundredth fewer.
"""

import argparse
import contextlib
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import psutil

from benchmarks.load import Load, generator, measure
from benchmarks.serve_sales import some_days
from benchmarks.serving import service, torchserve, warm

CONNECTIONS, SECONDS = 32, 1.0
HANDLER = "in_turns_handler.py"
TOLD, UNTOLD = "application/json", "application/json; told=no"


class Turn(NamedTuple):
    """What was seen of a second.

    Attributes:
        load: by the generator.
        cpu: microseconds of a processor that the server took for each answer, all of its processes together.
    """

    load: Load
    cpu: float


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--door", action="store_true", help="through the front door, as clients have it")
    parser.add_argument("--starts", type=int, default=3)
    parser.add_argument("--turns", type=int, default=60, help="after each start")
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    bodies = some_days(asked.bundle)
    start = service if asked.door else torchserve
    rates, costs, seen = list[float](), list[float](), list[dict[str, Turn]]()
    for _ in range(asked.starts):
        with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as running:
            url = running.enter_context(start(asked.bundle, "sales", Path(folder), asked.workers, HANDLER))
            turns = in_turns(url, bodies, asked.turns)
        rates.append(statistics.median(turn[TOLD].load.rate / turn[UNTOLD].load.rate for turn in turns))
        costs.append(statistics.median(turn[UNTOLD].cpu / turn[TOLD].cpu for turn in turns))
        seen += turns
    where = "through the front door" if asked.door else "without the front door"
    print(f"{CONNECTIONS} connections, {asked.workers} workers, {where}; load by {generator()}; medians of all turns")
    for name, kind in (("with metrics and audit log", TOLD), ("without", UNTOLD)):
        rate, p50, p99 = (
            statistics.median(getattr(turn[kind].load, each) for turn in seen) for each in ("rate", "p50", "p99")
        )
        cpu = statistics.median(turn[kind].cpu for turn in seen)
        print(f"{name}: {rate:,.0f} requests/s, p50 {p50:.2f} ms, p99 {p99:.2f} ms; {cpu:.0f} us of a core a request")
    for name, ratios in (("requests/s, with / without", rates), ("time of a core, without / with", costs)):
        shown = ", ".join(f"{ratio:.3f}" for ratio in ratios)
        print(f"{name}: {statistics.median(ratios):.3f}, the median of {asked.starts} starts ({shown})")


def in_turns(url: str, bodies: Sequence[bytes], number: int) -> list[dict[str, Turn]]:
    """Measure with and without so many times, every other time the one or the other first."""
    warm(url, len(bodies[0]))
    measure(url, bodies, connections=CONNECTIONS, seconds=8)

    server = psutil.Process().children(recursive=True)

    def spent() -> float:
        return sum(sum(process.cpu_times()[:2]) for process in server)

    def turn(kind: str) -> Turn:
        before = spent()
        load = measure(url, bodies, content_type=kind, connections=CONNECTIONS, seconds=SECONDS)
        time.sleep(0.3)  # until what was noted is told
        return Turn(load, 1e6 * (spent() - before) / load.requests)

    kinds = (TOLD, UNTOLD)
    return [{kind: turn(kind) for kind in (kinds if place % 2 else kinds[::-1])} for place in range(number)]


if __name__ == "__main__":
    main()
