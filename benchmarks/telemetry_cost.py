"""What metrics and the audit log take of the throughput: the sales model as it is, and without them, side by side.

    python -m benchmarks.telemetry_cost model_store/demo

Both run at once, under TorchServe without a front door, and are measured in turns, each turn in the other order: a slow
spell of the machine meets both. Two servers that are the same differ by some percent until they are started again, so
they are, several times, the one or the other first. The figure is the median of the starts' ratios.
"""

import argparse
import contextlib
import itertools
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.load import Load, generator, measure
from benchmarks.serve_sales import some_days
from benchmarks.serving import torchserve, warm

CONNECTIONS, SECONDS = 32, 2.0
HANDLERS = ("", "untold_handler.py")  # the model's own, and the other


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--starts", type=int, default=6)
    parser.add_argument("--turns", type=int, default=6, help="after each start")
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    bodies = some_days(asked.bundle)
    starts = [
        turns(asked.bundle, bodies, asked.workers, asked.turns, HANDLERS if start % 2 else HANDLERS[::-1])
        for start in range(asked.starts)
    ]
    print(f"{CONNECTIONS} connections, {asked.workers} workers; load by {generator()}; medians of all turns")
    for name, handler in zip(("with metrics and audit log", "without"), HANDLERS, strict=True):
        loads = [turn[handler] for turn in itertools.chain.from_iterable(starts)]
        rate, p50, p99 = (statistics.median(getattr(load, each) for load in loads) for each in ("rate", "p50", "p99"))
        print(f"{name}: {rate:,.0f} requests/s, p50 {p50:.2f} ms, p99 {p99:.2f} ms")
    told, untold = HANDLERS
    ratios = [statistics.median(turn[told].rate / turn[untold].rate for turn in each) for each in starts]
    shown = ", ".join(f"{ratio:.3f}" for ratio in ratios)
    print(f"with / without: {statistics.median(ratios):.3f}, the median of {asked.starts} starts ({shown})")


def turns(
    bundle: Path, bodies: Sequence[bytes], workers: int, number: int, handlers: Sequence[str]
) -> list[dict[str, Load]]:
    """Start a server with each handler, in this order, and measure them in turns."""
    with contextlib.ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory()))
        urls = {
            handler: running.enter_context(torchserve(bundle, "sales", folder / f"as {handler}", workers, handler))
            for handler in handlers
        }
        for url in urls.values():
            warm(url, len(bodies[0]))
            measure(url, bodies, connections=CONNECTIONS, seconds=4 * SECONDS)
        return [
            {
                handler: measure(urls[handler], bodies, connections=CONNECTIONS, seconds=SECONDS)
                for handler in (handlers if turn % 2 else handlers[::-1])
            }
            for turn in range(number)
        ]


if __name__ == "__main__":
    main()
