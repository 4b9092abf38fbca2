"""Rows of forecasts over HTTP: both runners, with and without the gateway, and what users would take instead."""

import datetime as dt
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from benchmarks.load_generator.closed_loop import Load, generator, measure
from benchmarks.servers import triton
from benchmarks.servers.running import fastapi, granian, litserve, torchserve, uvicorn, warm
from benchmarks.table.record import Result
from runtime.bundle import kind_of
from runtime.cores import n_cores
from sales.bundle import read_manifest
from sales.forecaster import Forecaster
from schemas.sales.parse import ForecastRequest, parse_request
from serving.archives.archive import archive
from serving.gateway.config import GatewayConfig
from serving.ports import HOST, Ports
from serving.python.runner import PythonRunner
from serving.runner import Runner
from serving.service import Service
from serving.torchserve.runner import TorchServeRunner
from serving.without_gateway import serving_without_gateway

PYTHON, TORCHSERVE = "python", "torchserve"
BARE_PYTHON, BARE_TORCHSERVE = "python, no gateway", "torchserve, no gateway"
NOOP, FASTAPI = "TorchServe, no-op handler", "FastAPI and onnxruntime"
LITSERVE, TRITON = "LitServe", "Triton, Python backend"
PEERS = (LITSERVE, *([TRITON] if triton.packages() else ()))  # beside FastAPI, as far as they are installed
CONNECTIONS = (1, 8, 32, 128)
# Goals of each server against FastAPI: the median latency with one connection, and rates with more.
_GOALS: Mapping[str, Sequence[float | None]] = {
    PYTHON: (1.3, 1.3, 2, 2),
    TORCHSERVE: (2.5, 1, 1.3, 1.3),
    BARE_PYTHON: (1.1, 1.5, 3, 3),
    BARE_TORCHSERVE: (None, None, None, None),
}
_ONE_WORKER = {"batchSize": 64, "max_concurrent": 128}  # of one worker in place of two
_REQUESTS = 1000
_WARM_S = 10.0
_JVM_WARM_S = 20.0  # a slow machine's JVM takes that long to compile its hot code

Loads = Mapping[tuple[int, str], Sequence[Load]]


def one_day(bundle: Path) -> list[bytes]:
    """Return requests for random stores of a bundle, and random days of its horizon."""
    about, rng = read_manifest(bundle), np.random.default_rng(0)
    days = rng.integers(1, about.horizon + 1, _REQUESTS).tolist()
    stores = rng.choice(about.levels["Store"], _REQUESTS).tolist()
    return [
        json.dumps({"store": store, "date": str(about.cutoff + dt.timedelta(days=day))}).encode()
        for store, day in zip(stores, days, strict=True)
    ]


def six_weeks(bundle: Path) -> list[bytes]:
    """Return requests for the first 42 days of random stores."""
    about, rng = read_manifest(bundle), np.random.default_rng(0)
    start = str(about.cutoff + dt.timedelta(days=1))
    return [
        json.dumps({"store": store, "start": start, "days": 42}).encode()
        for store in rng.choice(about.levels["Store"], 100).tolist()
    ]


@contextmanager
def servers(
    bundle: Path,
    names: Sequence[str],
    workers: int | None = None,
    settings: Mapping[str, int] = {},
    **environment: str,
) -> Iterator[Mapping[str, str]]:
    """Run servers side by side, and yield the model's URL by the server's name.

    Args:
        bundle: folder of the bundle.
        names: names of the servers.
        workers: number of workers of each server; None for one for each core.
        settings: settings of the model that replace the defaults of its kind.
        **environment: environment variables of the FastAPI server.
    """
    workers, kind = workers or n_cores(), kind_of(bundle)
    with ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory()))
        store = [archive(bundle, folder / "store", settings)]
        start: Mapping[str, Callable[[], str]] = {
            PYTHON: lambda: running.enter_context(_service(store, PythonRunner(workers))),
            TORCHSERVE: lambda: running.enter_context(_service(store, TorchServeRunner(workers=workers))),
            BARE_PYTHON: lambda: running.enter_context(_bare(store, PythonRunner(workers))),
            BARE_TORCHSERVE: lambda: running.enter_context(_bare(store, TorchServeRunner(workers=workers))),
            NOOP: lambda: running.enter_context(torchserve(bundle, kind, folder / "noop", workers, "noop_handler.py")),
            FASTAPI: lambda: running.enter_context(fastapi(bundle, kind, workers, environment)),
            LITSERVE: lambda: running.enter_context(litserve(bundle, kind, workers, environment)),
            TRITON: lambda: running.enter_context(triton.triton(bundle, workers)),
        }
        yield {name: start[name]() for name in names}


def in_turns(
    urls: Mapping[str, str],
    bodies: Sequence[bytes],
    *,
    connections: Sequence[int],
    rounds: int,
    seconds: float,
    content_type: str = "application/json",
    rejections: bool = False,
) -> Loads:
    """Measure the servers in turns, so that other load on the machine meets all of them."""
    wrapped = triton.infer_bodies(bodies) if TRITON in urls else []

    def measured(name: str, number: int, seconds: float) -> Load:
        of_triton = name == TRITON
        return measure(
            urls[name],
            wrapped if of_triton else bodies,
            connections=number,
            seconds=seconds,
            content_type=triton.CONTENT_TYPE if of_triton else content_type,
            headers=triton.HEADERS if of_triton else {},
            rejections=rejections,
        )

    for name, url in urls.items():
        if name in (TORCHSERVE, BARE_TORCHSERVE):
            warm(url, len(bodies[0]))
        measured(name, 8, _JVM_WARM_S if "orch" in name else _WARM_S)
    loads: dict[tuple[int, str], list[Load]] = {}
    for _ in range(rounds):
        for number in connections:
            for name in urls:
                loads.setdefault((number, name), []).append(measured(name, number, seconds))
    return loads


def rows(bundle: Path, *, rounds: int, seconds: float) -> tuple[list[Result], str]:
    """Measure one day a request with 1 to 128 connections; return the results and a description."""
    names = (PYTHON, TORCHSERVE, BARE_PYTHON, BARE_TORCHSERVE, NOOP, FASTAPI)
    with servers(bundle, names) as urls:
        loads = in_turns(urls, one_day(bundle), connections=CONNECTIONS, rounds=rounds, seconds=seconds)
    results = []
    for name in (PYTHON, TORCHSERVE, BARE_PYTHON, BARE_TORCHSERVE):
        results += _against_fastapi(loads, name)
    results.append(_rate(loads, 32, BARE_TORCHSERVE, NOOP, 0.85))
    results += [_rate(loads, 32, PYTHON, BARE_PYTHON, 0.6), _rate(loads, 32, TORCHSERVE, BARE_TORCHSERVE, 0.6)]
    about = (
        f"Forecasts of one store's day by the bundle {bundle.name}, with {n_cores()} workers a server and load by "
        f"{generator()}; medians of {rounds} rounds."
    )
    return results, about


def one_worker_rows(bundle: Path, *, rounds: int, seconds: float) -> tuple[list[Result], str]:
    """Measure one day a request with a single worker a server; return the results and a description."""
    names = (PYTHON, BARE_PYTHON, FASTAPI)
    with servers(bundle, names, 1, _ONE_WORKER) as urls:
        loads = in_turns(urls, one_day(bundle), connections=CONNECTIONS, rounds=rounds, seconds=seconds)
    results = []
    for name in (PYTHON, BARE_PYTHON):
        results += _against_fastapi(loads, name)
    about = (
        f"Forecasts of one store's day by the bundle {bundle.name}, with one worker a server (`--workers 1`, batches "
        f"of up to {_ONE_WORKER['batchSize']}) and load by {generator()}; medians of {rounds} rounds."
    )
    return results, about


def peer_rows(bundle: Path, *, rounds: int, seconds: float) -> tuple[list[Result], str]:
    """Measure other servers of models beside the runner in Python; return the results and a description."""
    with servers(bundle, (PYTHON, BARE_PYTHON, FASTAPI, *PEERS)) as urls:
        loads = in_turns(urls, one_day(bundle), connections=(1, 8, 32), rounds=rounds, seconds=seconds)
    results = []
    for peer in PEERS:
        for name in (PYTHON, BARE_PYTHON, FASTAPI):
            results.append(_latency(loads, name, None, peer))
            results += [_rate(loads, number, name, peer, None) for number in (8, 32)]
    about = (
        f"Forecasts of one store's day by the bundle {bundle.name}, with {n_cores()} workers a server and load by "
        f"{generator()}; medians of {rounds} rounds. The peers call the same forecaster, in batches."
    )
    return results, about


def http_server_rows(bundle: Path, *, rounds: int, seconds: float) -> tuple[list[Result], str]:
    """Measure one worker's own HTTP server beside ASGI servers that do the same; return results and a description."""
    app, worker = "benchmarks.servers.asgi_sales:app", "the worker's own server"
    with ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory()))
        urls = {
            worker: running.enter_context(_bare([archive(bundle, folder)], PythonRunner(1))),
            "uvicorn": running.enter_context(uvicorn(app, bundle, "sales", 1)),
            "Granian": running.enter_context(granian(app, bundle, "sales", 1)),
        }
        loads = in_turns(urls, one_day(bundle), connections=(1, 8, 32), rounds=rounds, seconds=seconds)
    results = []
    for peer in ("uvicorn", "Granian"):
        results.append(_latency(loads, worker, None, peer))
        results += [_rate(loads, connections, worker, peer, None) for connections in (8, 32)]
    return results, f"One worker, forecasts of one day by the bundle {bundle.name}; medians of {rounds} rounds."


def long_rows(bundle: Path, *, rounds: int, seconds: float) -> tuple[list[Result], str]:
    """Measure 42 days a request; return the results and a description."""
    bodies = six_weeks(bundle)
    with servers(bundle, (PYTHON, BARE_PYTHON)) as urls:
        loads = in_turns(urls, bodies, connections=(8,), rounds=rounds, seconds=seconds)
    forecaster = Forecaster.load(bundle, device="cpu")
    requests = [parse_request(body) for body in bodies]
    in_process = [_in_process(forecaster, requests, seconds) * n_cores() for _ in range(rounds)]
    results = [
        Result.of(
            f"42 days a request, {name}",
            "the same calls in a process for each core",
            [42 * load.rate for load in loads[8, name]],
            in_process,
            unit="forecasts/s",
            goal=0.5,
        )
        for name in (PYTHON, BARE_PYTHON)
    ]
    return results, f"Forecasts of six weeks by the bundle {bundle.name}, 8 connections; medians of {rounds} rounds."


def _in_process(forecaster: Forecaster, requests: Sequence[ForecastRequest], seconds: float) -> float:
    """Return forecasts a second of one process without HTTP and JSON."""
    start, done = time.process_time(), 0
    while time.process_time() - start < seconds:
        for index in range(0, len(requests), 16):
            forecaster.predict(requests[index : index + 16])
            done += len(requests[index : index + 16])
    return 42 * done / (time.process_time() - start)


def _against_fastapi(loads: Loads, name: str) -> list[Result]:
    p50, *rates = _GOALS[name]
    return [
        _latency(loads, name, p50),
        *(_rate(loads, number, name, FASTAPI, goal) for number, goal in zip(CONNECTIONS[1:], rates, strict=True)),
    ]


def _latency(loads: Loads, name: str, goal: float | None, peer: str = FASTAPI) -> Result:
    ours, theirs = ([load.p50 for load in loads[1, server]] for server in (name, peer))
    return Result.of(f"{name}, 1 connection", peer, ours, theirs, unit="ms p50", goal=goal, at_most=True)


def _rate(loads: Loads, connections: int, name: str, peer: str, goal: float | None) -> Result:
    ours, theirs = ([load.rate for load in loads[connections, server]] for server in (name, peer))
    return Result.of(f"{name}, {connections} connections", peer, ours, theirs, unit="requests/s", goal=goal)


@contextmanager
def _service(archives: Sequence[Path], runner: Runner) -> Iterator[str]:
    ports = Ports.any_free()
    checks = None if isinstance(runner, PythonRunner) else 2.0
    config = GatewayConfig(ports.inference, probes_port=ports.metrics, health_check_interval=checks)
    with Service(config, lambda: archives, runner).running():
        yield f"{config.url}/predictions/{archives[0].stem}"


@contextmanager
def _bare(archives: Sequence[Path], runner: Runner) -> Iterator[str]:
    ports = Ports.any_free()
    with serving_without_gateway(lambda: archives, runner, ports):
        yield f"http://{HOST}:{ports.inference}/predictions/{archives[0].stem}"
