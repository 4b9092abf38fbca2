"""serving.monitoring.exporter: all metrics at one address, and probes that name the cause."""

import functools
import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from handlers.readiness import declare_ready
from handlers.worker_paths import WorkerPaths
from serving.monitoring import bounded_server, exporter
from serving.monitoring.exporter import Exporter, exporting, instance_metrics
from serving.monitoring.watched import STARTING, Watched
from serving.ports import HOST, PortError, Ports

WORKER = """
from handlers.telemetry import metrics
metrics.REQUESTS.labels("sales", "200", "").inc(3)
metrics.STAGE_SECONDS.labels("sales", "total").observe_many([0.001, 0.02])
"""


class Server:
    """An exporter on a port, and the state that it exports, which a test may replace."""

    def __init__(self, folder: Path) -> None:
        self.port = Ports.any_free().metrics
        self.watched = Watched({"frontend": [os.getpid()]}, [], {"sales": 2}, alive=True, routed={"sales": {0}})
        self.shared = WorkerPaths.create(folder)
        self.exporter = Exporter(self.shared, lambda: self.watched)

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def samples(self) -> dict[tuple[str, ...], float]:
        status, text = self.get("/metrics")
        assert status == 200
        return {
            (sample.name, *(sample.labels[label] for label in sorted(sample.labels))): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def work(self) -> None:
        """Run a worker that counts some requests and ends."""
        environment = {**os.environ, **self.shared.environment()}
        subprocess.run([sys.executable, "-c", WORKER], env=environment, check=True)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path)
    with exporting(made.exporter, made.port):
        yield made


def test_metrics_of_ended_workers_are_included(server: Server) -> None:
    server.work()
    server.work()
    samples = server.samples()
    assert samples["shopcat_requests_total", "", "sales", "200"] == 6
    assert samples["shopcat_stage_seconds_count", "sales", "total"] == 4
    assert samples["shopcat_stage_seconds_sum", "sales", "total"] == pytest.approx(0.042)


def test_a_service_is_ready_when_every_model_has_a_ready_worker(server: Server) -> None:
    status, body = server.get("/readyz")
    assert (status, json.loads(body)["missing"]) == (503, ["no worker of sales is ready"])
    assert server.get("/livez")[0] == 200
    assert server.samples()["shopcat_ready",] == 0
    declare_ready(server.shared.ready, model="sales", version="1", cutoff="2015-07-31", sha256="ab")
    for path in ("/readyz", "/readyz/sales"):
        assert server.get(path) == (200, '{"status": "ok"}')
    assert server.get("/readyz/dogs")[0] == 404
    samples = server.samples()
    assert samples["shopcat_model_ready", "sales"] == 1
    assert samples["shopcat_ready",] == 1
    assert samples["shopcat_workers", "sales"] == 2
    assert samples["shopcat_workers_ready", "sales"] == 1
    assert samples["shopcat_bundle_info", "2015-07-31", "sales", "ab", "1"] == 1


def test_timestamps_are_exported_for_alerting_rules(server: Server) -> None:
    declare_ready(server.shared.ready, model="sales", version="1", cutoff="2015-07-31", sha256="ab")
    declare_ready(server.shared.ready, model="pets", version="1", cutoff="", sha256="cd")
    samples = server.samples()
    assert samples["shopcat_bundle_cutoff_timestamp_seconds", "sales"] == 1438300800
    assert ("shopcat_bundle_cutoff_timestamp_seconds", "pets") not in samples
    for model in ("sales", "pets"):
        assert samples["shopcat_worker_start_timestamp_seconds", model] == psutil.Process().create_time()


def test_a_service_that_hangs_is_neither_alive_nor_ready(server: Server) -> None:
    declare_ready(server.shared.ready, model="sales", version="1", cutoff="", sha256="ab")
    server.watched = Watched({}, [], {"sales": 1}, alive=False)
    assert server.get("/livez")[0] == 503
    status, body = server.get("/readyz")
    missing = ["the server does not answer", "no instance with a ready worker of sales answers"]
    assert (status, json.loads(body)["missing"]) == (503, missing)
    assert server.samples()["shopcat_ready",] == 0


def test_memory_is_exported_by_kind_of_process(server: Server) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE):
        samples = server.samples()
    kinds = {labels[1] for labels in samples if labels[0] == "shopcat_process_resident_bytes"}
    assert kinds == {"exporter", "frontend", "worker"}
    assert samples["shopcat_process_resident_bytes", "frontend"] > 1e6
    assert samples["shopcat_host_memory_available_bytes",] > 1e6
    server.watched = Watched({"frontend": [2**22 - 1]}, [], {}, alive=True)  # a process that is not there
    assert ("shopcat_process_resident_bytes", "frontend") not in server.samples()


def test_a_stopping_service_is_alive_and_not_ready(server: Server) -> None:
    server.watched = Watched({}, [], {}, alive=True, transition="stopping")
    assert server.get("/livez")[0] == 200
    status, body = server.get("/readyz")
    assert (status, json.loads(body)["missing"]) == (503, ["the server is stopping"])


def test_a_starting_service_is_alive_and_not_ready(server: Server) -> None:
    server.watched = STARTING
    assert server.get("/livez")[0] == 200
    status, body = server.get("/readyz")
    assert (status, json.loads(body)["missing"]) == (503, ["the server is starting"])
    assert server.samples()["shopcat_ready",] == 0


def torchserve(requests: int) -> bytes:
    """Return metrics like those of TorchServe."""
    return (
        "# HELP ts_inference_requests_total Torchserve prometheus metric\n"
        "# TYPE ts_inference_requests_total counter\n"
        f'ts_inference_requests_total{{model_name="sales",hostname="a }} b",}} {requests}.0\n'
        f"# HELP Requests4XX Torchserve\n# TYPE Requests4XX counter\nRequests4XX {requests}.0\n"
    ).encode()


def gone() -> bytes:
    raise ConnectionRefusedError


def test_metrics_of_instances_are_combined_and_may_be_missing(server: Server) -> None:
    own = functools.partial(instance_metrics, {0: lambda: torchserve(7), 1: gone, 2: lambda: torchserve(8)})
    server.watched = Watched({}, [own, gone], {}, alive=True)
    samples = server.samples()
    assert samples["ts_inference_requests_total", "a } b", "sales", "0"] == 7
    assert samples["ts_inference_requests_total", "a } b", "sales", "2"] == 8
    _, text = server.get("/metrics")
    for line in ("# TYPE ts_inference_requests_total counter", 'Requests4XX{torchserve="2",} 8.0'):
        assert text.count(f"{line}\n") == 1  # Prometheus rejects repeated comments


def test_instances_are_scraped_at_the_same_time() -> None:
    both = threading.Barrier(2, timeout=10)

    def hang() -> bytes:
        both.wait()
        raise TimeoutError

    assert instance_metrics({0: hang, 1: hang}) == b""
    assert instance_metrics({}) == b""


def test_an_idle_connection_is_closed(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each connection has a thread."""
    port = Ports.any_free().metrics
    monkeypatch.setattr(exporter, "IDLE_S", 0.1)
    with exporting(server.exporter, port), socket.create_connection((HOST, port), timeout=10) as idle:
        assert idle.recv(1) == b""


def test_livez_does_not_depend_on_the_workers(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporter, "ready_workers", None)
    assert server.get("/livez") == (200, '{"status": "ok"}')


def test_a_port_in_use_is_named(server: Server) -> None:
    named = pytest.raises(PortError, match=f"port {server.port} .*--metrics-port")
    with named, exporting(server.exporter, server.port):
        pass


def test_unknown_paths_and_errors_reveal_no_internals(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    status, body = server.get("/secret")
    assert status == 404
    assert "/metrics" in body

    def fail() -> bytes:
        raise RuntimeError("a secret")

    monkeypatch.setattr(server.exporter, "metrics", fail)
    status, body = server.get("/metrics")
    assert (status, body) == (500, "the log has the cause\n")


def reset(connection: socket.socket) -> None:
    """Close a connection with a reset, like a client that is killed."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def test_a_client_that_resets_its_connection_leaves_no_traceback(
    server: Server, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    for sent in (b"", b"GET /livez HTTP/1.1\r\nHost", b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"):
        connection = socket.create_connection((HOST, server.port), timeout=10)
        connection.sendall(sent)
        reset(connection)
    assert server.get("/livez")[0] == 200  # connections are accepted in their order
    wait_until(lambda: not connections())
    assert (capfd.readouterr().err, caplog.text) == ("", "")


def test_a_scrape_that_the_client_cuts_off_is_no_error(
    server: Server, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    asked, cut = threading.Event(), threading.Event()

    def slow() -> bytes:
        asked.set()
        assert cut.wait(10)
        return b"x" * 10_000_000  # more than the buffers of the connection hold

    server.watched = Watched({}, [slow], {}, alive=True)
    connection = socket.create_connection((HOST, server.port), timeout=10)
    connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    assert asked.wait(10)
    reset(connection)
    cut.set()
    wait_until(lambda: not connections())
    assert (capfd.readouterr().err, caplog.text) == ("", "")


def connections() -> list[threading.Thread]:
    """Return the exporter's threads for connections."""
    return [thread for thread in threading.enumerate() if "process_request_thread" in thread.name]


def wait_until(done: Callable[[], bool]) -> None:
    until = time.monotonic() + 10
    while not done():
        assert time.monotonic() < until
        time.sleep(0.01)


# More clients than the exporter takes


def connect(server: Server) -> socket.socket:
    return socket.create_connection((HOST, server.port), timeout=10)


def ended(connection: socket.socket) -> bool:
    """Return True if the exporter has closed a connection."""
    connection.settimeout(0)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False


def test_idle_connections_keep_no_probe_away_and_take_few_threads(server: Server) -> None:
    idle = [connect(server) for _ in range(5 * bounded_server.MAX_CONNECTIONS)]
    try:
        assert server.get("/livez")[0] == 200
        wait_until(lambda: len(connections()) <= bounded_server.MAX_CONNECTIONS)
        assert ended(idle[0])
        assert not ended(idle[-1])
    finally:
        for connection in idle:
            connection.close()


def test_a_connection_beyond_the_limit_of_requests_gets_a_503(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_server, "MAX_CONNECTIONS", 3)
    answer = threading.Event()
    asked = threading.Semaphore(0)

    def hang() -> bytes:
        asked.release()
        assert answer.wait(10)
        return b""

    server.watched = Watched({}, [hang], {}, alive=True)
    with ThreadPoolExecutor(3) as pool:
        scrapes = [pool.submit(server.get, "/metrics") for _ in range(3)]
        for _ in range(3):
            assert asked.acquire(timeout=10)
        assert server.get("/livez") == (503, "too many connections\n")
        answer.set()
        assert [scrape.result()[0] for scrape in scrapes] == [200] * 3
    assert server.get("/livez")[0] == 200


def test_a_client_that_receives_nothing_is_disconnected(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporter, "SEND_S", 0.1)
    server.watched = Watched({}, [lambda: b"x" * 50_000_000], {}, alive=True)
    with connect(server) as connection:
        connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_until(lambda: connections() != [])
        wait_until(lambda: connections() == [])


@pytest.mark.parametrize("address", ["::1", "127.0.0.1"])
def test_the_unspecified_ipv6_address_takes_both_families(server: Server, address: str) -> None:
    port = Ports.any_free().metrics
    with (
        exporting(server.exporter, port, "::"),
        socket.create_connection((address, port), timeout=10) as connection,
    ):
        connection.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert connection.makefile("rb").readline() == b"HTTP/1.1 200 OK\r\n"
