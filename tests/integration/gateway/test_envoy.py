"""The Envoy process: changes of instances, shutdown, keys, TLS, metrics and the files that it leaves."""

import re
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from serving.gateway import envoy
from serving.gateway.envoy import Gateway, gateway_folder, running_envoy, running_gateway
from serving.ports import HOST
from serving.process import ServerError
from tests.integration.client import ask
from tests.integration.gateway.helpers import MODELS, problem, settings
from tests.integration.gateway.standin import StandIn, held, standing_in
from tests.integration.service.disk import fill, small_disk
from tests.integration.waiting import until

pytestmark = pytest.mark.integration

NAMES = ["pets"]  # of the models of each instance here


def test_instances_are_exchanged_while_requests_are_in_progress(tmp_path: Path) -> None:
    released = threading.Event()
    config, models, path = settings(), [MODELS[1]], "/predictions/pets"
    with (
        standing_in(held(released)) as old,
        standing_in() as new,
        gateway_folder(config, models) as folder,
        running_envoy(config, folder) as gateway,
    ):
        assert ask(gateway, b"{}", path=path).status == 503  # there is no instance yet
        assert folder.endpoints.write({"pets": {old.socket: "HEALTHY"}})
        assert gateway.wait_until_healthy({old.socket: NAMES}, 10)
        with ThreadPoolExecutor(3) as pool:
            requests = [pool.submit(ask, gateway, b"{}", path=path) for _ in range(3)]
            try:
                assert until(lambda: old.in_progress == 3)
                assert folder.endpoints.write({"pets": {old.socket: "HEALTHY", new.socket: "HEALTHY"}})
                assert gateway.wait_until_healthy({new.socket: NAMES}, 10)
                assert folder.endpoints.write({"pets": {old.socket: "DRAINING", new.socket: "HEALTHY"}})
                assert not gateway.wait_until_idle([old.socket], 0.1)
            finally:
                released.set()
            assert gateway.wait_until_idle([old.socket], 5)
            assert [request.result().status for request in requests] == [200] * 3
            assert ask(gateway, b"{}", path=path).status == 200
            assert (len(old.paths), len(new.paths)) == (3, 1)
        gone = tmp_path / "gone.sock"  # no instance is there
        assert folder.endpoints.write({"pets": {new.socket: "HEALTHY", gone: "HEALTHY"}})
        assert not gateway.wait_until_healthy({gone: NAMES}, 0.5)
        assert gateway.wait_until_healthy({new.socket: NAMES}, 0.5)


def test_an_instance_gets_the_requests_of_the_models_that_it_has_ready_workers_of() -> None:
    config = settings()
    with (
        standing_in() as first,
        standing_in() as second,
        gateway_folder(config, MODELS) as folder,
        running_envoy(config, folder) as gateway,
    ):
        both = [first.socket, second.socket]
        assert folder.endpoints.write({model.name: dict.fromkeys(both, "HEALTHY") for model in MODELS})
        assert gateway.wait_until_healthy(dict.fromkeys(both, NAMES), 10)
        assert folder.endpoints.write({"sales": {first.socket: "UNHEALTHY", second.socket: "HEALTHY"}})
        assert until(lambda: not gateway.hosts()["sales"][first.socket].is_healthy)
        assert {ask(gateway, b"{}").status for _ in range(20)} == {200}
        assert "/predictions/sales" not in first.paths
        assert folder.endpoints.write({"sales": dict.fromkeys(both, "UNHEALTHY")})
        assert until(lambda: not gateway.hosts()["sales"][second.socket].is_healthy)
        answer = ask(gateway, b"{}")
        assert problem(answer) == (503, "unavailable")
        assert int(answer.headers["retry-after"]) >= 1
        assert ask(gateway, b"{}", path="/predictions/pets").status == 200


def test_limits_change_while_requests_are_in_progress() -> None:
    """As a reload changes them: the sum of all requests, and the adaptive limit of the large ones."""
    released, body = threading.Event(), b" " * 50
    (sales,) = (model for model in MODELS if model.name == "sales")
    config, wide = settings(), replace(sales, timeout=60.0)
    limit = replace(sales.limits[0], min_concurrent=1, max_concurrent=1)
    with (
        standing_in(held(released)) as stand_in,
        running_gateway(config, [wide], [stand_in.socket]) as gateway,
        ThreadPoolExecutor(4) as pool,
    ):
        requests = [pool.submit(ask, gateway, body) for _ in range(2)]
        try:
            assert until(lambda: stand_in.in_progress == 2)
            gateway.folder.files.change_limits([replace(wide, limits=[limit])])
            reloads = "extension_config_discovery.http_filter.admission-sales-predictions.config_reload"
            assert until(lambda: gateway.stats(reloads) == {reloads: 2})
            # The new controller does not count the requests that the old one admitted.
            requests.append(pool.submit(ask, gateway, body))
            assert until(lambda: stand_in.in_progress == 3)
            assert problem(ask(gateway, body)) == (503, "overloaded")
            gateway.folder.files.change_limits([replace(wide, limits=[], max_concurrent=3)])
            assert until(lambda: gateway.stats("cluster.sales.circuit_breakers.default.rq_open"))
            assert problem(ask(gateway, b"")) == (503, "overloaded")
        finally:
            released.set()
        assert [request.result().status for request in requests] == [200] * 3
        assert ask(gateway, body).status == 200


def test_a_full_disk_stops_no_change_of_the_endpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    config, models, path = settings(), [MODELS[1]], "/predictions/pets"
    with small_disk("1m") as disk, standing_in() as old, standing_in() as new:
        monkeypatch.setattr("tempfile.tempdir", str(disk))
        with gateway_folder(config, models) as folder:
            assert folder.endpoints.write({"pets": {old.socket: "HEALTHY"}})
            with running_envoy(config, folder) as gateway:
                fill(disk)
                for instance in (new, old, new):
                    assert folder.endpoints.write({"pets": {instance.socket: "HEALTHY"}})
                    assert gateway.wait_until_healthy({instance.socket: NAMES}, 10)
                    instance.paths.clear()
                    assert ask(gateway, b"{}", path=path).status == 200
                    assert instance.paths == [path]
            with running_envoy(config, folder) as gateway:  # Envoy can be started again
                assert ask(gateway, b"{}", path=path).status == 200


def test_a_drain_waits_for_an_administration_that_hangs(stand_in: StandIn) -> None:
    with running_gateway(settings(), [MODELS[1]], [stand_in.socket]) as gateway:
        envoy = psutil.Process(gateway.process.pid)
        envoy.suspend()
        try:
            assert not gateway.drain(0.1)  # and no error
        finally:
            envoy.resume()
        assert gateway.drain(30)


def test_a_drain_ends_when_all_requests_are_answered() -> None:
    released = threading.Event()
    with (
        standing_in(held(released)) as stand_in,
        running_gateway(settings(), [MODELS[1]], [stand_in.socket]) as gateway,
        ThreadPoolExecutor(4) as pool,
    ):
        requests = [pool.submit(ask, gateway, b"{}", path="/predictions/pets") for _ in range(3)]
        try:
            assert until(lambda: stand_in.in_progress == 3)
            drained = pool.submit(gateway.drain, 10)
            stopped = "listener_manager.listener_stopped"
            assert until(lambda: gateway.stats(stopped)[stopped])
            assert not drained.done()
        finally:
            released.set()
        assert drained.result()
        answers = [request.result() for request in requests]
        assert [answer.status for answer in answers] == [200] * 3
        assert all(answer.headers["connection"] == "close" for answer in answers)
        with pytest.raises(ConnectionRefusedError):
            ask(gateway, b"{}")


# Envoy itself


def test_latencies_are_exported_as_histograms(gateway: Gateway) -> None:
    ask(gateway, b"{}")
    text = gateway.metrics().decode()
    assert 'envoy_http_downstream_rq_time_bucket{envoy_http_conn_manager_prefix="gateway",le="0.5"}' in text
    assert 'envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="sales",le="7.5"}' in text


def test_the_allocator_caches_free_memory_by_processor(gateway: Gateway) -> None:
    text = gateway.admin("GET", "/memory/tcmalloc").decode()
    cached = re.search(r"(\d+) \([^)]*\) per-CPU slab resident bytes", text)
    assert cached, text
    assert int(cached[1]) > 0, "as if GLIBC_TUNABLES had not been set"


def test_envoy_listens_on_one_port_and_only_its_user_administers_it(gateway: Gateway) -> None:
    listening = [each.laddr for each in psutil.Process(gateway.process.pid).net_connections("inet") if not each.raddr]
    assert {(address.ip, address.port) for address in listening} == {(HOST, gateway.config.port)}
    assert (gateway.folder.path / "admin.sock").stat().st_mode & 0o077 == 0
    assert gateway.folder.path.stat().st_mode & 0o077 == 0


@pytest.fixture
def parent(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder in which private folders are made."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)


def test_an_envoy_that_cannot_start_reports_its_log_and_leaves_no_folder(gateway: Gateway, parent: Path) -> None:
    with (
        pytest.raises(ServerError, match=r"ended while it was starting(.|\n)*in use"),
        running_gateway(gateway.config, MODELS, []),
    ):
        pass
    assert not list(parent.iterdir())


def test_an_envoy_without_watches_names_the_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "envoy"
    program.write_text("#!/bin/sh\necho 'assert failure: inotify_fd_ >= 0. Details: Consider' >&2\nexit 134\n")
    program.chmod(0o700)
    monkeypatch.setattr(envoy, "find_envoy", lambda: program)
    expected = "allow more with `sysctl fs.inotify.max_user_instances=1024`"
    with pytest.raises(ServerError, match=expected), running_gateway(settings(), MODELS, []):
        pass


def test_a_gateway_leaves_no_process_folder_or_thread(stand_in: StandIn, parent: Path) -> None:
    threads = threading.active_count()
    with ExitStack() as running:
        gateway = running.enter_context(running_gateway(settings(), MODELS, [stand_in.socket]))
        assert ask(gateway, b"{}").status == 200
        assert gateway.folder.path.parent == parent
    assert gateway.process.poll() is not None
    assert not list(parent.iterdir())
    # The stand-in's threads end when Envoy has closed their connections.
    assert until(lambda: threading.active_count() <= threads)
