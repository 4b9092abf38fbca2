"""Requests that the gateway forwards or answers itself: bodies, request IDs, traces, the contract and the probes."""

import http.client
import json
import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from handlers.worker_paths import WorkerPaths
from schemas.console import SECTIONS as CONSOLE_SECTIONS
from schemas.openapi import as_json
from serving.gateway.envoy import Gateway, running_gateway
from serving.monitoring.exporter import Exporter, exporting
from serving.monitoring.watched import Watched
from serving.ports import HOST, Ports
from tests.integration.client import ask
from tests.integration.gateway.helpers import MODELS, TRACE, exchange, problem, request_ids, settings
from tests.integration.gateway.standin import StandIn

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(
    "path", ["/predictions/sales", "/explanations/pets", "/predictions/pets?heatmap=gradcam&x=%20"]
)
def test_a_post_to_a_model_arrives_unchanged(gateway: Gateway, path: str) -> None:
    answer = ask(gateway, b"{}", path=path)
    assert (answer.status, answer.content["path"], answer.content["bytes"]) == (200, path, 2)


def test_chunks_arrive_as_one_body(gateway: Gateway) -> None:
    answer = ask(gateway, [b"x" * 1000] * 3)
    assert (answer.content["bytes"], answer.content["headers"]["content-length"]) == (3000, "3000")


def test_a_request_id_is_kept_or_made_and_always_returned(gateway: Gateway) -> None:
    sent = 'order 4711/"a"'
    kept = ask(gateway, b"{}", headers={"X-Request-Id": sent})
    assert (kept.headers["x-request-id"], kept.content["headers"]["x-request-id"]) == (sent, sent)
    made = [ask(gateway, b"{}") for _ in range(2)]
    assert made[0].headers["x-request-id"] != made[1].headers["x-request-id"]
    assert all(answer.headers["x-request-id"] == answer.content["headers"]["x-request-id"] for answer in made)
    assert ask(gateway, None, path="/nowhere", headers={"X-Request-Id": sent}).headers["x-request-id"] == sent


@pytest.mark.parametrize(
    ("method", "path", "upstream_status", "status"),
    [
        ("POST", "/nowhere", 200, 404),
        ("GET", "/predictions/sales", 200, 405),
        ("POST", "/predictions/sales", 507, 503),
        ("POST", "/predictions/sales", 413, 413),
        ("POST", "/predictions/sales", 200, 200),
    ],
)
def test_an_answer_has_the_clients_request_id_once(
    gateway: Gateway, stand_in: StandIn, method: str, path: str, upstream_status: int, status: int
) -> None:
    stand_in.behaviour = lambda *_: (upstream_status, "application/json", b"{}")
    request = f"{method} {path} HTTP/1.1\r\nHost: x\r\nX-Request-Id: mine\r\nContent-Length: 2\r\n"
    head = exchange(gateway, request.encode() + b"Connection: close\r\n\r\n{}").partition(b"\r\n\r\n")[0]
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert request_ids(head) == ["mine"]


@pytest.mark.parametrize(("path", "status"), [("/predictions/sales", 200), ("/nowhere", 404), ("/livez", 405)])
def test_a_trace_is_returned_unchanged_and_none_is_made(gateway: Gateway, path: str, status: int) -> None:
    for trace in (TRACE, "x" * 6000, 'what"is, \tthis\xff'):
        answer = ask(gateway, b"{}", path=path, headers={"Traceparent": trace})
        assert (answer.status, answer.headers["traceparent"]) == (status, trace)
    assert "traceparent" not in ask(gateway, b"{}", path=path).headers
    request = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nTraceparent: a\rX-Split: b\r\n"
    head = exchange(gateway, request.encode() + b"Connection: close\r\n\r\n").partition(b"\r\n\r\n")[0]
    assert not re.search(rb"(?i)[\r\n]x-split", head)


def test_a_worker_receives_the_trace_and_the_start_of_the_request(gateway: Gateway) -> None:
    before = time.time()
    headers = ask(gateway, b"{}", headers={"traceparent": TRACE, "x-request-start": "1"}).content["headers"]
    assert headers["traceparent"] == TRACE
    assert before - 0.01 <= int(headers["x-request-start"]) / 1e6 <= time.time() + 0.01


def test_a_request_starts_when_its_whole_body_has_arrived(gateway: Gateway) -> None:
    """The time that a client takes to send a body does not count as time in the queue."""
    last_piece_s = 0.0

    def pieces() -> Iterator[bytes]:
        nonlocal last_piece_s
        yield b"{"
        time.sleep(0.1)
        last_piece_s = time.time()
        yield b"}"

    answer = ask(gateway, pieces())
    assert int(answer.content["headers"]["x-request-start"]) / 1e6 >= last_piece_s - 0.01


def test_clients_do_not_control_envoy(gateway: Gateway) -> None:
    """Envoy obeys such headers only from trusted addresses, and none is trusted."""
    orders = {"x-envoy-upstream-rq-timeout-ms": "60000", "x-envoy-max-retries": "99", "x-envoy-retry-on": "5xx"}
    assert not orders.keys() & ask(gateway, b"{}", headers=orders).content["headers"].keys()


def test_a_client_cannot_mark_its_request_as_an_explanation(gateway: Gateway) -> None:
    """TorchServe does so by this header. A client that could would bypass the admission limit of explanations."""
    answer = ask(gateway, b"{}", headers={"Explain": "True", "X-Other": "kept"})
    assert "explain" not in answer.content["headers"]
    assert answer.content["headers"]["x-other"] == "kept"


# The contract and the probes


def test_the_contract_and_the_probes_are_served(gateway: Gateway) -> None:
    contract = json.loads(as_json())
    paths = {path: item for path, item in contract["paths"].items() if path.split("/")[1] not in CONSOLE_SECTIONS}
    assert ask(gateway, None, method="GET", path="/openapi.json").content == contract | {"paths": paths}
    with closing(http.client.HTTPConnection(HOST, gateway.config.port)) as connection:
        for path in ("/livez", "/readyz"):
            connection.request("GET", path)
            response = connection.getresponse()
            assert (response.status, response.read()) == (200, b"x" * 10)


@dataclass
class SlowState:
    """The state of a service that takes a while to determine; counts the simultaneous requests for it."""

    port: int
    in_progress: int = 0
    max_in_progress: int = 0

    def __call__(self) -> Watched:
        with LOCK:
            self.in_progress += 1
            self.max_in_progress = max(self.max_in_progress, self.in_progress)
        time.sleep(0.1)
        with LOCK:
            self.in_progress -= 1
        return Watched({}, [], {}, alive=True)


LOCK = threading.Lock()


@pytest.fixture
def probed(stand_in: StandIn, tmp_path: Path) -> Iterator[tuple[Gateway, SlowState]]:
    """A gateway with a real exporter."""
    state = SlowState(Ports.any_free().metrics)
    with (
        exporting(Exporter(WorkerPaths.create(tmp_path / "shared"), state), state.port),
        running_gateway(settings(probes_port=state.port), MODELS, [stand_in.socket]) as gateway,
    ):
        yield gateway, state


def test_many_probes_at_once_take_few_threads(probed: tuple[Gateway, SlowState]) -> None:
    """Probes need no key, and the exporter's process, with a thread for each connection, supervises the service."""
    gateway, state = probed
    with ThreadPoolExecutor(100) as pool:
        probes = [pool.submit(ask, gateway, None, method="GET", path="/livez") for _ in range(300)]
        answers = [probe.result() for probe in probes]
    connections = psutil.Process().net_connections("inet")
    assert state.max_in_progress <= 4
    assert len([each for each in connections if each.laddr.port == state.port and each.raddr]) <= 4
    rejected = [answer for answer in answers if answer.status != 200]
    assert len(answers) > len(rejected) > 0
    assert {problem(answer) for answer in rejected} == {(503, "overloaded")}
    assert ask(gateway, None, method="GET", path="/livez").status == 200


def test_a_probe_may_ask_for_the_status_alone(probed: tuple[Gateway, SlowState]) -> None:
    gateway, state = probed
    for port in (gateway.config.port, state.port):
        with closing(http.client.HTTPConnection(HOST, port, timeout=10)) as connection:
            for path in ("/livez", "/readyz") * 2:  # on one connection: a body would be read as the next answer
                connection.request("HEAD", path)
                response = connection.getresponse()
                assert (response.status, response.read()) == (200, b"")
