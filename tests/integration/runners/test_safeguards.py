"""Workers behind a gateway: ended by requests, without memory, with a device that fails, and hanging."""

import json
import logging
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from handlers.readiness import ready_workers
from handlers.safeguards.faults import FAILED_BATCHES
from handlers.worker_settings import worker_environment
from serving.gateway.tracing import tracing_from
from serving.ports import Ports
from serving.service import Service
from tests.integration.client import Answer, ask
from tests.integration.collector import Collector, collecting
from tests.integration.gateway.helpers import settings
from tests.integration.runners.faults import FAIL, HANG, KILL, LOSE_DEVICE, TAKE_MEMORY, faulty_environment
from tests.integration.runners.kinds import RunnerKind
from tests.integration.runners.routing import routed_pids
from tests.integration.waiting import until

pytestmark = pytest.mark.integration

DATE = "2015-08-05"
WORKERS = 2
TIMEOUT_S = 4


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    with collecting(tmp_path_factory.mktemp("collector")) as running:
        yield running


@pytest.fixture(scope="module")
def service(
    runner: RunnerKind, archived: Path, collector: Collector, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """A service whose model has faults; each worker may take 256 MiB for requests, and 4 seconds for a batch."""
    folder = tmp_path_factory.mktemp("faulty")
    copy = shutil.copytree(archived, folder / "sales.archive")
    configuration = copy / "model-config.yaml"
    configuration.write_text(configuration.read_text().replace("responseTimeout: 30", f"responseTimeout: {TIMEOUT_S}"))
    tracing = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint, "OTEL_TRACES_SAMPLER": "always_on"}
    tracing |= {"OTEL_BSP_SCHEDULE_DELAY": "50"}
    environment = worker_environment(request_memory=256 << 20) | tracing | faulty_environment(folder)
    config = settings(tracing=tracing_from(tracing), probes_port=Ports.any_free().metrics, **runner.gateway)
    service = Service(config, lambda: [copy], runner.make(WORKERS, environment))
    with service.running(folder / "requests.jsonl"):
        yield service


def forecast(service: Service, store: int, date: str = DATE, **headers: str) -> Answer:
    return ask(service, {"store": store, "date": date}, headers=headers)


def pids(service: Service) -> set[int]:
    return routed_pids(service, WORKERS)


def test_a_request_that_ends_its_worker_is_rejected_the_second_time(service: Service) -> None:
    """The gateway's retry makes the first time two."""
    before = pids(service)
    assert forecast(service, KILL).status == 503
    assert not before & pids(service)
    answer = forecast(service, KILL)
    assert (answer.status, answer.content["type"]) == (422, "urn:shopcat:problem:fatal-request")
    assert "ended workers of this model twice" in answer.content["detail"]
    after = pids(service)
    assert not before & after
    assert forecast(service, KILL).status == 422
    assert forecast(service, 1).status == 200
    assert pids(service) == after


def test_a_request_that_takes_too_much_memory_gets_a_problem_and_ends_no_worker(service: Service) -> None:
    before = pids(service)
    answer = forecast(service, TAKE_MEMORY)
    assert (answer.status, answer.content["type"]) == (413, "urn:shopcat:problem:too-large")
    assert forecast(service, 1).status == 200
    assert pids(service) == before
    for pid in before:
        assert psutil.Process(pid).rlimit(psutil.RLIMIT_DATA)[0] < 2 << 30


def test_the_request_of_a_worker_that_loses_its_device_is_asked_elsewhere(service: Service) -> None:
    before = pids(service)
    assert forecast(service, LOSE_DEVICE).status == 404  # by another worker, which does not know the store
    assert until(lambda: len(pids(service) & before) == WORKERS - 1, 60)
    assert {forecast(service, 1).status for _ in range(2 * WORKERS)} == {200}


def test_an_internal_error_has_the_same_ids_in_answer_log_request_log_and_trace(
    service: Service, collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    trace = uuid.uuid4().hex  # the collector has spans of both runners
    headers = {"x-request-id": "mine", "traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
    answer = forecast(service, FAIL, **headers)
    assert (answer.status, answer.content["request_id"]) == (500, "mine")
    error_id = answer.content["error_id"]
    assert answer.headers["x-request-id"] == "mine"

    def logged() -> list[logging.LogRecord]:
        return [record for record in caplog.records if getattr(record, "error_id", None) == error_id]

    assert until(lambda: bool(logged()))
    (record,) = logged()
    assert {"request_id": "mine", "source": "worker", "model": "sales"}.items() <= vars(record).items()
    writers = {(worker.pid, worker.instance) for worker in ready_workers(service.pool.shared.ready)}
    assert (vars(record)["pid"], vars(record)["instance"]) in writers
    assert until(lambda: error_id in service.pool.shared.request_log.read_text())
    (line,) = (
        json.loads(line) for line in service.pool.shared.request_log.read_text().splitlines() if error_id in line
    )
    assert (line["id"], line["status"]) == ("mine", 500)
    spans = {span.name: span for span in collector.trace(trace, 5)}
    ours, theirs = spans["worker sales"], spans["POST /predictions/sales"]
    assert ours.parent_id == theirs.span_id
    assert (ours.attributes["shopcat.error_id"], ours.attributes["guid:x-request-id"]) == (error_id, "mine")
    assert {"queue", "parse", "encode"} <= {name for name, span in spans.items() if span.parent_id == ours.span_id}
    assert theirs.start_ns <= ours.start_ns <= ours.end_ns <= theirs.end_ns + 1_000_000


def test_a_worker_that_fails_every_request_is_replaced(service: Service) -> None:
    before = pids(service)
    days = [f"2015-08-{number:02d}" for number in range(1, 1 + FAILED_BATCHES * WORKERS)]
    statuses = {forecast(service, FAIL, day).status for day in days}
    assert statuses <= {500, 503}
    assert until(lambda: pids(service) != before, 60)
    assert {forecast(service, 1).status for _ in range(2 * WORKERS)} == {200}


def test_a_batch_that_never_ends_ends_its_worker(service: Service) -> None:
    before = pids(service)
    answer = forecast(service, HANG)
    assert answer.status in (404, 503)  # another worker does not know the store, if the gateway asks it
    assert until(lambda: len(pids(service) & before) == WORKERS - 1, 60)
    assert {forecast(service, 1).status for _ in range(2 * WORKERS)} == {200}
