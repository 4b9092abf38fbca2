"""serving.monitoring.exporter: one address for all figures, and probes that say what is missing."""

import functools
import json
import os
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from handlers.readiness import declare_ready
from handlers.worker_paths import WorkerPaths
from serving.monitoring import exporter
from serving.monitoring.exporter import Exporter, exporting, torchserve_metrics
from serving.monitoring.watched import STARTING, Watched
from serving.ports import HOST, PortError, Ports

WORKER = """
from handlers.telemetry import metrics
metrics.REQUESTS.labels("sales", "200").inc(3)
metrics.STAGE_SECONDS.labels("sales", "total").observe_many([0.001, 0.02])
"""


class Server:
    """An exporter at an address, and what it watches, to be changed by a test."""

    def __init__(self, folder: Path) -> None:
        self.port = Ports.any_free().metrics
        self.watched = Watched({"frontend": [os.getpid()]}, [], {"sales": 2}, alive=True)
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
        """What a worker counts, by a process that then ends."""
        environment = {**os.environ, **self.shared.environment()}
        subprocess.run([sys.executable, "-c", WORKER], env=environment, check=True)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path)
    with exporting(made.exporter, made.port):
        yield made


def test_workers_are_added_up_also_when_they_have_died(server: Server) -> None:
    server.work()
    server.work()
    samples = server.samples()
    assert samples["shopcat_requests_total", "sales", "200"] == 6
    assert samples["shopcat_stage_seconds_count", "sales", "total"] == 4
    assert samples["shopcat_stage_seconds_sum", "sales", "total"] == pytest.approx(0.042)


def test_ready_is_when_every_model_has_a_worker_that_is(server: Server) -> None:
    status, body = server.get("/readyz")
    assert (status, json.loads(body)["missing"]) == (503, ["no worker of sales is ready"])
    assert server.get("/livez")[0] == 200
    assert server.samples()["shopcat_ready",] == 0
    declare_ready(server.shared.ready, model="sales", version="1", cutoff="2015-07-31", sha256="ab")
    assert server.get("/readyz") == (200, '{"status": "ok"}')
    samples = server.samples()
    assert samples["shopcat_ready",] == 1
    assert samples["shopcat_workers", "sales"] == 2
    assert samples["shopcat_workers_ready", "sales"] == 1
    assert samples["shopcat_bundle_info", "2015-07-31", "sales", "ab", "1"] == 1


def test_what_rules_compare_with_the_clock(server: Server) -> None:
    declare_ready(server.shared.ready, model="sales", version="1", cutoff="2015-07-31", sha256="ab")
    declare_ready(server.shared.ready, model="pets", version="1", cutoff="", sha256="cd")
    samples = server.samples()
    assert samples["shopcat_bundle_cutoff_timestamp_seconds", "sales"] == 1438300800
    assert ("shopcat_bundle_cutoff_timestamp_seconds", "pets") not in samples
    for model in ("sales", "pets"):
        assert samples["shopcat_worker_start_timestamp_seconds", model] == psutil.Process().create_time()


def test_not_alive_is_neither_live_nor_ready(server: Server) -> None:
    declare_ready(server.shared.ready, model="sales", version="1", cutoff="", sha256="ab")
    server.watched = Watched({}, [], {"sales": 1}, alive=False)
    assert server.get("/livez")[0] == 503
    status, body = server.get("/readyz")
    assert (status, json.loads(body)["missing"]) == (503, ["the server does not answer"])
    assert server.samples()["shopcat_ready",] == 0


def test_memory_by_kind_of_process(server: Server) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE):
        samples = server.samples()
    kinds = {labels[1] for labels in samples if labels[0] == "shopcat_process_resident_bytes"}
    assert kinds == {"exporter", "frontend", "worker"}
    assert samples["shopcat_process_resident_bytes", "frontend"] > 1e6
    assert samples["shopcat_host_memory_available_bytes",] > 1e6
    server.watched = Watched({"frontend": [2**22 - 1]}, [], {}, alive=True)  # a process that is not there
    assert ("shopcat_process_resident_bytes", "frontend") not in server.samples()


def test_one_that_stops_lives_and_is_not_ready(server: Server) -> None:
    server.watched = Watched({}, [], {}, alive=True, transition="stopping")
    assert server.get("/livez")[0] == 200
    status, body = server.get("/readyz")
    assert (status, json.loads(body)["missing"]) == (503, ["the server is stopping"])


def test_one_that_starts_lives_and_is_not_ready(server: Server) -> None:
    server.watched = STARTING
    assert server.get("/livez")[0] == 200
    status, body = server.get("/readyz")
    assert (status, json.loads(body)["missing"]) == (503, ["the server is starting"])
    assert server.samples()["shopcat_ready",] == 0


def torchserve(requests: int) -> bytes:
    """What a TorchServe says."""
    return (
        "# HELP ts_inference_requests_total Torchserve prometheus metric\n"
        "# TYPE ts_inference_requests_total counter\n"
        f'ts_inference_requests_total{{model_name="sales",hostname="a }} b",}} {requests}.0\n'
        f"# HELP Requests4XX Torchserve\n# TYPE Requests4XX counter\nRequests4XX {requests}.0\n"
    ).encode()


def gone() -> bytes:
    raise ConnectionRefusedError


def test_torchserves_stand_beside_each_other_and_may_be_missing(server: Server) -> None:
    own = functools.partial(torchserve_metrics, {0: lambda: torchserve(7), 1: gone, 2: lambda: torchserve(8)})
    server.watched = Watched({}, [own, gone], {}, alive=True)
    samples = server.samples()
    assert samples["ts_inference_requests_total", "a } b", "sales", "0"] == 7
    assert samples["ts_inference_requests_total", "a } b", "sales", "2"] == 8
    _, text = server.get("/metrics")
    for line in ("# TYPE ts_inference_requests_total counter", 'Requests4XX{torchserve="2",} 8.0'):
        assert text.count(f"{line}\n") == 1  # Prometheus takes no name's comments twice


def test_torchserves_that_hang_are_waited_for_together() -> None:
    both = threading.Barrier(2, timeout=10)

    def hang() -> bytes:
        both.wait()
        raise TimeoutError

    assert torchserve_metrics({0: hang, 1: hang}) == b""
    assert torchserve_metrics({}) == b""


def test_a_connection_that_asks_nothing_is_given_up(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has a thread."""
    port = Ports.any_free().metrics
    monkeypatch.setattr(exporter, "IDLE_S", 0.1)
    with exporting(server.exporter, port), socket.create_connection((HOST, port), timeout=10) as idle:
        assert idle.recv(1) == b""


def test_who_is_alive_is_told_without_a_look_at_the_workers(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporter, "ready_workers", None)
    assert server.get("/livez") == (200, '{"status": "ok"}')


def test_a_port_that_is_taken_is_named(server: Server) -> None:
    named = pytest.raises(PortError, match=f"port {server.port} .*--metrics-port")
    with named, exporting(server.exporter, server.port):
        pass


def test_what_is_not_there_and_what_fails_says_nothing_of_its_inside(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    status, body = server.get("/secret")
    assert status == 404
    assert "/metrics" in body

    def fail() -> bytes:
        raise RuntimeError("a secret")

    monkeypatch.setattr(server.exporter, "metrics", fail)
    status, body = server.get("/metrics")
    assert (status, body) == (500, "the log has the cause\n")
