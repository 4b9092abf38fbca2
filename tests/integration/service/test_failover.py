"""`shopcat serve` under load: no request is lost or unanswered, whatever happens to a part of the service."""

import contextlib
import json
import re
import signal
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from serving.ports import HOST
from tests.integration.runners.kinds import RunnerKind, only_torchserve
from tests.integration.service.disk import fill, small_disk
from tests.integration.service.shopcat import DAY, ENVOY, Load, Running, load, probe, serving
from tests.integration.waiting import until

pytestmark = pytest.mark.integration

LONG_S = 200.0  # time for a TorchServe instance to start on a busy machine


@pytest.fixture(scope="module")
def disk() -> Iterator[Path | None]:
    """The disk for temporary files, or None without the right to mount one."""
    with contextlib.ExitStack() as mounted:
        try:
            path = mounted.enter_context(small_disk("96m"))
        except pytest.skip.Exception:
            path = None
        yield path


@pytest.fixture(scope="module")
def service(
    runner: RunnerKind, demo_bundle: Path, tmp_path_factory: pytest.TempPathFactory, disk: Path | None
) -> Iterator[Running]:
    """Two instances with one worker each."""
    folder, environment = tmp_path_factory.mktemp("service"), {"TMPDIR": str(disk)} if disk else {}
    with serving(demo_bundle, folder, runner, *runner.two_instances, environment=environment) as running:
        yield running


def assert_all_answered(requests: Load) -> None:
    assert (requests.statuses.keys(), requests.lost, requests.refused) == ({200}, [], 0)


# The tests run in this order. Each leaves the service complete, until the last one stops it.


def test_probes_answer_on_both_ports(service: Running) -> None:
    for port in (service.port, service.metrics_port):
        assert (probe(port, "/livez"), probe(port, "/readyz")) == (200, 200)
    assert probe(service.port, "/metrics") == 404
    assert service.output().count("curl -s ") == 1  # for the model, not for each instance
    text = service.metrics()
    for name in ("shopcat_stage_seconds_bucket", "envoy_cluster_membership_healthy"):
        assert name in text


def test_only_the_gateway_and_the_exporter_listen(service: Running) -> None:
    """Every user of the machine could send requests, without a key, to a TorchServe that listened on loopback."""
    processes = [psutil.Process(service.process.pid), *psutil.Process(service.process.pid).children(recursive=True)]
    listening = {
        connection.laddr.port
        for process in processes
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening == {service.port, service.metrics_port}


def test_only_requests_for_an_explanation_get_one(service: Running) -> None:
    def is_explained(path: str, headers: dict[str, str]) -> bool:
        request = urllib.request.Request(
            f"http://{HOST}:{service.port}{path}", DAY, {**headers, "Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return "contributions" in json.load(answer)

    assert is_explained("/explanations/sales", {})
    assert not is_explained("/predictions/sales", {"Explain": "True"})


@only_torchserve
def test_the_metrics_of_each_instance_are_exported(service: Running) -> None:
    with load(service.port):
        pattern = r'^ts_inference_requests_total\{torchserve="(\d)",model_name="sales",.*\} [1-9]'
        assert until(lambda: set(re.findall(pattern, service.metrics(), re.MULTILINE)) == {"0", "1"})


def test_a_killed_worker_costs_no_answer(service: Running) -> None:
    with load(service.port) as requests:
        for worker in service.descendants(service.runner.worker):
            worker.kill()
            assert until(lambda: not service.all_workers_ready())
            assert until(service.all_workers_ready, LONG_S)  # meanwhile the other instance answers
    assert_all_answered(requests)


def test_a_killed_instance_costs_no_answer_and_is_replaced(service: Running) -> None:
    with load(service.port) as requests:
        killed, _ = service.instances()
        killed.kill()
        assert until(lambda: len(service.instance_pids() - {killed.pid}) == 2, LONG_S)
        assert until(service.all_workers_ready, LONG_S)
    assert_all_answered(requests)
    assert re.search(rf"{service.runner.title} \d ended unexpectedly, killed by SIGKILL", service.output())
    restarts = rf'shopcat_restarts_total{{process="{service.runner.process}"}} [1-9]'
    assert re.search(restarts, service.metrics())


def test_a_killed_gateway_is_started_again(service: Running) -> None:
    (envoy,) = service.descendants(ENVOY)
    envoy.kill()
    assert until(lambda: service.pids(ENVOY) - {envoy.pid}, LONG_S)
    assert until(lambda: probe(service.metrics_port, "/readyz") == 200, LONG_S)
    with load(service.port, clients=2) as requests:
        pass
    assert_all_answered(requests)
    assert (
        "the gateway ended unexpectedly, killed by SIGKILL, perhaps because memory ran out; it is started again"
        in service.output()
    )
    assert 'shopcat_restarts_total{process="gateway"} 1.0' in service.metrics()


def test_without_any_instance_requests_are_rejected_at_once_until_one_is_back(service: Running) -> None:
    killed = service.instances()
    for instance in killed:
        instance.kill()
    with load(service.port, clients=2) as requests:
        # At once: TorchServe would keep a request until it has a worker, and the gateway's timeout is 35 s.
        assert until(lambda: requests.statuses[503] > 0, 20)
        assert probe(service.metrics_port, "/readyz/sales") == 503
        assert probe(service.metrics_port, "/livez") == 200  # nothing that a restart of the service would mend
        assert until(service.all_workers_ready, LONG_S)
        assert until(lambda: probe(service.metrics_port, "/readyz/sales") == 200, LONG_S)
        requests.statuses.clear()
        requests.wait_for_answers(20)
        assert requests.statuses.keys() == {200}
    assert (requests.lost, requests.refused) == ([], 0)
    assert requests.retry_after
    assert None not in requests.retry_after
    assert not {instance.pid for instance in killed} & service.instance_pids()


@only_torchserve
def test_an_instance_without_workers_gets_no_requests(service: Running) -> None:
    """TorchServe's /ping answers 200 with dead workers, and its queue holds requests until one is back."""
    hidden = []
    try:
        for remaining, statuses in ((1, {200}), (0, {503})):
            instance = service.instances()[remaining]
            manifest = Path(instance.cwd(), "models", "sales.archive", "bundle", "bundle.json")
            hidden.append((manifest.rename(manifest.with_suffix(".hidden")), manifest))  # no worker can start
            for worker in instance.children(recursive=True):
                worker.kill()
            assert until(lambda remaining=remaining: healthy_instances(service) == remaining)
            with load(service.port, clients=2) as requests:
                pass
            assert (requests.statuses.keys(), requests.lost, requests.refused) == (statuses, [], 0)
        assert probe(service.metrics_port, "/readyz/sales") == 503
        assert probe(service.metrics_port, "/livez") == 200
    finally:
        for name, original in hidden:
            name.rename(original)
    assert until(service.all_workers_ready, LONG_S)
    assert until(lambda: probe(service.metrics_port, "/readyz/sales") == 200)


def healthy_instances(service: Running) -> int:
    """Return the number of instances to which Envoy sends requests."""
    found = re.search(r'envoy_cluster_membership_healthy\{envoy_cluster_name="sales"\} (\d)', service.metrics())
    return int(found[1]) if found else -1


@only_torchserve  # tests/integration/runners/test_hangs.py has the other runner's
def test_an_instance_that_hangs_gets_no_requests_until_it_answers_again(service: Running) -> None:
    for instance in service.instances():  # in the second round only the first instance can answer
        instance.suspend()
        try:
            assert until(lambda: healthy_instances(service) == 1)
            with load(service.port) as requests:
                pass
        finally:
            instance.resume()
        assert_all_answered(requests)
        assert until(lambda: healthy_instances(service) == 2)


@only_torchserve
def test_while_all_instances_hang_the_service_is_neither_ready_nor_alive(service: Running) -> None:
    """The processes of the instances and of their workers still exist."""

    def probes(status: int) -> bool:
        return {probe(service.metrics_port, path) for path in ("/livez", "/readyz")} == {status}

    assert probes(200)
    instances = service.instances()
    try:
        for instance in instances:
            instance.suspend()
        assert until(lambda: probes(503), 60)
    finally:
        for instance in instances:
            instance.resume()
    assert until(lambda: probes(200), 60)


def test_a_full_disk_changes_nothing_that_works(service: Running, disk: Path | None) -> None:
    if disk is None:
        pytest.skip("needs root, to mount a small disk")
    filling = fill(disk)
    try:
        with load(service.port, clients=2) as requests:
            (envoy,) = service.descendants(ENVOY)
            killed, living = service.instances()
            killed.kill()
            assert until(lambda: "No space left on device" in service.output())  # while it is started again
            assert until(lambda: healthy_instances(service) == 1)
            service.process.send_signal(signal.SIGHUP)
            assert until(lambda: service.output().count("not reloaded") == 1)
        assert_all_answered(requests)
        envoy.kill()
        assert until(lambda: service.pids(ENVOY) - {envoy.pid}, LONG_S)
        assert until(lambda: probe(service.metrics_port, "/readyz") == 200, LONG_S)
        with load(service.port, clients=2) as requests:
            pass
        assert_all_answered(requests)
        assert living.pid in service.instance_pids()
    finally:
        filling.unlink()
    assert until(service.all_workers_ready, LONG_S)


def set_version(bundle: Path, version: str) -> None:
    manifest = json.loads((bundle / "bundle.json").read_text())
    (bundle / "bundle.json").write_text(json.dumps(manifest | {"version": version}))


def test_a_new_version_takes_over_without_a_pause(service: Running) -> None:
    before = service.instance_pids()
    set_version(service.bundle, "newer")
    with load(service.port) as requests:
        service.process.send_signal(signal.SIGHUP)
        assert until(lambda: requests.versions["newer"] > 0, LONG_S)
        assert until(lambda: not before & service.instance_pids(), LONG_S)
        requests.versions.clear()
        requests.wait_for_answers(50)
        assert set(requests.versions) == {"newer"}
    assert_all_answered(requests)


def test_a_version_that_cannot_be_loaded_changes_nothing(service: Running) -> None:
    before = service.instance_pids()
    weights = service.bundle / "weights.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(b"broken")
    with load(service.port, clients=2) as requests:
        service.process.send_signal(signal.SIGHUP)
        assert until(lambda: re.search(r"not reloaded.*weights\.safetensors", service.output()))
    weights.write_bytes(content)
    assert (requests.statuses.keys(), set(requests.versions), requests.lost) == ({200}, {"newer"}, [])
    assert service.instance_pids() == before


def test_a_stopped_service_answers_the_requests_that_it_has_accepted(service: Running) -> None:
    processes = psutil.Process(service.process.pid).children(recursive=True)
    with load(service.port) as requests:
        service.process.send_signal(signal.SIGTERM)
        assert until(lambda: readiness(service) != 200, 5)
        assert service.process.wait(30) == 0
    assert json.loads(service.output().splitlines()[-1])["message"] == "stopped"
    assert requests.statuses.keys() == {200}
    assert requests.refused > 0
    assert requests.lost == []
    assert not [process for process in processes if process.is_running()]


def readiness(service: Running) -> int:
    """Return the HTTP status of /readyz; 0 if the exporter has ended."""
    try:
        return probe(service.metrics_port, "/readyz")
    except OSError:
        return 0
