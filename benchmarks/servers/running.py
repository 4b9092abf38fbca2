"""Run servers side by side and measure them in turns, for `benchmarks.serve_sales` and `benchmarks.serve_pets`.

Four servers run at once, each with the same number of workers: Shopcat with and without its gateway, TorchServe with a
handler that does nothing, and FastAPI. They are measured in turns, so that other load on the machine meets all of them.
Figures are medians over the rounds.
"""

import argparse
import contextlib
import http.client
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from benchmarks.load_generator.closed_loop import Load, generator, measure
from serving.gateway.config import GatewayConfig
from serving.ports import HOST, Ports
from serving.service import Service
from serving.torchserve.archive import HANDLER, archive
from serving.torchserve.runner import TorchServeRunner
from serving.torchserve.server import running_server

ROOT = Path(__file__).resolve().parents[2]
WARM_S = 20  # seconds of load before measuring: a slow machine's JVM takes that long to compile its hot code
OURS, GATEWAY, NOOP, FASTAPI = "this, without gateway", "this", "TorchServe, no-op", "FastAPI, onnxruntime"


def parser(about: str | None, *, seconds: float) -> argparse.ArgumentParser:
    """Return the parser of the arguments of both commands: the bundle, and the sizes of the measurement."""
    arguments = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("bundle", type=Path)
    arguments.add_argument("--connections", type=int, nargs="+", default=[1, 8, 32])
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--seconds", type=float, default=seconds, help="seconds of each measurement")
    arguments.add_argument(
        "--workers", type=int, default=len(os.sched_getaffinity(0)), help="number of workers of each server"
    )
    return arguments


def compare(
    args: argparse.Namespace,
    kind: str,
    bodies: Sequence[bytes],
    *,
    content_type: str,
    about: str,
    rejections: bool = False,
    **environment: str,
) -> None:
    """Run the servers, measure them, and print a Markdown table.

    Args:
        args: arguments that `parser` has parsed.
        kind: kind of the bundle, ``sales`` or ``pets``.
        bodies: bodies of the requests, sent in turn.
        content_type: content type of the bodies.
        about: description of the requests for the reader.
        rejections: count requests that a server rejects, instead of ending with an error.
        **environment: environment variables of the FastAPI server, beside the bundle's folder.
    """
    with contextlib.ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory()))
        urls = {
            OURS: running.enter_context(torchserve(args.bundle, kind, folder / "ours", args.workers)),
            NOOP: running.enter_context(
                torchserve(args.bundle, kind, folder / "noop", args.workers, "noop_handler.py")
            ),
            GATEWAY: running.enter_context(service(args.bundle, kind, folder / "gateway", args.workers)),
            FASTAPI: running.enter_context(fastapi(args.bundle, kind, args.workers, environment)),
        }

        def load(url: str, connections: int, seconds: float) -> Load:
            return measure(
                url,
                bodies,
                content_type=content_type,
                connections=connections,
                seconds=seconds,
                rejections=rejections,
            )

        for name in (OURS, GATEWAY):
            warm(urls[name], len(bodies[0]))
        for url in urls.values():
            load(url, 32, WARM_S)
        loads: dict[tuple[int, str], list[Load]] = {}
        for _ in range(args.rounds):
            for connections in args.connections:
                for name, url in urls.items():
                    loads.setdefault((connections, name), []).append(load(url, connections, args.seconds))
    print(f"{args.workers} workers, {about}; load by {generator(rejections)}; medians of {args.rounds} rounds")
    print_table(loads)


def warm(url: str, size: int, requests: int = 4000) -> None:
    """Send invalid requests of the measured size until the JVM has compiled its hot code.

    That takes some thousand requests. Valid photos would take minutes, at 100 a second.
    """
    parts = urllib.parse.urlsplit(url)
    for _ in range(requests):
        connection = http.client.HTTPConnection(parts.netloc, timeout=60)
        connection.request("POST", parts.path, b"x" * size)
        connection.getresponse().read()
        connection.close()


@contextlib.contextmanager
def torchserve(bundle: Path, kind: str, store: Path, workers: int, handler: str = "") -> Iterator[str]:
    """Run TorchServe with the bundle's model, or with another handler of this folder; yield the model's URL."""
    port = Ports.any_free().inference
    with running_server([_archive(bundle, kind, store, handler)], port=port, workers=workers):
        yield f"http://{HOST}:{port}/predictions/{kind}"


@contextlib.contextmanager
def service(bundle: Path, kind: str, store: Path, workers: int, handler: str = "") -> Iterator[str]:
    """Run the service behind its gateway, optionally with another handler of this folder; yield the model's URL."""
    ports = Ports.any_free()
    config = GatewayConfig(ports.inference, probes_port=ports.metrics)
    runner = TorchServeRunner(workers=workers)
    with Service(config, lambda: [_archive(bundle, kind, store, handler)], runner).running():
        yield f"{config.url}/predictions/{kind}"


def _archive(bundle: Path, kind: str, store: Path, handler: str) -> Path:
    folder = archive(bundle, store)
    if handler:
        shutil.copy(Path(__file__).with_name(handler), folder)
        manifest = folder / "MAR-INF" / "MANIFEST.json"
        manifest.write_text(manifest.read_text().replace(HANDLER, handler))
    return folder


def fastapi(bundle: Path, kind: str, workers: int, environment: Mapping[str, str]) -> AbstractContextManager[str]:
    """Run the FastAPI server of this folder for a kind of bundle; yield the model's URL."""
    return uvicorn(f"benchmarks.servers.fastapi_{kind}:app", bundle, kind, workers, environment)


def uvicorn(
    app: str, bundle: Path, kind: str, workers: int, environment: Mapping[str, str] = {}
) -> AbstractContextManager[str]:
    """Run an ASGI application on uvicorn at its fastest; yield the model's URL."""
    command = ["uvicorn", app, "--no-access-log", "--loop", "uvloop", "--http", "httptools", "--log-level", "warning"]
    return _running_module([*command, "--workers", str(workers)], bundle, kind, environment)


def granian(app: str, bundle: Path, kind: str, workers: int) -> AbstractContextManager[str]:
    """Run an ASGI application on Granian at its fastest; yield the model's URL."""
    command = ["granian", app, "--interface", "asgi", "--loop", "uvloop", "--http", "1", "--no-ws", "--no-log"]
    return _running_module([*command, "--workers", str(workers)], bundle, kind, {})


@contextlib.contextmanager
def _running_module(arguments: Sequence[str], bundle: Path, kind: str, environment: Mapping[str, str]) -> Iterator[str]:
    """Run a server's module until the block ends; it begins when the server accepts connections."""
    port = Ports.any_free().inference
    process = subprocess.Popen(
        [sys.executable, "-m", *arguments, "--port", str(port)],
        cwd=ROOT,
        env={**os.environ, "SHOPCAT_BUNDLE": str(bundle.resolve()), "OMP_NUM_THREADS": "1", **environment},
    )
    try:
        until = time.monotonic() + 60
        while True:
            try:
                socket.create_connection((HOST, port), timeout=5).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > until:
                    raise
                time.sleep(0.1)
        yield f"http://{HOST}:{port}/predictions/{kind}"
    finally:
        process.terminate()
        process.wait()


def print_table(loads: dict[tuple[int, str], list[Load]]) -> None:
    """Print medians and ratios as a Markdown table.

    Args:
        loads: measurements of each round, by number of connections and server.
    """
    print("| connections | server | answers/s | p50 ms | p99 ms | rejected | ours is |")
    print("|---:|---|---:|---:|---:|---:|---:|")
    for (connections, name), rounds in loads.items():
        rate, p50, p99 = (
            statistics.median(getattr(load, figure) for load in rounds) for figure in ("rate", "p50", "p99")
        )
        # Compared within a round, so that a slow spell of the machine meets both servers.
        pairs = zip(loads[connections, OURS], rounds, strict=True)
        ratio = statistics.median(ours.rate / other.rate for ours, other in pairs)
        times = "" if name == OURS else f"{ratio:.2f} x"
        rejected = sum(load.rejected for load in rounds)
        rejected_share = rejected / (rejected + sum(load.requests for load in rounds))
        print(f"| {connections} | {name} | {rate:,.0f} | {p50:.2f} | {p99:.2f} | {rejected_share:.0%} | {times} |")
