"""Measure what a second thread, API keys, rate limits and traces cost the gateway.

    python -m benchmarks.gateway_cost model_store/demo

Several gateways stand before the same TorchServe instance, and an option is measured beside the gateway without
options, in turns. The CPU time for a request has less noise than the
rate. Spans go to a collector (Rotel) that drops them.
"""

import contextlib
import dataclasses
import socket
import statistics
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import psutil

from benchmarks.load_generator.closed_loop import generator, measure
from benchmarks.servers.running import warm
from benchmarks.table.sales import one_day
from benchmarks.turns import cpu_seconds, parser
from serving.admission import served_models
from serving.archives.archive import archive
from serving.gateway.config import GatewayConfig
from serving.gateway.envoy import running_gateway
from serving.gateway.keys import ApiKey
from serving.gateway.rate_limit import parse_rate_limits
from serving.gateway.reloaded import Reloaded
from serving.gateway.tracing import tracing_from
from serving.ports import HOST, Ports
from serving.torchserve.server import running_server

PLAIN = "one thread"
KEY = "0123456789abcdef" * 3


class Turn(NamedTuple):
    """Figures of one measurement.

    Attributes:
        rate: requests a second.
        p99: 99th percentile of the latency, milliseconds.
        cpu: CPU time of Envoy, microseconds a request.
        total: CPU time of Envoy, TorchServe and the workers, microseconds a request.
    """

    rate: float
    p99: float
    cpu: float
    total: float


def main() -> None:
    """Measure and print a Markdown table."""
    options = parser(__doc__)
    options.add_argument("--workers", type=int, default=2)
    args = options.parse_args()
    bodies = one_day(args.bundle)
    pairs: dict[str, list[tuple[Turn, Turn]]] = {}
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as running:
        archives = [archive(args.bundle, Path(folder))]
        server = running.enter_context(running_server(archives, workers=args.workers))
        assert isinstance(server.address, Path)
        models = served_models(server.models, {name: server.workers(name) for name in server.models})
        gateways = {
            name: running.enter_context(running_gateway(config, models, [server.address]))
            for name, config in configs(running.enter_context(collector(Path(folder)))).items()
        }
        (model,) = server.models
        java = psutil.Process(server.process.pid)
        torchserve = [java, *java.children(recursive=True)]

        def turn(name: str, seconds: float) -> Turn:
            gateway = gateways[name]
            envoy = psutil.Process(gateway.process.pid)
            before, all_before = cpu_seconds([envoy]), cpu_seconds([envoy, *torchserve])
            url = f"{gateway.config.url}/predictions/{model}"
            headers = {"X-API-Key": KEY} if gateway.config.keys else {}
            load = measure(url, bodies, connections=args.connections, seconds=seconds, headers=headers)
            cpu = cpu_seconds([envoy]) - before
            total = cpu_seconds([envoy, *torchserve]) - all_before
            return Turn(load.rate, load.p99, 1e6 * cpu / load.requests, 1e6 * total / load.requests)

        warm(f"{gateways[PLAIN].config.url}/predictions/{model}", len(bodies[0]))
        for name in gateways:
            turn(name, 5)
        for number in range(args.rounds):
            for name in gateways.keys() - {PLAIN}:
                pair = {other: turn(other, args.seconds) for other in ((PLAIN, name), (name, PLAIN))[number % 2]}
                pairs.setdefault(name, []).append((pair[name], pair[PLAIN]))
    print(f"{args.connections} connections, {args.workers} workers; load by {generator()}; {args.rounds} rounds\n")
    print_table(pairs)


def configs(endpoint: str) -> dict[str, GatewayConfig]:
    """Return the settings of each gateway."""
    keys: Reloaded[Sequence[ApiKey]] = Reloaded((), lambda: [ApiKey("shop", KEY)])
    limits = parse_rate_limits(["1000000/s", "999999999/day"])

    def traces(share: str) -> GatewayConfig:
        settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_TRACES_SAMPLER_ARG": share}
        return GatewayConfig(threads=1, tracing=tracing_from(settings))

    found = {
        PLAIN: GatewayConfig(threads=1),
        "two threads": GatewayConfig(threads=2),
        "API keys": GatewayConfig(threads=1, keys=keys),
        "API keys and two rate limits": GatewayConfig(threads=1, keys=keys, rate_limits=limits),
        "traces of all requests": traces("1"),
        "traces of 1 %": traces("0.01"),
    }
    return {name: dataclasses.replace(config, port=Ports.any_free().inference) for name, config in found.items()}


@contextlib.contextmanager
def collector(folder: Path) -> Iterator[str]:
    """Run a collector that drops all spans; yield its address."""
    import rotel  # type: ignore[import-untyped]

    with socket.socket() as grpc, socket.socket() as http:
        for held in (grpc, http):
            held.bind((HOST, 0))
        grpc_port, port = grpc.getsockname()[1], http.getsockname()[1]
    command = [str(Path(rotel.__file__).with_name("rotel-agent")), "start", "--exporter", "blackhole"]
    command += ["--otlp-grpc-endpoint", f"{HOST}:{grpc_port}", "--otlp-http-endpoint", f"{HOST}:{port}"]
    command += ["--pid-file", str(folder / "pid"), "--log-file", str(folder / "log")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield f"http://{HOST}:{port}"
    finally:
        process.terminate()
        process.wait()


def print_table(pairs: Mapping[str, Sequence[tuple[Turn, Turn]]]) -> None:
    """Print the medians of each option, and of its ratios to the gateway without options."""
    print("| gateway | requests/s | p99 ms | us of Envoy | us of all | requests/s, ratio | Envoy, ratio | all, ratio |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    every_plain = [plain for measured in pairs.values() for _, plain in measured]
    for name, measured in {PLAIN: [(plain, plain) for plain in every_plain], **pairs}.items():
        rate, p99, cpu, total = (
            statistics.median(column) for column in zip(*(turn for turn, _ in measured), strict=True)
        )
        ratios = [
            statistics.median(getattr(turn, figure) / getattr(plain, figure) for turn, plain in measured)
            for figure in ("rate", "cpu", "total")
        ]
        shown = " | ".join(f"{ratio:.3f}" for ratio in ratios)
        print(f"| {name} | {rate:,.0f} | {p99:.2f} | {cpu:.1f} | {total:.1f} | {shown} |")


if __name__ == "__main__":
    main()
