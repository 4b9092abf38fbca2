"""Start servers to measure beside the project: TorchServe with any handler, FastAPI, LitServe, uvicorn and Granian."""

import contextlib
import http.client
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import httpx

from serving.archives.archive import HANDLER, archive
from serving.gateway.config import GatewayConfig
from serving.ports import HOST, Ports
from serving.service import Service
from serving.torchserve.runner import TorchServeRunner
from serving.torchserve.server import running_server

ROOT = Path(__file__).resolve().parents[2]


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


def litserve(bundle: Path, kind: str, workers: int, environment: Mapping[str, str] = {}) -> AbstractContextManager[str]:
    """Run LitServe for a kind of bundle; yield the model's URL."""
    command = ["benchmarks.servers.lit_serve", "--kind", kind, "--workers", str(workers)]
    return _running_module(command, bundle, kind, environment)


@contextlib.contextmanager
def _running_module(arguments: Sequence[str], bundle: Path, kind: str, environment: Mapping[str, str]) -> Iterator[str]:
    """Run a server's module until the block ends; yield the model's URL once the server answers."""
    port = Ports.any_free().inference
    command = [sys.executable, "-m", *arguments, "--port", str(port)]
    settings = {"SHOPCAT_BUNDLE": str(bundle.resolve()), "OMP_NUM_THREADS": "1", **environment}
    with running(command, settings, f"http://{HOST}:{port}/"):
        yield f"http://{HOST}:{port}/predictions/{kind}"


@contextlib.contextmanager
def running(command: Sequence[str], environment: Mapping[str, str], url: str) -> Iterator[None]:
    """Run a server and its processes until the block ends; it begins when the server answers at a URL."""
    # LitServe leaves its processes behind when it ends, so they are a group.
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **environment}, start_new_session=True)
    try:
        until = time.monotonic() + 120
        while not _answers(url):
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"the server does not answer at {url}: {' '.join(command)}")
            time.sleep(0.1)
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):  # if it has ended by itself
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _answers(url: str) -> bool:
    try:
        httpx.get(url, timeout=10)
    except httpx.TransportError:
        return False
    return True
