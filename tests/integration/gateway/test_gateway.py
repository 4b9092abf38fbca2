"""The gateway, a real Envoy, before stand-ins that do what a TorchServe does on its worst days.

Longer than 350 lines: one running gateway answers all of these tests.
"""

import http.client
import json
import re
import socket
import ssl
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import psutil
import pytest

from handlers.batch import NO_RETRY
from handlers.worker_paths import WorkerPaths
from schemas.openapi import FILE
from schemas.problems import Problem
from serving.gateway.config import MAX_BODY, AdmissionLimit, GatewayConfig, ServedModel
from serving.gateway.envoy import Gateway, running_gateway
from serving.monitoring.exporter import Exporter, Watched, exporting
from serving.ports import HOST, Ports
from serving.process import ServerError
from tests.integration.client import PROBLEM, Answer, ask
from tests.integration.gateway.standin import StandIn, echo, sleeping, standing_in

pytestmark = pytest.mark.integration

LIMIT = AdmissionLimit("predictions", min_concurrent=8, max_concurrent=16, target_latency_ms=50.0, min_body_bytes=41)
MODELS = [
    ServedModel("sales", workers=2, max_concurrent=16, timeout=1.0, limits=[LIMIT]),
    ServedModel("pets", workers=2, max_concurrent=3, timeout=5.0),
]
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
KEYS = ["correct-horse-battery", "staple-staple-staple"]


@pytest.fixture(scope="module")
def behind() -> Iterator[StandIn]:
    with standing_in() as stand_in:
        yield stand_in


@pytest.fixture(scope="module")
def gateway(behind: StandIn) -> Iterator[Gateway]:
    config = GatewayConfig(Ports.any_free().inference, probes_port=behind.port)
    with running_gateway(config, MODELS, [behind.socket]) as running:
        yield running


@pytest.fixture(autouse=True)
def _at_rest(behind: StandIn) -> Iterator[None]:
    yield
    behind.behaviour, behind.headers = echo, {}
    while behind.in_hand:
        time.sleep(0.01)


def problem(answer: Answer) -> tuple[int, str]:
    """Status and kind of an answer that must be a problem, whole and with an id."""
    assert answer.kind == PROBLEM
    found = Problem.model_validate(answer.content)
    assert found.status == answer.status
    assert answer.headers["x-request-id"]
    return answer.status, found.type.rpartition(":")[2]


def exchange(gateway: Gateway, sent: bytes) -> bytes:
    """What comes back for these bytes."""
    with socket.create_connection((HOST, gateway.config.port), timeout=10) as connection:
        connection.sendall(sent)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def request_ids(head: bytes) -> list[str]:
    """The ids in an answer's head."""
    return re.findall(r"(?im)^x-request-id: (.*?)\r?$", head.decode())


# What is let through, and as what


@pytest.mark.parametrize(
    "path", ["/predictions/sales", "/explanations/pets", "/predictions/pets?heatmap=gradcam&x=%20"]
)
def test_a_post_to_a_model_arrives_as_it_was_sent(gateway: Gateway, path: str) -> None:
    answer = ask(gateway, b"{}", path=path)
    assert (answer.status, answer.content["path"], answer.content["bytes"]) == (200, path, 2)


def test_chunks_arrive_as_one_body(gateway: Gateway) -> None:
    answer = ask(gateway, [b"x" * 1000] * 3)
    assert (answer.content["bytes"], answer.content["headers"]["content-length"]) == (3000, "3000")


def test_a_request_id_is_kept_or_made_and_always_returned(gateway: Gateway) -> None:
    mine = 'order 4711/"a"'
    kept = ask(gateway, b"{}", headers={"X-Request-Id": mine})
    assert (kept.headers["x-request-id"], kept.content["headers"]["x-request-id"]) == (mine, mine)
    made = [ask(gateway, b"{}") for _ in range(2)]
    assert made[0].headers["x-request-id"] != made[1].headers["x-request-id"]
    assert all(each.headers["x-request-id"] == each.content["headers"]["x-request-id"] for each in made)
    assert ask(gateway, None, path="/nowhere", headers={"X-Request-Id": mine}).headers["x-request-id"] == mine


@pytest.mark.parametrize(("path", "status"), [("/predictions/sales", 200), ("/nowhere", 404), ("/livez", 405)])
def test_a_trace_is_returned_as_it_came_and_none_is_made(gateway: Gateway, path: str, status: int) -> None:
    for trace in (TRACE, "x" * 6000, 'what"is, \tthis\xff'):
        answer = ask(gateway, b"{}", path=path, headers={"Traceparent": trace})
        assert (answer.status, answer.headers["traceparent"]) == (status, trace)
    assert "traceparent" not in ask(gateway, b"{}", path=path).headers
    asked = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nTraceparent: a\rX-Split: b\r\n"
    head = exchange(gateway, asked.encode() + b"Connection: close\r\n\r\n").partition(b"\r\n\r\n")[0]
    assert not re.search(rb"(?i)[\r\n]x-split", head)


def test_a_worker_is_told_the_trace_and_when_the_request_began(gateway: Gateway) -> None:
    before = time.time()
    headers = ask(gateway, b"{}", headers={"traceparent": TRACE, "x-request-start": "1"}).content["headers"]
    assert headers["traceparent"] == TRACE
    assert before - 0.01 <= int(headers["x-request-start"]) / 1e6 <= time.time() + 0.01


def test_the_time_that_a_sender_takes_is_not_the_queues(gateway: Gateway) -> None:
    def slowly() -> Iterator[bytes]:
        yield b"{"
        time.sleep(0.3)
        yield b"}"

    before = time.time()
    answer = ask(gateway, slowly())
    assert int(answer.content["headers"]["x-request-start"]) / 1e6 >= before + 0.29


def test_a_client_commands_nothing(gateway: Gateway) -> None:
    """Envoy obeys such headers from those whom it trusts, which is nobody."""
    orders = {"x-envoy-upstream-rq-timeout-ms": "60000", "x-envoy-max-retries": "99", "x-envoy-retry-on": "5xx"}
    assert not orders.keys() & ask(gateway, b"{}", headers=orders).content["headers"].keys()


def test_the_contract_and_the_probes_are_served(gateway: Gateway, behind: StandIn) -> None:
    assert ask(gateway, None, method="GET", path="/openapi.json").content == json.loads(FILE.read_text())
    with closing(http.client.HTTPConnection(HOST, gateway.config.port)) as connection:
        for path in ("/livez", "/readyz"):
            connection.request("GET", path)
            response = connection.getresponse()
            assert (response.status, response.read()) == (200, b"x" * 10)


@dataclass
class Probed:
    """An exporter that takes its time, and how many ask it at once."""

    port: int
    in_hand: int = 0
    most: int = 0

    def __call__(self) -> Watched:
        with LOCK:
            self.in_hand += 1
            self.most = max(self.most, self.in_hand)
        time.sleep(0.1)
        with LOCK:
            self.in_hand -= 1
        return Watched({}, [], {}, alive=True)


LOCK = threading.Lock()


@pytest.fixture
def probed(behind: StandIn, tmp_path: Path) -> Iterator[tuple[Gateway, Probed]]:
    """A gateway before a real exporter."""
    ports = Ports.any_free()
    watch = Probed(ports.metrics)
    config = GatewayConfig(ports.inference, probes_port=ports.metrics)
    with (
        exporting(Exporter(WorkerPaths.create(tmp_path / "shared"), watch), ports.metrics),
        running_gateway(config, MODELS, [behind.socket]) as gateway,
    ):
        yield gateway, watch


def test_probes_that_come_in_a_crowd_take_few_threads(probed: tuple[Gateway, Probed]) -> None:
    """Who asks needs no key, and who answers, with a thread for each connection, looks after all the rest."""
    gateway, watch = probed
    with ThreadPoolExecutor(100) as pool:
        crowd = [pool.submit(ask, gateway, None, method="GET", path="/livez") for _ in range(300)]
        answers = [each.result() for each in crowd]
    connections = [each for each in psutil.Process().net_connections("inet") if each.laddr.port == watch.port]
    assert watch.most <= 4
    assert len([each for each in connections if each.raddr]) <= 4
    refused = [answer for answer in answers if answer.status != 200]
    assert len(answers) > len(refused) > 0
    assert {problem(answer) for answer in refused} == {(503, "overloaded")}
    assert ask(gateway, None, method="GET", path="/livez").status == 200


def test_a_probe_may_ask_without_a_body(probed: tuple[Gateway, Probed]) -> None:
    gateway, watch = probed
    for port in (gateway.config.port, watch.port):
        with closing(http.client.HTTPConnection(HOST, port, timeout=10)) as connection:
            for path in ("/livez", "/readyz") * 2:  # on one connection: a body would be taken for the next answer
                connection.request("HEAD", path)
                response = connection.getresponse()
                assert (response.status, response.read()) == (200, b"")


# What is refused


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({"path": "/predictions/cats"}, (404, "not-found")),
        ({"path": "/predictions/sales/1.0"}, (404, "not-found")),
        ({"path": "/predictions/sales/"}, (404, "not-found")),
        ({"path": "/predictions/SALES"}, (404, "not-found")),
        ({"path": "/"}, (404, "not-found")),
        ({"method": "PATCH", "path": "/predictions/sales"}, (405, "method-not-allowed")),
        ({"method": "GET", "path": "/predictions/sales", "body": None}, (405, "method-not-allowed")),
        ({"method": "POST", "path": "/openapi.json"}, (405, "method-not-allowed")),
        ({"body": bytes(MAX_BODY + 1)}, (413, "too-large")),
        ({"body": [bytes(MAX_BODY), b"x"]}, (413, "too-large")),
        ({"path": "/predictions%2fsales"}, (404, "not-found")),
    ],
    ids=str,
)
def test_what_is_not_taken_is_a_problem(
    gateway: Gateway, behind: StandIn, request_: dict[str, Any], expected: tuple[int, str]
) -> None:
    seen = len(behind.seen)
    answer = ask(gateway, **{"body": b"{}", **request_})
    assert problem(answer) == expected
    if expected[0] == 405:
        assert answer.headers["allow"] == ("GET, HEAD" if request_["path"] == "/openapi.json" else "POST")
    assert len(behind.seen) == seen


@pytest.mark.parametrize("path", ["/models", "/models/sales?min_worker=0", "/ping", "/metrics", "/v2/health/ready",
                                  "/workflows", "/api-description", "/wfpredict/x", "/predictions/../models",
                                  "//models", "/stats", "/quitquitquit", "/clusters"])  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS"])
def test_nothing_else_of_torchserve_or_envoy_is_reached(
    gateway: Gateway, behind: StandIn, path: str, method: str
) -> None:
    seen = len(behind.seen)
    assert problem(ask(gateway, None, method=method, path=path)) == (404, "not-found")
    assert len(behind.seen) == seen


POST = b"POST /predictions/sales HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    ("sent", "status", "kind"),
    [
        (b"GARBAGE\r\n\r\n", 400, "malformed-request"),
        (POST + b"Content-Length: abc\r\n\r\n", 400, "malformed-request"),
        (POST + b"Transfer-Encoding: gzip\r\n\r\n", 400, "malformed-request"),
        (POST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "malformed-request"),
        (POST + b"X-Long: " + b"x" * 9000 + b"\r\n\r\n", 431, "headers-too-large"),
        (b"GET /nowhere HTTP/1.1\r\n\r\n", 400, "malformed-request"),
        (b"GET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404, "not-found"),
        (b"GET /nowhere HTTP/1.0\r\n\r\n", 404, "not-found"),
        (b"GET /nowhere\r\n\r\n", 404, "not-found"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "malformed-request"),  # TLS, where none is spoken
    ],
)
def test_what_is_not_http_is_told_so(gateway: Gateway, sent: bytes, status: int, kind: str) -> None:
    """With an id of its own, so that who is told can ask the operator about it."""
    head, _, body = exchange(gateway, sent).partition(b"\r\n\r\n")
    assert re.match(rb"HTTP/1\.[01] %d " % status, head)
    assert json.loads(body)["type"] == f"urn:shopcat:problem:{kind}"
    (made,) = request_ids(head)
    assert uuid.UUID(made)


@pytest.mark.parametrize(
    ("method", "path", "said", "status"),
    [
        ("POST", "/nowhere", 200, 404),
        ("GET", "/predictions/sales", 200, 405),
        ("POST", "/predictions/sales", 507, 503),
        ("POST", "/predictions/sales", 413, 413),
        ("POST", "/predictions/sales", 200, 200),
    ],
)
def test_an_answer_has_the_clients_id_once(
    gateway: Gateway, behind: StandIn, method: str, path: str, said: int, status: int
) -> None:
    behind.behaviour = lambda *_: (said, "application/json", b"{}")
    asked = f"{method} {path} HTTP/1.1\r\nHost: x\r\nX-Request-Id: mine\r\nContent-Length: 2\r\n"
    head = exchange(gateway, asked.encode() + b"Connection: close\r\n\r\n{}").partition(b"\r\n\r\n")[0]
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert request_ids(head) == ["mine"]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ((400, "application/json", b'{"code": 400, "type": "X", "message": "y"}'), (400, "malformed-request")),
        ((403, "application/json", b'{"message": "percent"}'), (400, "malformed-request")),
        ((404, "application/json", b'{"type": "ModelNotFoundException"}'), (503, "unavailable")),
        ((413, "", b""), (413, "too-large")),
        ((417, "", b""), (400, "malformed-request")),
        ((500, "application/json", b'{"message": "Worker died."}'), (503, "unavailable")),
        ((503, "application/json", b'{"message": "has no worker to serve"}'), (503, "unavailable")),
        ((507, "application/json", b'{"message": "Out of resources"}'), (503, "unavailable")),
    ],
)
def test_what_torchserve_says_by_itself_is_said_as_a_problem(
    gateway: Gateway, behind: StandIn, said: tuple[int, str, bytes], expected: tuple[int, str]
) -> None:
    behind.behaviour = lambda *_: said
    answer = ask(gateway, b"{}")
    assert problem(answer) == expected
    assert ("retry-after" in answer.headers) == (expected[0] == 503)


def test_a_workers_own_problem_passes_untouched(gateway: Gateway, behind: StandIn) -> None:
    for kind in ("unknown-store", "invalid-request", "internal-error"):
        body = Problem.of(kind, "what the worker said")  # type: ignore[arg-type]
        behind.behaviour = lambda *_, body=body: (body.status, PROBLEM, body.to_json())
        answer = ask(gateway, b"{}")
        assert (answer.status, answer.content["detail"]) == (body.status, "what the worker said")


def test_what_takes_too_long_is_given_up(gateway: Gateway, behind: StandIn) -> None:
    behind.behaviour = sleeping(2)
    start = time.monotonic()
    assert problem(ask(gateway, b"{}")) == (504, "timeout")
    assert time.monotonic() - start < 1.8


def test_no_client_says_that_it_was_sent_to_explanations(gateway: Gateway) -> None:
    """It is TorchServe that says so, by this header; who could would get past the lane of explanations."""
    answer = ask(gateway, b"{}", headers={"Explain": "True", "X-Other": "kept"})
    assert "explain" not in answer.content["headers"]
    assert answer.content["headers"]["x-other"] == "kept"


# More than can be answered


def test_what_is_too_much_is_refused_at_once_and_truthfully(gateway: Gateway, behind: StandIn) -> None:
    """And TorchServe never has more in hand than the connections; a slow model takes no other's place."""
    behind.behaviour, behind.most = sleeping(0.5), 0

    def timed(_: int) -> tuple[Answer, float]:
        start = time.monotonic()
        return ask(gateway, b"{}", path="/predictions/pets"), time.monotonic() - start

    with ThreadPoolExecutor(20) as pool:
        crowd = [pool.submit(timed, each) for each in range(20)]
        time.sleep(0.2)
        behind.behaviour = echo
        assert ask(gateway, b"{}").status == 200
        answers = [each.result() for each in crowd]
    assert behind.most <= 4  # and one of the other model
    good = [answer for answer, _ in answers if answer.status == 200]
    refused = [(answer, took) for answer, took in answers if answer.status != 200]
    assert len(good) == 3
    assert {problem(answer) for answer, _ in refused} == {(503, "overloaded")}
    assert {answer.headers["retry-after"] for answer, _ in refused} == {"1"}
    assert max(took for _, took in refused) < 0.3


def test_a_lane_has_more_room_while_answers_are_quick(gateway: Gateway, behind: StandIn) -> None:
    costly = b" " * (LIMIT.min_body_bytes)

    def crowd(seconds: float, body: bytes = costly) -> list[Answer]:
        behind.behaviour, behind.most = sleeping(seconds), 0
        with ThreadPoolExecutor(16) as pool:
            return list(pool.map(lambda _: ask(gateway, body), range(200)))

    crowd(0.01)  # what a crowd that came from nowhere would be refused
    assert {answer.status for answer in crowd(0.01)} == {200}
    assert behind.most > 10
    slow = crowd(0.2)
    refused = [answer for answer in slow if answer.status != 200]
    assert {problem(answer) for answer in refused} == {(503, "overloaded")}
    assert {answer.headers["retry-after"] for answer in refused} == {"1"}
    # Half of those let in would have to be answered in 50 ms, which none is: soon there is room for the least alone.
    until = time.monotonic() + 10
    while behind.most > LIMIT.min_concurrent and time.monotonic() < until:
        crowd(0.2)
    assert behind.most == LIMIT.min_concurrent
    # A chunked body has no length that could be looked at.
    assert {answer.status for answer in crowd(0.2, [costly])} == {200, 503}
    assert behind.most == LIMIT.min_concurrent
    # What costs little is not of the lane, as slow as it may be.
    assert {answer.status for answer in crowd(0.2, costly[1:])} == {200}
    assert behind.most == 16


# One that fails


def test_a_request_that_a_worker_died_of_is_asked_again(gateway: Gateway, behind: StandIn) -> None:
    once = iter([(507, "application/json", b'{"message": "Worker died."}')])
    behind.behaviour = lambda request, body: next(once, None) or echo(request, body)
    photo = b"x" * MAX_BODY
    answer = ask(gateway, photo, path="/predictions/pets")
    assert (answer.status, answer.content["bytes"]) == (200, MAX_BODY)


def test_a_request_that_a_worker_failed_is_not_asked_again(gateway: Gateway, behind: StandIn) -> None:
    """It would fail again, and leave a traceback and an id in the log each time."""
    failed = Problem.of("internal-error", "the log has its cause under the id 4711")
    for headers, times in ((dict([NO_RETRY]), 1), ({}, 3)):
        behind.behaviour, behind.headers = lambda *_: (failed.status, PROBLEM, failed.to_json()), headers
        seen = len(behind.seen)
        answer = ask(gateway, b"{}")
        assert (answer.status, answer.content["detail"], len(behind.seen) - seen) == (500, failed.detail, times)
        assert NO_RETRY[0] not in answer.headers


def test_one_of_two_that_is_gone_or_cuts_answers_off_costs_no_answer(tmp_path: Path) -> None:
    def cut(request: BaseHTTPRequestHandler, _: bytes) -> tuple[int, str, bytes]:
        request.connection.shutdown(socket.SHUT_RDWR)
        return 200, "", b""

    with standing_in(cut) as bad, standing_in() as good:
        gone = tmp_path / "gone.sock"
        config = GatewayConfig(Ports.any_free().inference)
        with running_gateway(config, MODELS, [bad.socket, good.socket, gone]) as gateway:
            assert {ask(gateway, b"{}").status for _ in range(30)} == {200}
        assert good.seen


def test_torchserves_are_exchanged_while_requests_are_under_way(tmp_path: Path) -> None:
    with standing_in(sleeping(0.4)) as old, standing_in() as new:
        config = GatewayConfig(Ports.any_free().inference)
        with running_gateway(config, MODELS, [old.socket]) as gateway:
            with ThreadPoolExecutor(4) as pool:
                waiting = [pool.submit(ask, gateway, b"{}") for _ in range(4)]
                time.sleep(0.1)
                assert gateway.route_to([old.socket, new.socket])
                assert gateway.route_to([new.socket], draining=[old.socket])
                assert ask(gateway, b"{}").status == 200
                assert len(new.seen) == 1
                assert gateway.wait_until_idle([old.socket], 5)
                assert all(each.done() or each.result(0.2) for each in waiting)
                assert [each.result().status for each in waiting] == [200] * 4
            assert gateway.route_to([new.socket])
            assert not gateway.route_to([new.socket, tmp_path / "gone.sock"], timeout=0.5)  # nobody is there


def test_it_stops_when_all_is_answered_and_takes_no_more() -> None:
    with standing_in(sleeping(0.8)) as behind:
        config = GatewayConfig(Ports.any_free().inference)
        with running_gateway(config, MODELS, [behind.socket]) as gateway:
            with ThreadPoolExecutor(4) as pool:
                waiting = [pool.submit(ask, gateway, b"{}") for _ in range(4)]
                time.sleep(0.1)
                assert gateway.drain(10)
                answers = [each.result() for each in waiting]
            assert [each.status for each in answers] == [200] * 4
            assert all(each.headers["connection"] == "close" for each in answers)
            with pytest.raises(ConnectionRefusedError):
                ask(gateway, b"{}")


# Who gets in


def test_only_a_key_opens_and_probes_need_none(behind: StandIn) -> None:
    config = GatewayConfig(Ports.any_free().inference, keys=KEYS, probes_port=behind.port)
    with running_gateway(config, MODELS, [behind.socket]) as gateway:
        for headers in ({"Authorization": f"Bearer {KEYS[0]}"}, {"X-API-Key": KEYS[1]}):
            answer = ask(gateway, b"{}", headers=headers)
            assert answer.status == 200
            assert not set(KEYS) & set("".join(answer.content["headers"].values()).split())
        refused = ask(gateway, b"{}", headers={"X-Request-Id": "mine", "traceparent": TRACE})
        assert (problem(refused), refused.headers["x-request-id"]) == ((401, "unauthorized"), "mine")
        assert refused.headers["traceparent"] == TRACE
        for wrong in ({}, {"X-API-Key": "wrong"}, {"X-API-Key": KEYS[0][:-1]}, {"Authorization": f"Basic {KEYS[0]}"}):
            answer = ask(gateway, b"{}", headers=wrong)
            assert problem(answer) == (401, "unauthorized")
            assert answer.headers["www-authenticate"] == "Bearer"
        assert problem(ask(gateway, b"{}", path="/models")) == (401, "unauthorized")
        with closing(http.client.HTTPConnection(HOST, config.port)) as connection:
            for path in ("/livez", "/readyz"):
                connection.request("GET", path)
                response = connection.getresponse()
                response.read()
                assert response.status == 200


def test_it_speaks_https_and_nothing_else_when_told(behind: StandIn, certificate: tuple[Path, Path]) -> None:
    config = GatewayConfig(Ports.any_free().inference, tls=certificate)
    trusting = ssl.create_default_context(cafile=certificate[0])
    with running_gateway(config, MODELS, [behind.socket]) as gateway:
        with closing(http.client.HTTPSConnection(HOST, config.port, context=trusting, timeout=10)) as connection:
            connection.request("POST", "/predictions/sales", b"{}")
            response = connection.getresponse()
            assert (response.status, json.load(response)["bytes"]) == (200, 2)
        with pytest.raises((http.client.HTTPException, OSError)):
            ask(gateway, b"{}")


# Envoy itself


def test_its_latencies_are_histograms(gateway: Gateway) -> None:
    ask(gateway, b"{}")
    text = gateway.metrics().decode()
    assert 'envoy_http_downstream_rq_time_bucket{envoy_http_conn_manager_prefix="gateway",le="0.5"}' in text
    assert 'envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="sales",le="7.5"}' in text


def test_its_allocator_keeps_what_is_free_by_processor(gateway: Gateway) -> None:
    said = gateway.admin("GET", "/memory/tcmalloc").decode()
    kept = re.search(r"(\d+) \([^)]*\) per-CPU slab resident bytes", said)
    assert kept, said
    assert int(kept[1]) > 0, "as if GLIBC_TUNABLES had not been set"


def test_a_clients_answer_is_counted_once_whoever_makes_it_and_a_refusal_can_be_told_from_an_error(
    gateway: Gateway, behind: StandIn
) -> None:
    """What deploy/rules takes for granted of Envoy's figures."""

    def counted() -> list[int]:
        figures = gateway.stats("cluster.sales.upstream_rq_(completed|5xx|active_overflow|pending_overflow)")
        refused = sum(value for name, value in figures.items() if name.endswith("_overflow"))
        return [
            figures["cluster.sales.upstream_rq_completed"],
            figures.get("cluster.sales.upstream_rq_5xx", 0),
            refused,
        ]

    def crowd(count: int) -> list[Answer]:
        with ThreadPoolExecutor(count) as pool:
            return list(pool.map(lambda _: ask(gateway, b"{}"), range(count)))

    before = counted()
    dead = (507, "application/json", b'{"message": "Worker died."}')
    once = iter([dead])
    for behaviour in (lambda *asked: next(once, None) or echo(*asked), lambda *_: dead, sleeping(2)):
        behind.behaviour = behaviour
        crowd(1)
    assert [after - each for after, each in zip(counted(), before, strict=True)] == [3, 2, 0]
    behind.behaviour = sleeping(0.5)
    refused = sum(answer.status == 503 for answer in crowd(40))
    assert refused
    assert [after - each for after, each in zip(counted(), before, strict=True)] == [43, 2 + refused, refused]


def test_it_listens_at_one_port_and_is_administered_by_its_owner(gateway: Gateway) -> None:
    listening = [each.laddr for each in psutil.Process(gateway.process.pid).net_connections("inet") if not each.raddr]
    assert {(each.ip, each.port) for each in listening} == {(HOST, gateway.config.port)}
    assert (gateway.folder / "admin.sock").stat().st_mode & 0o077 == 0
    assert gateway.folder.stat().st_mode & 0o077 == 0


def test_an_envoy_that_cannot_start_says_why_and_leaves_nothing(gateway: Gateway) -> None:
    before = set(gateway.folder.parent.glob("shopcat-*"))
    with (
        pytest.raises(ServerError, match=r"ended while it was starting(.|\n)*in use"),
        running_gateway(gateway.config, MODELS, []),
    ):
        pass
    assert set(gateway.folder.parent.glob("shopcat-*")) == before


def test_nothing_is_left_of_it(behind: StandIn) -> None:
    threads = threading.active_count()
    with ExitStack() as running:
        gateway = running.enter_context(
            running_gateway(GatewayConfig(Ports.any_free().inference), MODELS, [behind.socket])
        )
        assert ask(gateway, b"{}").status == 200
    assert gateway.process.poll() is not None
    assert not gateway.folder.exists()
    assert threading.active_count() <= threads + 2
