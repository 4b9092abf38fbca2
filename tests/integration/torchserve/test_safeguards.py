"""Workers of a real TorchServe that are ended by requests, get no memory, or lose their device."""

import json
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from handlers.readiness import ready_workers
from handlers.safeguards.faults import FAILED_BATCHES
from handlers.worker_paths import WorkerPaths
from handlers.worker_settings import worker_environment
from serving.ports import Ports
from serving.torchserve.server import Server, running_server
from tests.integration.client import Answer, ask
from tests.integration.torchserve.faulty_handler import FAIL, KILL, LOSE_DEVICE, TAKE_MEMORY
from tests.integration.waiting import until

pytestmark = pytest.mark.integration

DATE = "2015-08-05"
WORKERS = 2


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> WorkerPaths:
    return WorkerPaths.create(tmp_path_factory.mktemp("shared"))


@pytest.fixture(scope="module")
def server(archived: Path, paths: WorkerPaths, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose handler has faults; each of its workers may take 256 MiB for requests."""
    import shutil

    copy = tmp_path_factory.mktemp("faulty") / "sales.archive"
    shutil.copytree(archived, copy)
    manifest = json.loads((copy / "MAR-INF" / "MANIFEST.json").read_text())
    manifest["model"]["handler"] = "tests.integration.torchserve.faulty_handler"
    (copy / "MAR-INF" / "MANIFEST.json").write_text(json.dumps(manifest))
    environment = {**worker_environment(request_memory=256 << 20), "PYTHONPATH": str(Path(__file__).parents[3])}
    with running_server(
        [copy], port=Ports.any_free().inference, workers=WORKERS, shared=paths, environment=environment
    ) as running:
        yield running


def forecast(server: Server, store: int) -> Answer:
    return ask(server, {"store": store, "date": DATE})


def pids(paths: WorkerPaths) -> set[int]:
    """Return the PIDs of the ready workers, once all are ready."""
    assert until(lambda: len(ready_workers(paths.ready)) == WORKERS, 60)
    return {worker.pid for worker in ready_workers(paths.ready)}


def test_a_request_that_ends_its_worker_is_rejected_after_the_second_time(server: Server, paths: WorkerPaths) -> None:
    before = pids(paths)
    assert [forecast(server, KILL).status // 100 for _ in range(2)] == [5, 5]
    answer = forecast(server, KILL)
    assert (answer.status, answer.content["type"]) == (422, "urn:shopcat:problem:fatal-request")
    assert "has ended two workers" in answer.content["detail"]
    after = pids(paths)
    assert forecast(server, KILL).status == 422
    assert forecast(server, 1).status == 200
    assert pids(paths) == after
    assert len(before & after) <= WORKERS - 1


def test_a_request_that_takes_too_much_memory_gets_a_problem_and_ends_no_worker(
    server: Server, paths: WorkerPaths
) -> None:
    before = pids(paths)
    answer = forecast(server, TAKE_MEMORY)
    assert (answer.status, answer.content["type"]) == (413, "urn:shopcat:problem:too-large")
    assert forecast(server, 1).status == 200
    assert pids(paths) == before
    for pid in before:
        assert psutil.Process(pid).rlimit(psutil.RLIMIT_DATA)[0] < 2 << 30


def test_a_worker_that_loses_its_device_is_replaced(server: Server, paths: WorkerPaths) -> None:
    """Its request may be retried, because it lacks the header that forbids it."""
    before = pids(paths)
    answer = forecast(server, LOSE_DEVICE)
    assert (answer.status, answer.content["type"]) == (503, "urn:shopcat:problem:unavailable")
    assert "x-envoy-ratelimited" not in answer.headers
    assert until(lambda: len(pids(paths) & before) == WORKERS - 1, 60)
    assert {forecast(server, 1).status for _ in range(2 * WORKERS)} == {200}


def test_a_worker_that_fails_every_request_is_replaced(server: Server, paths: WorkerPaths) -> None:
    before = pids(paths)
    answers = [forecast(server, FAIL) for _ in range(FAILED_BATCHES * WORKERS)]
    assert {answer.status for answer in answers} == {500, 503}
    assert ["x-envoy-ratelimited" in answer.headers for answer in answers] == [a.status == 500 for a in answers]
    assert until(lambda: pids(paths) != before, 60)
    assert {forecast(server, 1).status for _ in range(2 * WORKERS)} == {200}
