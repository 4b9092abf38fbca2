"""Servers side by side in one run: what serve_sales.py and serve_pets.py share.

Ours with and without its front door, TorchServe doing nothing, and FastAPI run at once, with as many workers each, and
are measured in turns, so that whatever else the machine does meets all of them. Figures are medians over the rounds.
"""

import argparse
import contextlib
import http.client
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.load import Load, generator, measure
from serving.gateway.config import Door
from serving.ports import HOST, Ports
from serving.service import Service
from serving.torchserve.archive import archive
from serving.torchserve.server import running_server

ROOT = Path(__file__).resolve().parents[1]
WARM_S = 20  # of load before anything is measured: a slow machine's JVM takes them to compile what is hot
OURS, EDGE, NOOP, FASTAPI = "this, without front door", "this", "TorchServe, no-op", "FastAPI, onnxruntime"


def parser(about: str, *, seconds: float) -> argparse.ArgumentParser:
    """The command line of both: the bundle, and how to measure."""
    made = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("bundle", type=Path)
    made.add_argument("--connections", type=int, nargs="+", default=[1, 8, 32])
    made.add_argument("--rounds", type=int, default=5)
    made.add_argument("--seconds", type=float, default=seconds, help="of each measurement")
    made.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)), help="of each server")
    return made


def compare(
    asked: argparse.Namespace, kind: str, bodies: Sequence[bytes], *, content_type: str, about: str, **environment: str
) -> None:
    """Run the servers, measure them, and print a Markdown table.

    Args:
        asked: what `parser` has read.
        kind: the bundle's: ``sales`` or ``pets``.
        bodies: of the requests, in turn.
        content_type: the bodies'.
        about: what is sent, for the reader.
        **environment: of the FastAPI server, beside the bundle's folder.
    """
    with contextlib.ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory()))
        urls = {
            OURS: running.enter_context(torchserve(asked.bundle, kind, folder / "ours", asked.workers)),
            NOOP: running.enter_context(
                torchserve(asked.bundle, kind, folder / "noop", asked.workers, "noop_handler.py")
            ),
            EDGE: running.enter_context(service(asked.bundle, kind, folder / "edge", asked.workers)),
            FASTAPI: running.enter_context(fastapi(asked.bundle, kind, asked.workers, environment)),
        }

        def load(url: str, connections: int, seconds: float) -> Load:
            return measure(url, bodies, content_type=content_type, connections=connections, seconds=seconds)

        for name in (OURS, EDGE):
            warm(urls[name], len(bodies[0]))
        for url in urls.values():
            load(url, 32, WARM_S)
        seen: dict[tuple[int, str], list[Load]] = {}
        for _ in range(asked.rounds):
            for connections in asked.connections:
                for name, url in urls.items():
                    seen.setdefault((connections, name), []).append(load(url, connections, asked.seconds))
    print(f"{asked.workers} workers, {about}; load by {generator()}; medians of {asked.rounds} rounds")
    print_table(seen)


def warm(url: str, size: int, requests: int = 4000) -> None:
    """Send requests that are refused, as large as those that are measured, until the JVM has compiled what is hot.

    That takes some thousand requests, and with photos at 100 a second minutes.
    """
    parts = urllib.parse.urlsplit(url)
    for _ in range(requests):
        connection = http.client.HTTPConnection(parts.netloc, timeout=60)
        connection.request("POST", parts.path, b"x" * size)
        connection.getresponse().read()
        connection.close()


@contextlib.contextmanager
def torchserve(bundle: Path, kind: str, store: Path, workers: int, handler: str = "") -> Iterator[str]:
    """TorchServe with the bundle's model, or with another handler of this folder in its place and all else the same."""
    port = Ports.any_free().inference
    with running_server([_archive(bundle, kind, store, handler)], port=port, workers=workers):
        yield f"http://{HOST}:{port}/predictions/{kind}"


@contextlib.contextmanager
def service(bundle: Path, kind: str, store: Path, workers: int, handler: str = "") -> Iterator[str]:
    """The whole service, with its front door, and as ``torchserve`` with another handler."""
    ports = Ports.any_free()
    door = Door(ports.inference, probes=ports.metrics)
    with Service(door, lambda: [_archive(bundle, kind, store, handler)], instances=1, workers=workers).running():
        yield f"{door.url}/predictions/{kind}"


def _archive(bundle: Path, kind: str, store: Path, handler: str) -> Path:
    folder = archive(bundle, store)
    if handler:
        shutil.copy(ROOT / "benchmarks" / handler, folder)
        manifest = folder / "MAR-INF" / "MANIFEST.json"
        manifest.write_text(manifest.read_text().replace(f"handlers.{kind}", handler))
    return folder


@contextlib.contextmanager
def fastapi(bundle: Path, kind: str, workers: int, environment: dict[str, str]) -> Iterator[str]:
    """The reference server: fastapi_sales.py or fastapi_pets.py."""
    port = Ports.any_free().inference
    url = f"http://{HOST}:{port}"
    command = [sys.executable, "-m", "uvicorn", f"benchmarks.fastapi_{kind}:app", "--no-access-log"]
    command += ["--loop", "uvloop", "--http", "httptools", "--log-level", "warning"]
    command += ["--port", str(port), "--workers", str(workers)]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "SHOPCAT_BUNDLE": str(bundle.resolve()), "OMP_NUM_THREADS": "1", **environment},
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
        yield f"{url}/predictions/{kind}"
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
