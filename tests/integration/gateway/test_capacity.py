"""What the gateway, a real Envoy, bounds: connections, memory, and trust in a TorchServe that is gone."""

import contextlib
import http.client
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import psutil
import pytest

from schemas.problems import Problem
from serving.gateway.config import GatewayConfig, ServedModel
from serving.gateway.envoy import Gateway, running_gateway
from serving.ports import HOST, Ports
from tests.integration.client import ask
from tests.integration.gateway.standin import StandIn, standing_in

pytestmark = pytest.mark.integration

MODELS = [ServedModel("sales", workers=2, max_concurrent=64, timeout=5.0)]
PATH = "/predictions/sales"
CONNECTIONS, MEMORY = 16, 64 << 20
PHOTO = 10_000_000  # bytes


@pytest.fixture(scope="module")
def behind() -> Iterator[StandIn]:
    with standing_in() as stand_in:
        yield stand_in


@pytest.fixture
def gateway(behind: StandIn) -> Iterator[Gateway]:
    config = GatewayConfig(Ports.any_free().inference, probes_port=behind.port, max_connections=CONNECTIONS)
    with running_gateway(config, MODELS, [behind.socket]) as running:
        yield running


@pytest.fixture
def small(behind: StandIn) -> Iterator[Gateway]:
    """A gateway with little memory."""
    config = GatewayConfig(Ports.any_free().inference, probes_port=behind.port, max_memory=MEMORY)
    with running_gateway(config, MODELS, [behind.socket]) as running:
        yield running


def status(connection: http.client.HTTPConnection, path: str = PATH) -> int:
    connection.request("POST" if path == PATH else "GET", path, b"{}" if path == PATH else None)
    response = connection.getresponse()
    response.read()
    return response.status


def test_one_connection_too_many_is_closed_and_harms_nobody(gateway: Gateway) -> None:
    with ExitStack() as opened:
        clients = [
            opened.enter_context(closing(http.client.HTTPConnection(HOST, gateway.config.port, timeout=10)))
            for _ in range(CONNECTIONS)
        ]
        assert {status(client) for client in clients} == {200}
        for path in (PATH, "/livez"):
            with pytest.raises((ConnectionError, http.client.RemoteDisconnected)):
                status(http.client.HTTPConnection(HOST, gateway.config.port, timeout=10), path)
        refused = (
            f'envoy_listener_downstream_global_cx_overflow{{envoy_listener_address="{HOST}_{gateway.config.port}"}} 2\n'
        )
        assert refused in gateway.metrics().decode()
        assert {status(client) for client in clients} == {200}
        clients.pop().close()
        assert eventually(lambda: answers(gateway))


def answers(gateway: Gateway) -> bool:
    with contextlib.suppress(ConnectionError, http.client.RemoteDisconnected):
        return ask(gateway, b"{}").status == 200
    return False


def eventually(done: Callable[[], bool], seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def test_photos_that_are_sent_slowly_take_no_more_memory_than_there_is(small: Gateway) -> None:
    size, full = MEMORY // 22, "overload.envoy.overload_actions.stop_accepting_requests.active"  # steps of 4.5 percent
    taken: list[http.client.HTTPConnection] = []
    with ExitStack() as opened:
        while not small.stats(full)[full]:
            assert len(taken) * size < MEMORY
            sender = opened.enter_context(closing(http.client.HTTPConnection(HOST, small.config.port, timeout=10)))
            sender.putrequest("POST", PATH)
            sender.putheader("Content-Length", str(size))
            sender.endheaders()
            sender.send(bytes(size - 1))
            taken.append(sender)
            time.sleep(0.3)  # Envoy looks every tenth of a second
        refused = ask(small, b"{}")
        problem = Problem.model_validate(refused.content)
        assert (refused.status, problem.type) == (503, "urn:shopcat:problem:overloaded")
        assert (refused.headers["retry-after"], bool(refused.headers["x-request-id"])) == ("1", True)
        for each in taken:  # who was let in is answered
            each.send(b"x")
            response = each.getresponse()
            response.read()
            assert response.status == 200
    assert eventually(lambda: answers(small))


@pytest.mark.parametrize("version", ["--http1.1", "--http2-prior-knowledge"])
def test_photos_that_grow_together_take_no_more_memory_than_there_is(
    small: Gateway, version: str, tmp_path: Path
) -> None:
    """All were let in before any had a size."""
    if not shutil.which("curl"):
        pytest.skip("there is no curl to send photos slowly with")
    photo = tmp_path / "photo"
    photo.write_bytes(bytes(PHOTO))
    command = [
        "curl",
        "--silent",
        version,
        "--limit-rate",
        "3M",
        "--output",
        "/dev/null",
        "--write-out",
        "%{http_code}",
    ]
    command += ["--data-binary", f"@{photo}", f"http://{HOST}:{small.config.port}{PATH}"]
    envoy = psutil.Process(small.process.pid)
    before = most = envoy.memory_info().rss
    clients = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(40)]
    while any(client.poll() is None for client in clients):
        most = max(most, envoy.memory_info().rss)
        time.sleep(0.02)
    assert MEMORY / 2 < most - before < 2 * MEMORY
    said = {client.communicate()[0] for client in clients}
    assert "503" in said if version == "--http1.1" else "000" in said  # a stream that is reset has no status
    assert said <= {"200", "503", "000"}
    assert eventually(lambda: answers(small))


def test_a_torchserve_that_refuses_connections_is_left_out_at_once() -> None:
    """Long before a health check sees it: that asks every two seconds, and three times."""
    with standing_in() as good, ExitStack() as ending:
        gone = ending.enter_context(standing_in())
        with running_gateway(GatewayConfig(Ports.any_free().inference), MODELS, [good.socket, gone.socket]) as gateway:
            ending.close()
            assert {ask(gateway, b"{}").status for _ in range(40)} == {200}
            figures = gateway.stats("cluster.sales.(upstream_cx_connect_fail|outlier_detection.ejections_active)")
            assert figures["cluster.sales.outlier_detection.ejections_active"] == 1
            assert figures["cluster.sales.upstream_cx_connect_fail"] < 6
        assert len(good.seen) == 40
