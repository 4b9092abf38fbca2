"""A reload of a running service: what it replaces, and the faults at which the old instances go on."""

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from handlers.readiness import ready_workers
from serving import reload
from serving.archives.archive import archive
from serving.gateway.config import GatewayConfig
from serving.ports import Ports
from serving.service import Service
from tests.integration.client import ask
from tests.integration.runners.kinds import RunnerKind
from tests.integration.service.shopcat import DAY
from tests.integration.waiting import until

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def archived(runner: RunnerKind, demo_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive whose settings the tests change."""
    return archive(demo_bundle, tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def service(runner: RunnerKind, archived: Path) -> Iterator[Service]:
    """One instance with one worker."""
    ports = Ports.any_free()
    config = GatewayConfig(ports.inference, probes_port=ports.metrics, **runner.gateway)
    with Service(config, lambda: [archived], runner.make(workers=1)).running() as running:
        yield running


def pids(service: Service) -> list[int]:
    """Return the PIDs of the instances, also of those that are starting or draining."""
    return [instance.current.process.pid for instance in service.pool.instances if instance.current]


# The tests run in this order. Each leaves the service complete.


def test_without_memory_for_another_instance_nothing_is_started(
    service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    before = pids(service)
    footprint = service.pool.instances[0].footprint
    assert footprint > 50 << 20  # a worker, and Java under TorchServe
    monkeypatch.setattr(reload, "available_memory", lambda: footprint - 1)
    assert not service.reload()
    assert re.search(rf"not reloaded; .* needs about {footprint >> 20} MiB .* raise the memory limit", caplog.text)
    assert pids(service) == before
    assert len(list(service.pool.folder.glob("archives-*"))) == 1


def test_instances_that_the_gateway_does_not_find_healthy_do_not_take_over(
    service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    before = pids(service)
    monkeypatch.setattr(reload, "_HEALTHY_S", 0.5)
    assert service.gateway is not None
    envoy = psutil.Process(service.gateway.process.pid)
    envoy.suspend()
    try:
        assert not service.reload()
    finally:
        envoy.resume()
    assert "the gateway does not find the new instances healthy within 0.5 s" in caplog.text
    assert pids(service) == before
    assert ask(service, DAY).status == 200


def test_models_of_other_names_are_not_served_by_a_reload(
    service: Service, archived: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    other = archived.with_name("other.archive")
    monkeypatch.setattr(service, "_archive", lambda: [other])
    assert not service.reload()
    assert "the names of the models have changed from sales to other" in caplog.text


def test_limits_follow_a_reload_and_parts_are_supervised_meanwhile(service: Service, archived: Path) -> None:
    before = pids(service)
    settings = archived / "model-config.yaml"
    settings.write_text(settings.read_text().replace("responseTimeout: 30", "responseTimeout: 31"))
    settings.write_text(settings.read_text().replace("max_concurrent: 64", "max_concurrent: 33"))
    assert service.begin_reload()
    assert not service.begin_reload()  # one at a time
    assert service.gateway is not None
    killed = service.gateway.process
    killed.kill()  # while the new instance starts
    assert until(lambda: service.gateway is not None and service.gateway.process is not killed)
    assert service._reloading is not None
    service._reloading.join(200)
    assert set(pids(service)).isdisjoint(before)
    assert ask(service, DAY).status == 200
    assert [(model.max_concurrent, model.timeout) for model in service._models] == [(33, 36)]
    runtime = json.loads(service.gateway.admin("GET", "/runtime"))["entries"]
    assert runtime["circuit_breakers.sales.default.max_requests"]["final_value"] == "33"
    assert until(lambda: '"timeout": "36s"' in routes(service))
    assert len(list(service.pool.folder.glob("archives-*"))) == 1


def test_a_reload_follows_another_number_of_workers_while_requests_are_answered(
    runner: RunnerKind, archived: Path
) -> None:
    settings, ports = archived / "model-config.yaml", Ports.any_free()
    given = settings.read_text()
    config = GatewayConfig(ports.inference, probes_port=ports.metrics, **runner.gateway)
    settings.write_text(f"{given}\nminWorkers: 1\nmaxWorkers: 1\n")
    statuses: list[int] = []
    done = threading.Event()

    def send() -> None:
        while not done.is_set():
            statuses.append(ask(running, DAY).status)

    def serves(workers: int) -> bool:
        (model,) = running._models
        ready = [worker for worker in ready_workers(running._shared.ready) if worker.model == "sales"]
        return (model.workers, model.max_concurrent, len(ready)) == (workers, 33 * workers, workers)

    with Service(config, lambda: [archived], runner.make()).running() as running:
        sender = threading.Thread(target=send)
        sender.start()
        try:
            for workers in (1, 3, 2):
                settings.write_text(f"{given}\nminWorkers: {workers}\nmaxWorkers: {workers}\n")
                assert running.reload()
                assert until(lambda number=workers: serves(number))
        finally:
            done.set()
            sender.join()
            settings.write_text(given)
    assert set(statuses) == {200}


def routes(service: Service) -> str:
    """Return the routes that Envoy uses."""
    assert service.gateway is not None
    return service.gateway.admin("GET", "/config_dump?resource=dynamic_route_configs").decode()


STOPPED = """
import http.client, json, os, signal, sys
from pathlib import Path
from serving.gateway.config import GatewayConfig
from serving.ports import HOST
from serving.service import serve
from tests.integration.runners.kinds import KINDS

archive, port, metrics = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
(runner,) = (kind.make(workers=1) for kind in KINDS if kind.name == sys.argv[4])
connection = http.client.HTTPConnection(HOST, port, timeout=60)

def on_ready(service):
    connection.putrequest("POST", "/predictions/sales")
    connection.putheader("Content-Length", "34")
    connection.endheaders()
    connection.send(b'{"store": 1, ')
    drain = service.drain
    def finish():
        connection.send(b'"date": "2015-08-05"}')
        drain()
        response = connection.getresponse()
        print(response.status, json.load(response)["store"], flush=True)
    service.drain = finish
    os.kill(os.getpid(), signal.SIGTERM)

serve(GatewayConfig(port, probes_port=metrics), lambda: [archive], runner, on_ready)
"""


def test_a_signal_while_the_first_answers_are_shown_drains_too(runner: RunnerKind, archived: Path) -> None:
    ports = Ports.any_free()
    command = [sys.executable, "-c", STOPPED, str(archived), str(ports.inference), str(ports.metrics), runner.name]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=200, cwd=ROOT)
    assert (done.returncode, done.stdout) == (0, "200 1\n"), done.stderr


def test_a_service_of_two_models_is_reloaded(runner: RunnerKind, archived: Path, pets_archive: Path) -> None:
    """With workers in Python, each model has separate instances."""
    ports = Ports.any_free()
    config = GatewayConfig(ports.inference, probes_port=ports.metrics, **runner.gateway)
    with Service(config, lambda: [archived, pets_archive], runner.make(workers=1)).running() as running:
        before = pids(running)
        assert running.reload()
        assert set(pids(running)).isdisjoint(before)
        assert ask(running, DAY).status == 200
        photo = (ROOT / "docs" / "cat.jpg").read_bytes()
        assert ask(running, photo, kind="image/jpeg", path="/predictions/pets").status == 200


@pytest.fixture(scope="module")
def pets_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return archive(ROOT / "model_store" / "pets", tmp_path_factory.mktemp("pets"))
