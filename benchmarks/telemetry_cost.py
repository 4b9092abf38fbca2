"""What metrics and the audit log take of the throughput: the same workers with and without them, in turns.

    python -m benchmarks.telemetry_cost model_store/demo

The client's content type says whether a worker tells of its answers, so that one and the same process does both, a
second each, in turns: two servers, even if they are the same, differ by more than what is to be measured, until they
are started again. The figure of a start is the median of its turns' ratios.
"""

import argparse
import contextlib
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.load import Load, generator, measure
from benchmarks.serve_sales import some_days
from benchmarks.serving import service, torchserve, warm

CONNECTIONS, SECONDS = 32, 1.0
HANDLER = "in_turns_handler.py"
TOLD, UNTOLD = "application/json", "application/json; told=no"


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
    ratios, seen = list[float](), list[dict[str, Load]]()
    for _ in range(asked.starts):
        with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as running:
            url = running.enter_context(start(asked.bundle, "sales", Path(folder), asked.workers, HANDLER))
            loads = in_turns(url, bodies, asked.turns)
        ratios.append(statistics.median(turn[TOLD].rate / turn[UNTOLD].rate for turn in loads))
        seen += loads
    where = "through the front door" if asked.door else "without the front door"
    print(f"{CONNECTIONS} connections, {asked.workers} workers, {where}; load by {generator()}; medians of all turns")
    for name, kind in (("with metrics and audit log", TOLD), ("without", UNTOLD)):
        rate, p50, p99 = (
            statistics.median(getattr(turn[kind], each) for turn in seen) for each in ("rate", "p50", "p99")
        )
        print(f"{name}: {rate:,.0f} requests/s, p50 {p50:.2f} ms, p99 {p99:.2f} ms")
    shown = ", ".join(f"{ratio:.3f}" for ratio in ratios)
    print(f"with / without: {statistics.median(ratios):.3f}, the median of {asked.starts} starts ({shown})")


def in_turns(url: str, bodies: Sequence[bytes], number: int) -> list[dict[str, Load]]:
    """Measure with and without so many times, every other time the one or the other first."""
    warm(url, len(bodies[0]))
    measure(url, bodies, connections=CONNECTIONS, seconds=8)

    def load(kind: str) -> Load:
        time.sleep(0.3)  # until what was noted is told
        return measure(url, bodies, content_type=kind, connections=CONNECTIONS, seconds=SECONDS)

    kinds = (TOLD, UNTOLD)
    return [{kind: load(kind) for kind in (kinds if turn % 2 else kinds[::-1])} for turn in range(number)]


if __name__ == "__main__":
    main()
