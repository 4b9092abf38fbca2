"""Workers of a real TorchServe behind a gateway: ended by requests, without memory, and with a device that fails."""

import json
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from handlers.readiness import ready_workers
from handlers.safeguards.faults import FAILED_BATCHES
from handlers.worker_paths import WorkerPaths
from handlers.worker_settings import worker_environment
from serving.admission import served_models
from serving.gateway.envoy import Gateway, running_gateway
from serving.gateway.tracing import tracing_from
from serving.torchserve.server import running_server
from tests.integration.client import Answer, ask
from tests.integration.collector import Collector, collecting
from tests.integration.gateway.helpers import settings
from tests.integration.torchserve.faulty_handler import FAIL, KILL, LOSE_DEVICE, TAKE_MEMORY
from tests.integration.waiting import until

pytestmark = pytest.mark.integration

DATE = "2015-08-05"
WORKERS = 2
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> WorkerPaths:
    return WorkerPaths.create(tmp_path_factory.mktemp("shared"))


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    with collecting(tmp_path_factory.mktemp("collector")) as running:
        yield running


@pytest.fixture(scope="module")
def gateway(
    archived: Path, paths: WorkerPaths, collector: Collector, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """A gateway before a TorchServe whose handler has faults; each worker may take 256 MiB for requests."""
    copy = tmp_path_factory.mktemp("faulty") / "sales.archive"
    shutil.copytree(archived, copy)
    manifest = json.loads((copy / "MAR-INF" / "MANIFEST.json").read_text())
    manifest["model"]["handler"] = "tests.integration.torchserve.faulty_handler"
    (copy / "MAR-INF" / "MANIFEST.json").write_text(json.dumps(manifest))
    tracing = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint, "OTEL_BSP_SCHEDULE_DELAY": "50"}
    environment = {
        **worker_environment(request_memory=256 << 20),
        **tracing,
        "PYTHONPATH": str(Path(__file__).parents[3]),
        "SHOPCAT_TEST_FOLDER": str(tmp_path_factory.mktemp("lost")),
    }
    with running_server([copy], workers=WORKERS, shared=paths, environment=environment) as server:
        assert isinstance(server.address, Path)
        config = settings(tracing=tracing_from(tracing))
        models = served_models(server.models, dict.fromkeys(server.models, WORKERS))
        with running_gateway(config, models, [server.address]) as running:
            yield running


def forecast(gateway: Gateway, store: int, date: str = DATE, **headers: str) -> Answer:
    return ask(gateway, {"store": store, "date": date}, headers=headers)


def pids(paths: WorkerPaths) -> set[int]:
    """Return the PIDs of the ready workers, once all are ready."""
    assert until(lambda: len(ready_workers(paths.ready)) == WORKERS, 60)
    return {worker.pid for worker in ready_workers(paths.ready)}


def test_a_request_that_ends_its_worker_is_rejected_the_second_time(gateway: Gateway, paths: WorkerPaths) -> None:
    """The gateway's retry makes the first time two."""
    before = pids(paths)
    assert forecast(gateway, KILL).status == 503
    answer = forecast(gateway, KILL)
    assert (answer.status, answer.content["type"]) == (422, "urn:shopcat:problem:fatal-request")
    assert "ended workers of this model twice" in answer.content["detail"]
    after = pids(paths)
    assert not before & after
    assert forecast(gateway, KILL).status == 422
    assert forecast(gateway, 1).status == 200
    assert pids(paths) == after


def test_a_request_that_takes_too_much_memory_gets_a_problem_and_ends_no_worker(
    gateway: Gateway, paths: WorkerPaths
) -> None:
    before = pids(paths)
    answer = forecast(gateway, TAKE_MEMORY)
    assert (answer.status, answer.content["type"]) == (413, "urn:shopcat:problem:too-large")
    assert forecast(gateway, 1).status == 200
    assert pids(paths) == before
    for pid in before:
        assert psutil.Process(pid).rlimit(psutil.RLIMIT_DATA)[0] < 2 << 30


def test_the_request_of_a_worker_that_loses_its_device_is_asked_elsewhere(gateway: Gateway, paths: WorkerPaths) -> None:
    before = pids(paths)
    assert forecast(gateway, LOSE_DEVICE).status == 404  # by another worker, which does not know the store
    assert until(lambda: len(pids(paths) & before) == WORKERS - 1, 60)
    assert {forecast(gateway, 1).status for _ in range(2 * WORKERS)} == {200}


def test_an_internal_error_has_the_same_ids_in_answer_log_request_log_and_trace(
    gateway: Gateway, paths: WorkerPaths, collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    headers = {"x-request-id": "mine", "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
    answer = forecast(gateway, FAIL, **headers)
    assert (answer.status, answer.content["request_id"]) == (500, "mine")
    error_id = answer.content["error_id"]
    assert answer.headers["x-request-id"] == "mine"

    def logged() -> list[logging.LogRecord]:
        return [record for record in caplog.records if getattr(record, "error_id", None) == error_id]

    assert until(lambda: bool(logged()))
    (record,) = logged()
    assert {"request_id": "mine", "source": "worker", "model": "sales"}.items() <= vars(record).items()
    assert until(lambda: error_id in paths.request_log.read_text())
    (line,) = (json.loads(line) for line in paths.request_log.read_text().splitlines() if error_id in line)
    assert (line["id"], line["status"]) == ("mine", 500)
    spans = {span.name: span for span in collector.trace(TRACE, 5)}
    ours, theirs = spans["worker sales"], spans["POST /predictions/sales"]
    assert ours.parent_id == theirs.span_id
    assert (ours.attributes["shopcat.error_id"], ours.attributes["guid:x-request-id"]) == (error_id, "mine")
    assert {"queue", "parse", "encode"} <= {name for name, span in spans.items() if span.parent_id == ours.span_id}
    assert theirs.start_ns <= ours.start_ns <= ours.end_ns <= theirs.end_ns + 1_000_000


def test_a_worker_that_fails_every_request_is_replaced(gateway: Gateway, paths: WorkerPaths) -> None:
    before = pids(paths)
    days = [f"2015-08-{number:02d}" for number in range(1, 1 + FAILED_BATCHES * WORKERS)]
    statuses = {forecast(gateway, FAIL, day).status for day in days}
    assert statuses <= {500, 503}
    assert until(lambda: pids(paths) != before, 60)
    assert {forecast(gateway, 1).status for _ in range(2 * WORKERS)} == {200}
