"""Workers of the runner in Python that hang or fail; under TorchServe, its front end replaces them."""

import re
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from handlers.readiness import ready_workers
from serving.ports import Ports
from serving.service import Service
from tests.integration.client import Answer, ask
from tests.integration.gateway.helpers import settings
from tests.integration.runners.faults import BREAK, HANG, faulty_environment
from tests.integration.runners.kinds import PYTHON
from tests.integration.runners.routing import routed_pids
from tests.integration.waiting import until

pytestmark = pytest.mark.integration

TIMEOUT_S = 2


@pytest.fixture(scope="module")
def service(archived: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Two workers that may take two seconds for a batch."""
    folder = tmp_path_factory.mktemp("faulty")
    copy = shutil.copytree(archived, folder / "sales.archive")
    configuration = copy / "model-config.yaml"
    configuration.write_text(configuration.read_text().replace("responseTimeout: 30", f"responseTimeout: {TIMEOUT_S}"))
    runner = PYTHON.make(2, faulty_environment(folder))
    config = settings(probes_port=Ports.any_free().metrics, **PYTHON.gateway)
    with Service(config, lambda: [copy], runner).running() as running:
        yield running


def pids(service: Service) -> set[int]:
    return {worker.pid for worker in ready_workers(service.pool.shared.ready)}


def forecast(service: Service, store: int = 1) -> Answer:
    return ask(service, {"store": store, "date": "2015-08-05"})


def test_a_batch_that_never_ends_is_asked_elsewhere_and_its_stack_is_logged(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    before = routed_pids(service, 2)
    assert forecast(service, HANG).status == 404  # by the other worker, which does not know the store
    assert until(lambda: len(pids(service) - before) == 1)
    (end,) = re.findall(
        r"ended unexpectedly, killed by SIGALRM\n(?:.*\n)*?.*faults.py\", line \d+ in faulty", caplog.text
    )
    assert "most recent call first" in end


def test_the_requests_of_a_worker_that_hangs_are_asked_elsewhere(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    """The worker hangs where no alarm ends it."""
    hanging = psutil.Process(min(routed_pids(service, 2)))
    answers: list[int] = []
    hanging.suspend()
    clients = [threading.Thread(target=lambda: answers.append(forecast(service).status)) for _ in range(8)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert answers == [200] * len(clients)
    assert f"the process {hanging.pid} hangs" in caplog.text
    assert until(lambda: len(pids(service) - {hanging.pid}) == 2)


def test_a_batch_that_cannot_be_answered_is_asked_elsewhere(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    before = routed_pids(service, 2)
    assert forecast(service, BREAK).status == 404  # by the other worker, which does not know the store
    assert until(lambda: "this worker ends and is replaced: a batch failed as a whole" in caplog.text)
    assert until(lambda: len(pids(service) - before) == 1)
