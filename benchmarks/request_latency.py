"""One request in the process: JSON bytes to JSON bytes, without any server.

python benchmarks/request_latency.py BUNDLE
"""

import json
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from statistics import median, quantiles

from sales.bundle import read_manifest
from sales.forecaster import Forecaster
from schemas.sales.parse import parse_request

REQUESTS = 2000


def timed(call: Callable[[], bytes]) -> list[float]:
    """Milliseconds of each of many calls."""
    for _ in range(100):
        call()
    times = []
    for _ in range(REQUESTS):
        start = time.perf_counter()
        call()
        times.append((time.perf_counter() - start) * 1000)
    return times


def main() -> None:
    """Print a table."""
    bundle = Path(sys.argv[1] if len(sys.argv) > 1 else "model_store/demo")
    forecaster, about = Forecaster.load(bundle), read_manifest(bundle)
    store, day = about.levels["Store"][0], str(about.cutoff + timedelta(days=1))
    (answer,) = forecaster.predict([parse_request({"store": store, "date": day, "promo": True})])
    other = {
        "store": store,
        "date": day,
        "promo": answer.sales == forecaster.predict([parse_request({"store": store, "date": day})])[0].sales,
    }
    bodies = {
        "one store and day": {"store": store, "date": day},
        "with another promotion than planned": {**other, "promo": not other["promo"]},
        "42 days": {"store": store, "start": day, "days": 42},
        "1,000 items": {"items": [{"store": store, "date": day}] * 1000},
    }
    explained = {"the first, explained": bodies["one store and day"]}
    print("| request | median | p99 |\n|---|---|---|")
    for name, body in (bodies | explained).items():
        sent, explain = json.dumps(body).encode(), name in explained
        times = timed(
            lambda sent=sent, explain=explain: forecaster.predict([parse_request(sent, explain=explain)])[0].to_json()
        )
        print(f"| {name} | {median(times):.3f} ms | {quantiles(times, n=100)[98]:.3f} ms |")


if __name__ == "__main__":
    main()
