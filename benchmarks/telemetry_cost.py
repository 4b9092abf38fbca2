"""What metrics and the audit log take of the throughput: the sales model as it is, and without them, side by side.

    python -m benchmarks.telemetry_cost model_store/demo

Both run at once, under TorchServe without a front door, and are measured in turns, each turn in the other order: a slow
spell of the machine meets both. The figure is the median of the turns' ratios.
"""

import argparse
import statistics
import tempfile
from pathlib import Path

from benchmarks.load import generator, measure
from benchmarks.serve_sales import some_days
from benchmarks.serving import torchserve, warm

CONNECTIONS, SECONDS = 32, 2.0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    bodies = some_days(asked.bundle)
    with (
        tempfile.TemporaryDirectory() as folder,
        torchserve(asked.bundle, "sales", Path(folder, "told"), asked.workers) as told,
        torchserve(asked.bundle, "sales", Path(folder, "untold"), asked.workers, "untold_handler.py") as untold,
    ):
        for url in (told, untold):
            warm(url, len(bodies[0]))
            measure(url, bodies, connections=CONNECTIONS, seconds=4 * SECONDS)
        turns = []
        for turn in range(asked.rounds):
            order = (told, untold) if turn % 2 else (untold, told)
            loads = {url: measure(url, bodies, connections=CONNECTIONS, seconds=SECONDS) for url in order}
            turns.append((loads[told], loads[untold]))
    print(f"{CONNECTIONS} connections, {asked.workers} workers; load by {generator()}; medians of {asked.rounds} turns")
    for name, place in (("with metrics and audit log", 0), ("without", 1)):
        rate, p50, p99 = (
            statistics.median(getattr(turn[place], each) for turn in turns) for each in ("rate", "p50", "p99")
        )
        print(f"{name}: {rate:,.0f} requests/s, p50 {p50:.2f} ms, p99 {p99:.2f} ms")
    ratios = sorted(one.rate / other.rate for one, other in turns)
    low, middle, high = (ratios[len(ratios) * quarter // 4] for quarter in (1, 2, 3))
    print(f"with / without: {middle:.3f} (half of the turns: {low:.3f} to {high:.3f})")


if __name__ == "__main__":
    main()
