"""Requests that the gateway rejects, errors of TorchServe that it translates, and requests that it retries."""

import dataclasses
import json
import re
import socket
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from handlers.torchserve.protocol import NO_RETRY
from schemas.problems import Problem
from serving.gateway.config import MAX_BODY, ServedModel
from serving.gateway.envoy import Gateway, running_gateway
from tests.integration.client import PROBLEM, ask
from tests.integration.gateway.helpers import MODELS, POST, exchange, problem, request_ids, settings
from tests.integration.gateway.standin import StandIn, echo, held, sleeping, standing_in

pytestmark = pytest.mark.integration

DIED = (507, "application/json", b'{"message": "Worker died."}')  # TorchServe's answer when a worker dies


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
        ({"path": "/predictions%2fsales"}, (400, "malformed-request")),
        ({"headers": {"x_api_key": "k"}}, (400, "malformed-request")),
    ],
    ids=lambda value: str(value)[:60],  # a body has 10 MB
)
def test_a_rejected_request_is_answered_with_a_problem(
    gateway: Gateway, stand_in: StandIn, request_: dict[str, Any], expected: tuple[int, str]
) -> None:
    forwarded = len(stand_in.paths)
    answer = ask(gateway, **{"body": b"{}", **request_})
    assert problem(answer) == expected
    assert answer.headers["x-content-type-options"] == "nosniff"  # a browser may have asked
    if expected[0] == 405:
        assert answer.headers["allow"] == ("GET, HEAD" if request_["path"] == "/openapi.json" else "POST")
    assert len(stand_in.paths) == forwarded


@pytest.mark.parametrize("path", ["/models", "/models/sales?min_worker=0", "/ping", "/metrics", "/v2/health/ready",
                                  "/workflows", "/api-description", "/wfpredict/x", "/predictions/../models",
                                  "//models", "/stats", "/quitquitquit", "/clusters"])  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS"])
def test_no_other_address_of_torchserve_or_envoy_is_reached(
    gateway: Gateway, stand_in: StandIn, path: str, method: str
) -> None:
    forwarded = len(stand_in.paths)
    assert problem(ask(gateway, None, method=method, path=path)) == (404, "not-found")
    assert len(stand_in.paths) == forwarded


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
        (b"GET /livez HTTP/1.0\r\nHost: x\r\n\r\n", 400, "malformed-request"),
        (b"GET /livez\r\n\r\n", 400, "malformed-request"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "malformed-request"),  # TLS on a port without it
    ],
)
def test_bytes_that_are_no_request_are_answered_with_a_problem(
    gateway: Gateway, sent: bytes, status: int, kind: str
) -> None:
    """The problem has a new request ID, so that the client can ask the operator about it."""
    head, _, body = exchange(gateway, sent).partition(b"\r\n\r\n")
    assert re.match(rb"HTTP/1\.[01] %d " % status, head)
    assert json.loads(body)["type"] == f"urn:shopcat:problem:{kind}"
    (made,) = request_ids(head)
    assert uuid.UUID(made)


@pytest.mark.parametrize(
    ("error", "expected"),
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
def test_an_error_of_torchserve_becomes_a_problem(
    gateway: Gateway, stand_in: StandIn, error: tuple[int, str, bytes], expected: tuple[int, str]
) -> None:
    stand_in.behaviour = lambda *_: error
    answer = ask(gateway, b"{}")
    assert problem(answer) == expected
    assert ("retry-after" in answer.headers) == (expected[0] == 503)


def test_a_problem_from_a_worker_passes_unchanged(gateway: Gateway, stand_in: StandIn) -> None:
    for kind in ("unknown-store", "invalid-request", "internal-error"):
        body = Problem.of(kind, "the worker's words")  # type: ignore[arg-type]
        stand_in.behaviour = lambda *_, body=body: (body.status, PROBLEM, body.to_json())
        answer = ask(gateway, b"{}")
        assert (answer.status, answer.content["detail"]) == (body.status, "the worker's words")


def test_each_model_has_a_body_limit_of_its_own(stand_in: StandIn) -> None:
    small = dataclasses.replace(MODELS[0], max_body=1000)
    with running_gateway(settings(), [small, MODELS[1]], [stand_in.socket]) as gateway:
        for path in ("/predictions/sales", "/explanations/sales?x=1"):
            assert ask(gateway, b"x" * 1000, path=path).status == 200
            rejected = ask(gateway, b"x" * 1001, path=path)
            assert problem(rejected) == (413, "too-large")
            assert "at most 1,000 bytes" in rejected.content["detail"]
        assert ask(gateway, b"x" * 1001, path="/predictions/pets").status == 200
        rejected = ask(gateway, b"x" * (MAX_BODY + 1), path="/predictions/pets")
        assert f"at most {MAX_BODY:,} bytes" in rejected.content["detail"]


def test_a_request_that_takes_too_long_is_given_up(gateway: Gateway, stand_in: StandIn) -> None:
    released = threading.Event()
    stand_in.behaviour = held(released)
    try:
        assert problem(ask(gateway, b"{}")) == (504, "timeout")
        assert stand_in.in_progress == 1  # the model has not answered yet
    finally:
        released.set()


# Retries


def test_a_request_whose_worker_died_is_retried(gateway: Gateway, stand_in: StandIn) -> None:
    once = iter([DIED])
    stand_in.behaviour = lambda request, body: next(once, None) or echo(request, body)
    photo = b"x" * MAX_BODY
    answer = ask(gateway, photo, path="/predictions/pets")
    assert (answer.status, answer.content["bytes"]) == (200, MAX_BODY)


def test_a_request_whose_instance_died_is_answered_by_the_other() -> None:
    """An instance that died has no requests in progress, so that the balancer prefers it, also for the retry."""

    def die(request: BaseHTTPRequestHandler, _: bytes) -> tuple[int, str, bytes]:
        raise ConnectionAbortedError(request.path)  # closes the connection

    # Several models, because Envoy soon sends a model's requests to the other instance alone.
    models = [ServedModel(f"model{number}", workers=2, max_concurrent=16, timeout=5.0) for number in range(6)]
    paths = [f"/predictions/{model.name}" for model in models for _ in range(16)]
    with standing_in(sleeping(0.05)) as living, standing_in(die) as dying:
        config = settings(probes_port=living.port, health_check_interval=None)
        with (
            running_gateway(config, models, [living.socket, dying.socket]) as gateway,
            ThreadPoolExecutor(8) as clients,
        ):
            answers = clients.map(lambda path: ask(gateway, b"{}", path=path), paths)
            assert {answer.status for answer in answers} == {200}
    assert len(dying.paths) > 20


def test_a_request_that_a_worker_failed_is_not_retried(gateway: Gateway, stand_in: StandIn) -> None:
    """It would fail again, and each attempt would leave a traceback and an ID in the log."""
    failed = Problem.of("internal-error", "the log has its cause under the id 4711")
    for headers, attempts in ((dict([NO_RETRY]), 1), ({}, 2)):
        stand_in.behaviour, stand_in.headers = lambda *_: (failed.status, PROBLEM, failed.to_json()), headers
        forwarded = len(stand_in.paths)
        answer = ask(gateway, b"{}")
        assert (answer.status, answer.content["detail"]) == (500, failed.detail)
        assert len(stand_in.paths) - forwarded == attempts
        assert NO_RETRY[0] not in answer.headers


def test_a_request_whose_worker_dies_again_is_not_sent_a_third_time(gateway: Gateway, stand_in: StandIn) -> None:
    """It may be what killed the workers."""
    stand_in.behaviour = lambda *_: DIED
    forwarded = len(stand_in.paths)
    assert problem(ask(gateway, b"{}")) == (503, "unavailable")
    assert len(stand_in.paths) - forwarded == 2


def cut(request: BaseHTTPRequestHandler, _: bytes) -> tuple[int, str, bytes]:
    """End the connection in place of an answer."""
    request.connection.shutdown(socket.SHUT_RDWR)
    return 200, "", b""


@pytest.mark.parametrize("is_gone", [False, True])
def test_an_instance_that_is_gone_or_cuts_answers_off_costs_no_answer(tmp_path: Path, is_gone: bool) -> None:
    with standing_in(cut) as bad, standing_in() as good:
        wrong = tmp_path / "gone.sock" if is_gone else bad.socket
        with running_gateway(settings(), MODELS, [wrong, good.socket]) as gateway:
            assert {ask(gateway, b"{}").status for _ in range(30)} == {200}
        assert good.paths
