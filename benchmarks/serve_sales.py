"""How fast forecasts are served: our TorchServe, TorchServe doing nothing, and FastAPI, side by side in one run.

    python -m benchmarks.serve_sales model_store/sales

All three servers run at once, with as many workers each, and are measured in turns, so that whatever else the machine
does meets all of them. The figures are medians over the rounds.
"""

import argparse
import contextlib
import datetime as dt
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from benchmarks.load import Load, generator, measure
from handlers.archive import archive
from handlers.ports import HOST, Ports
from handlers.server import running_server
from sales.bundle import read_manifest

ROOT = Path(__file__).resolve().parents[1]
OURS, NOOP, FASTAPI = "TorchServe, sales", "TorchServe, no-op", "FastAPI, onnxruntime"


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)), help="of each server")
    asked = parser.parse_args()
    body = request(asked.bundle)
    with contextlib.ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory()))
        urls = {
            OURS: running.enter_context(torchserve(asked.bundle, folder / "ours", asked.workers, noop=False)),
            NOOP: running.enter_context(torchserve(asked.bundle, folder / "noop", asked.workers, noop=True)),
            FASTAPI: running.enter_context(fastapi(asked.bundle, asked.workers)),
        }
        for url in urls.values():  # until the JVM has compiled what is hot
            measure(url, body, connections=32, seconds=3 * asked.seconds)
        seen: dict[tuple[int, str], list[Load]] = {}
        for _ in range(asked.rounds):
            for connections in asked.connections:
                for name, url in urls.items():
                    load = measure(url, body, connections=connections, seconds=asked.seconds)
                    seen.setdefault((connections, name), []).append(load)
    print(f"{asked.workers} workers, {body.decode()}; load by {generator()}; medians of {asked.rounds} rounds")
    print_table(seen)


def request(bundle: Path) -> bytes:
    """The first store's day, two weeks after the last that the model knows."""
    about = read_manifest(bundle)
    return json.dumps({"store": about.levels["Store"][0], "date": str(about.cutoff + dt.timedelta(days=14))}).encode()


@contextlib.contextmanager
def torchserve(bundle: Path, store: Path, workers: int, *, noop: bool) -> Iterator[str]:
    """TorchServe with the sales model, or with the no-op handler in its place and all else the same."""
    folder = archive(bundle, store)
    if noop:
        shutil.copy(ROOT / "benchmarks" / "noop_handler.py", folder)
        manifest = folder / "MAR-INF" / "MANIFEST.json"
        manifest.write_text(manifest.read_text().replace("handlers.sales", "noop_handler.py"))
    with running_server([folder], ports=Ports.any_free(), workers=workers) as server:
        yield server.url("sales")


@contextlib.contextmanager
def fastapi(bundle: Path, workers: int) -> Iterator[str]:
    """The reference server."""
    port = Ports.any_free().inference
    url = f"http://{HOST}:{port}"
    command = [sys.executable, "-m", "uvicorn", "benchmarks.fastapi_sales:app", "--no-access-log"]
    command += ["--loop", "uvloop", "--http", "httptools", "--log-level", "warning"]
    command += ["--port", str(port), "--workers", str(workers)]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "SHOPCAT_BUNDLE": str(bundle.resolve()), "OMP_NUM_THREADS": "1"},
    )
    try:
        until = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(f"{url}/openapi.json", timeout=5).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > until:
                    raise
                time.sleep(0.1)
        yield f"{url}/predictions/sales"
    finally:
        process.terminate()
        process.wait()


def print_table(seen: dict[tuple[int, str], list[Load]]) -> None:
    """Print medians and ratios as Markdown."""
    print("| connections | server | requests/s | p50 ms | p99 ms | ours is |")
    print("|---:|---|---:|---:|---:|---:|")
    for connections, name in seen:
        loads = seen[connections, name]
        rate, p50, p99 = (
            statistics.median(getattr(load, figure) for load in loads) for figure in ("rate", "p50", "p99")
        )
        # Of each round's two neighbours, so that a slow spell of the machine does not count for one alone.
        pairs = zip(seen[connections, OURS], loads, strict=True)
        ratio = statistics.median(ours.rate / other.rate for ours, other in pairs)
        times = "" if name == OURS else f"{ratio:.2f} x"
        print(f"| {connections} | {name} | {rate:,.0f} | {p50:.2f} | {p99:.2f} | {times} |")


if __name__ == "__main__":
    main()
