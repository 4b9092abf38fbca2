"""Options of `shopcat serve`, through the real command line."""

import http.client
import json
import os
import pty
import re
import shutil
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from serving.ports import HOST
from tests.integration.collector import Collector, collecting
from tests.integration.runners.kinds import RunnerKind, only_python, only_torchserve
from tests.integration.service.shopcat import DAY, ENVOY, Running, probe, serving
from tests.integration.waiting import until

pytestmark = pytest.mark.integration

KEY, LIMITED_KEY, LATER_KEY = "a-key-of-the-shop-on-the-corner", "a-key-with-a-daily-limit", "a-key-that-comes-later"
CLIENT_HOST, METRICS_HOST = "127.0.0.2", "127.0.0.3"  # loopback addresses other than the default


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    with collecting(tmp_path_factory.mktemp("collector")) as running:
        yield running


@pytest.fixture(scope="module")
def service(
    runner: RunnerKind,
    demo_bundle: Path,
    tmp_path_factory: pytest.TempPathFactory,
    certificate: tuple[Path, Path],
    collector: Collector,
) -> Iterator[Running]:
    """A service with every option that needs the gateway, and with traces."""
    folder = tmp_path_factory.mktemp("service")
    (folder / "keys").write_text(f"# the shop's\nshop: {KEY} unlimited\nlimited: {LIMITED_KEY}\n")
    options = ["--host", CLIENT_HOST, "--metrics-host", METRICS_HOST, "--api-keys", str(folder / "keys")]
    options += ["--rate-limit", "50/s", "--rate-limit", "2/day", "--gateway-threads", "2", "--gateway-memory", "96"]
    options += ["--tls-cert", str(certificate[0]), "--tls-key", str(certificate[1])]
    options += ["--log", str(folder / "server.log"), "--request-log", str(folder / "requests.jsonl")]
    options += ["--workers", "1", "--cpu"]
    traces = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint, "OTEL_TRACES_SAMPLER": "parentbased_always_on"}
    traces |= {"OTEL_BSP_SCHEDULE_DELAY": "200"}  # milliseconds; 5,000 by default
    with serving(demo_bundle, folder, runner, *options, environment=traces) as running:
        yield running


def ask(service: Running, certificate: tuple[Path, Path], headers: dict[str, str]) -> tuple[int, dict[str, object]]:
    """Return the status and content of the answer to a forecast over HTTPS."""
    context = ssl.create_default_context(cafile=certificate[0])
    context.check_hostname = False  # the certificate is for 127.0.0.1
    with closing(http.client.HTTPSConnection(CLIENT_HOST, service.port, context=context, timeout=10)) as connection:
        connection.request("POST", "/predictions/sales", DAY, headers)
        response = connection.getresponse()
        return response.status, json.load(response)


def http_status(connection: http.client.HTTPConnection) -> int:
    connection.request("GET", "/livez")
    return connection.getresponse().status


def test_clients_need_https_and_a_key(service: Running, certificate: tuple[Path, Path]) -> None:
    status, content = ask(service, certificate, {"X-API-Key": KEY})
    assert (status, content["store"]) == (200, 1)
    assert ask(service, certificate, {})[0] == 401
    with (
        closing(http.client.HTTPConnection(CLIENT_HOST, service.port, timeout=10)) as connection,
        pytest.raises((http.client.HTTPException, OSError)),
    ):
        http_status(connection)


def test_a_client_without_limits_of_its_own_has_those_of_the_option(
    service: Running, certificate: tuple[Path, Path]
) -> None:
    answers = [ask(service, certificate, {"X-API-Key": LIMITED_KEY}) for _ in range(3)]
    assert [status for status, _ in answers] == [200, 200, 429]
    assert "the client limited may send 50 requests per second and 2 per day" in str(answers[2][1]["detail"])
    assert {ask(service, certificate, {"X-API-Key": KEY})[0] for _ in range(5)} == {200}


def test_the_gateway_has_the_threads_and_the_memory_of_the_options(service: Running) -> None:
    (envoy,) = service.descendants(ENVOY)
    assert envoy.cmdline()[envoy.cmdline().index("--concurrency") + 1] == "2"
    assert f"max_heap_size_bytes: {96 << 20}" in Path(envoy.cwd(), ENVOY).read_text()


def test_each_port_is_bound_to_its_address(service: Running) -> None:
    with urllib.request.urlopen(f"http://{METRICS_HOST}:{service.metrics_port}/readyz", timeout=10) as answer:
        assert answer.status == 200
    for port in (service.port, service.metrics_port):
        with pytest.raises(OSError, match="refused"):
            probe(port, "/livez")


def test_the_logs_are_written_to_the_files(service: Running, certificate: tuple[Path, Path]) -> None:
    headers = {"X-API-Key": KEY, "X-Request-Id": "written"}
    assert ask(service, certificate, headers)[0] == 200
    logs, request_log = service.log.parent, service.log.with_name("requests.jsonl")
    assert until(lambda: '"written"' in request_log.read_text())
    line = next(line for line in request_log.read_text().splitlines() if '"written"' in line)
    assert (json.loads(line)["status"], json.loads(line)["client"]) == (200, "shop")
    assert f"request log: {request_log}" in service.output()
    lines = [json.loads(line) for line in (logs / "server.log").read_text().splitlines()]
    assert lines == [json.loads(line) for line in service.output().splitlines()]
    assert [path.name for path in logs.glob("server.log*")] == ["server.log"]


def test_a_request_is_one_trace_of_gateway_worker_and_stages(
    service: Running, certificate: tuple[Path, Path], collector: Collector
) -> None:
    trace_id, parent_id = uuid.uuid4().hex, "b7ad6b7169203331"  # the collector has spans of both runners
    headers = {"X-API-Key": KEY, "X-Request-Id": "traced", "traceparent": f"00-{trace_id}-{parent_id}-01"}
    assert ask(service, certificate, headers)[0] == 200
    stages = {"queue", "parse", "features", "inference", "encode"}
    spans = {span.name: span for span in collector.trace(trace_id, 2 + len(stages))}
    gateway, worker = spans["POST /predictions/sales"], spans["worker sales"]
    assert (gateway.parent_id, worker.parent_id) == (parent_id, gateway.span_id)
    assert (gateway.service, worker.service) == ("shopcat", "shopcat")
    assert gateway.attributes["shopcat.client"] == "shop"
    assert gateway.attributes["guid:x-request-id"] == worker.attributes["guid:x-request-id"] == "traced"
    assert spans.keys() == {gateway.name, worker.name, *stages}
    for stage in stages:
        assert spans[stage].parent_id == worker.span_id
        assert (
            worker.start_ns - 1000 <= spans[stage].start_ns <= spans[stage].end_ns <= worker.end_ns + 1000
        )  # rounding


def test_every_line_of_the_output_is_json(service: Running) -> None:
    """stderr is a file here, as in a container."""
    lines = [json.loads(line) for line in service.output().splitlines()]
    assert all({"time", "level", "source", "message"} <= line.keys() for line in lines)
    assert "shopcat" in {line["source"] for line in lines}


@only_torchserve
def test_the_lines_of_torchserve_and_its_worker_name_them(service: Running) -> None:
    lines = [json.loads(line) for line in service.output().splitlines()]
    assert {"shopcat", "torchserve", "worker"} <= {line["source"] for line in lines}
    (started,) = (line for line in lines if line["message"] == "Torch worker started.")
    (worker,) = service.pids(service.runner.worker)
    assert (started["model"], started["instance"], started["pid"]) == ("sales", 0, worker)


def test_there_is_one_worker(service: Running) -> None:
    assert len(service.descendants(service.runner.worker)) == 1


@only_torchserve
def test_there_is_one_instance_that_leaves_gpus_alone(service: Running) -> None:
    (front_end,) = service.instances()
    assert "starting 1 TorchServe instance with" in service.output()
    properties = Path(front_end.cwd(), "config.properties").read_text()
    assert re.search(r"^number_of_gpu=0$", properties, re.MULTILINE)


def test_the_first_answer_is_printed_with_its_address(service: Running) -> None:
    assert f"https://{CLIENT_HOST}:{service.port}/predictions/sales" in service.output()
    assert "Warning" not in service.output()


def test_the_keys_are_read_again_without_a_signal(service: Running, certificate: tuple[Path, Path]) -> None:
    """Last, because the other tests need the keys that were there at the start."""
    keys = service.bundle.with_name("keys")
    keys.write_text(f"later: {LATER_KEY}\n")
    assert until(lambda: ask(service, certificate, {"X-API-Key": LATER_KEY})[0] == 200)
    assert until(lambda: ask(service, certificate, {"X-API-Key": KEY})[0] == 401)
    assert f"{keys} was read again" in service.output()


# Without the gateway


def test_old_names_of_options_work_and_name_the_new_ones(runner: RunnerKind, demo_bundle: Path, tmp_path: Path) -> None:
    log, request_log = tmp_path / "server.log", tmp_path / "requests.jsonl"
    options = ["--no-edge", "--workers", "1", "--cpu", "--log", str(log), "--audit-log", str(request_log)]
    with serving(demo_bundle, tmp_path, runner, *options) as service:
        assert not service.descendants(ENVOY)
        request = urllib.request.Request(f"http://{HOST}:{service.port}/predictions/sales", DAY)
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert json.load(answer)["store"] == 1
        (first,) = service.instances()
        assert service.port in {connection.laddr.port for connection in first.net_connections("inet")}
        assert (probe(service.metrics_port, "/livez"), probe(service.metrics_port, "/readyz")) == (200, 200)
        processes = psutil.Process(service.process.pid).children(recursive=True)
    assert "Warning: --no-edge" in service.output()
    assert "is now --no-gateway" in service.output()
    assert "Warning: --audit-log (SHOPCAT_SERVE_AUDIT_LOG) is now --request-log" in service.output()
    assert json.loads(service.output().splitlines()[-1])["message"] == "stopped"
    assert "Ctrl-C stops it" in log.read_text()
    assert request_log.read_text()
    assert not [process for process in processes if process.is_running()]


@only_python
def test_refusals_of_workers_without_a_gateway_are_counted_and_logged(
    runner: RunnerKind, demo_bundle: Path, tmp_path: Path
) -> None:
    with serving(demo_bundle, tmp_path, runner, "--no-gateway", "--workers", "1", "--cpu") as service:
        for path in ("/none", "/predictions/sales"):
            with pytest.raises(urllib.error.HTTPError):
                urllib.request.urlopen(f"http://{HOST}:{service.port}{path}", timeout=10)
        counted = 'shopcat_refusals_total{kind="not-found",model="sales"} 1.0'
        assert until(lambda: counted in service.metrics())
    assert re.search(r"refused without asking the model: (1 method-not-allowed|1 not-found)", service.output())


def run(bundle: Path, *options: str, environment: Mapping[str, str] = {}) -> subprocess.CompletedProcess[str]:
    """Run a `shopcat serve` that ends without a signal."""
    command = [sys.executable, "-m", "cli", "serve", str(bundle), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **environment})


@pytest.mark.parametrize(
    ("options", "environment", "warned"),
    [
        (("--no-gateway",), {}, False),
        (("--no-edge",), {}, True),
        ((), {"SHOPCAT_SERVE_NO_GATEWAY": "1"}, False),
        ((), {"SHOPCAT_SERVE_NO_EDGE": "1"}, True),
        ((), {"SHOPCAT_SERVE_NO_EDGE": "0"}, None),
    ],
)
def test_no_gateway_contradicts_options_of_the_gateway(
    demo_bundle: Path, tmp_path: Path, options: tuple[str, ...], environment: dict[str, str], warned: bool | None
) -> None:
    # An unreadable certificate ends the command where the gateway is used.
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("no certificate")
    tls = ("--tls-cert", str(wrong), "--tls-key", str(wrong))
    ended = run(demo_bundle, *tls, "--model-store", str(tmp_path / "store"), *options, environment=environment)
    assert ended.returncode == 2
    if warned is None:
        assert "are not a certificate and its key" in ended.stderr
    else:
        assert "--tls-key" in ended.stderr
        assert "options that need the gateway: " in ended.stderr
    assert ("is now --no-gateway (SHOPCAT_SERVE_NO_GATEWAY)" in ended.stderr) == bool(warned)
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("option", "has_traceback"),
    [("--model-store", False), ("--request-log", True), ("--audit-log", True)],  # only the first is foreseen
)
def test_an_error_at_the_start_is_a_line_of_the_log(demo_bundle: Path, option: str, has_traceback: bool) -> None:
    ended = run(demo_bundle, option, "/dev/null/x", "--log-format", "json")
    line = json.loads(ended.stderr.splitlines()[-1])
    assert (ended.returncode, line["level"], line["source"]) == (2, "error", "shopcat")
    assert "/dev/null" in line["message"]
    assert line.get("exception", "").startswith("Traceback") == has_traceback


def test_a_terminal_gets_text(tmp_path: Path) -> None:
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "cli", "serve", str(tmp_path / "missing")]
    with os.fdopen(master, "rb") as terminal:
        ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=slave, check=False)
        os.close(slave)
        line = terminal.readline().decode()
    assert ended.returncode == 2
    assert re.match(r"\d\d:\d\d:\d\d ERROR   shopcat: .*missing is not a bundle", line)


def test_help_lists_the_new_name_only(demo_bundle: Path) -> None:
    text = run(demo_bundle, "--help").stdout
    assert "--no-gateway" in text
    assert "--no-edge" not in text
    assert "--audit-log" not in text
    assert "--health-check-interval" not in text


def named(bundle: Path, name: str, folder: Path) -> Path:
    """Return a copy of a bundle with another name, as `shopcat train --name` writes it."""
    copy = shutil.copytree(bundle, folder / name)
    manifest = json.loads((copy / "bundle.json").read_text())
    (copy / "bundle.json").write_text(json.dumps(manifest | {"name": name}))
    return copy


# "null" is a word of YAML, the language of Envoy's configuration; "probes" was a cluster of the gateway's own.
@pytest.mark.parametrize("names", [("null", "probes")], ids="-".join)
def test_bundles_of_a_kind_are_served_side_by_side_under_their_names(
    runner: RunnerKind, demo_bundle: Path, tmp_path: Path, names: tuple[str, str]
) -> None:
    first, second = (named(demo_bundle, name, tmp_path) for name in names)
    with serving(first, tmp_path, runner, str(second), "--workers", "1", "--cpu") as service:
        assert (probe(service.metrics_port, "/livez"), probe(service.metrics_port, "/readyz")) == (200, 200)
        for name in names:
            request = urllib.request.Request(f"http://{HOST}:{service.port}/predictions/{name}", DAY)
            with urllib.request.urlopen(request, timeout=10) as answer:
                assert json.load(answer)["model"] == name
            assert service.output().count(f"curl -s http://{HOST}:{service.port}/predictions/{name} ") == 1
        with urllib.request.urlopen(f"http://{HOST}:{service.port}/openapi.json", timeout=10) as answer:
            contract = json.load(answer)["paths"]
        assert {path.rpartition("/")[2] for path in contract if path.startswith("/predictions/")} == {*names}
        # The recorder counts a request after its answer was sent.
        for name in names:
            counted = rf'shopcat_requests_total\{{[^}}]*model="{name}"[^}}]*\}} [12]\.0\n'
            assert until(lambda counted=counted: re.search(counted, service.metrics()))
        for name in names:
            assert f'shopcat_workers_ready{{model="{name}"}} 1.0' in service.metrics()
            assert f'envoy_cluster_membership_healthy{{envoy_cluster_name="{name}"}} 1\n' in service.metrics()
        assert probe(service.port, "/predictions/sales") == 404
