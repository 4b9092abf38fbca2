"""Measure the latency of sales requests inside the process, from JSON bytes to JSON bytes, without a server.

    python -m benchmarks.request_latency [BUNDLE]

The default bundle is model_store/demo.
"""

import json
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from sales.bundle import read_manifest
from sales.forecaster import Forecaster
from schemas.sales.answer import Forecast
from schemas.sales.parse import parse_request

REQUESTS = 2000


def timed(call: Callable[[], bytes]) -> list[float]:
    """Return the milliseconds of each of REQUESTS calls, after a warm-up."""
    for _ in range(100):
        call()
    times = []
    for _ in range(REQUESTS):
        start = time.perf_counter()
        call()
        times.append((time.perf_counter() - start) * 1000)
    return times


def answer(forecaster: Forecaster, body: bytes, *, explain: bool) -> bytes:
    """Answer one request, from JSON to JSON."""
    return forecaster.predict([parse_request(body, explain=explain)])[0].to_json()


def sales(forecaster: Forecaster, item: dict[str, Any]) -> float:
    """Return the forecast of one store and day."""
    (forecast,) = forecaster.predict([parse_request(item)])
    if not isinstance(forecast, Forecast):
        raise SystemExit(f"{item} has no forecast: {forecast.to_json().decode()}")
    return forecast.sales


def main() -> None:
    """Print a table of latencies by request."""
    bundle = Path(sys.argv[1] if len(sys.argv) > 1 else "model_store/demo")
    forecaster, about = Forecaster.load(bundle), read_manifest(bundle)
    store, day = about.levels["Store"][0], str(about.cutoff + timedelta(days=1))
    item = {"store": store, "date": day}
    planned = sales(forecaster, item) == sales(forecaster, {**item, "promo": True})
    bodies = {
        "one store and day": item,
        "with two intervals": {**item, "levels": [80, 90]},
        "with another promotion than planned": {**item, "promo": not planned},
        "42 days": {"store": store, "start": day, "days": 42},
        "1,000 items": {"items": [item] * 1000},
    }
    explained = {"the first, explained": item}
    print("| request | median | p99 |\n|---|---|---|")
    for name, body in (bodies | explained).items():
        times = timed(partial(answer, forecaster, json.dumps(body).encode(), explain=name in explained))
        print(f"| {name} | {median(times):.3f} ms | {quantiles(times, n=100)[98]:.3f} ms |")


if __name__ == "__main__":
    main()
