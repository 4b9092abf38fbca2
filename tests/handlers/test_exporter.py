"""handlers.exporter: one address for all figures, and probes that say what is missing."""

import http.server
import json
import os
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

from handlers.exporter import Exporter, Watched, exporting, fetch
from handlers.ports import Ports
from handlers.readiness import declare_ready
from handlers.shared import Shared

WORKER = """
from handlers import metrics
metrics.REQUESTS.labels("sales", "200").inc(3)
metrics.STAGE_SECONDS.labels("sales", "total").observe_many([0.001, 0.02])
"""


class Server:
    """An exporter at an address, and what it watches, to be changed by a test."""

    def __init__(self, folder: Path) -> None:
        self.port = Ports.any_free().metrics
        self.watched = Watched({"frontend": [os.getpid()]}, [], {"sales": 2}, alive=True)
        self.shared = Shared.make(folder)
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
    server.watched = Watched({}, [], {}, alive=True, stopping=True)
    assert server.get("/livez")[0] == 200
    status, body = server.get("/readyz")
    assert (status, json.loads(body)["missing"]) == (503, ["the server is stopping"])


def test_others_figures_stand_beside_and_may_be_missing(server: Server) -> None:
    class Theirs(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"# TYPE ts_inference_requests_total counter\nts_inference_requests_total 7\n")

        def log_message(self, *_: object) -> None: ...

    with http.server.HTTPServer(("127.0.0.1", 0), Theirs) as theirs:
        threading.Thread(target=theirs.serve_forever, daemon=True).start()
        scraped = [fetch(f"http://127.0.0.1:{port}/metrics") for port in (theirs.server_port, 9)]
        server.watched = Watched({}, scraped, {}, alive=True)
        assert server.samples()["ts_inference_requests_total",] == 7
        theirs.shutdown()


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
