"""Log lines about answers that no worker gave: errors of clients, rejected requests, and errors of TorchServe."""

import http.client
import json
import logging
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from runtime.log_lines import JsonFormatter
from schemas.problems import Problem
from serving.gateway.config import MAX_BODY
from serving.gateway.envoy import Gateway, running_gateway
from serving.ports import HOST
from tests.integration.client import PROBLEM, ask
from tests.integration.gateway.helpers import MODELS, SHOP, constant, exchange, request_ids, settings
from tests.integration.gateway.standin import StandIn, held, standing_in
from tests.integration.waiting import until

pytestmark = pytest.mark.integration

KEY = {"X-API-Key": SHOP.key}
DIED = (507, "application/json", b'{"message": "Worker died."}')


@pytest.fixture(scope="module")
def keyed(shared_stand_in: StandIn) -> Iterator[Gateway]:
    """A gateway that needs a key."""
    with running_gateway(settings(keys=constant(SHOP)), MODELS, [shared_stand_in.socket]) as running:
        yield running


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> "Lines":
    caplog.set_level(logging.INFO)
    return Lines(caplog)


class Lines:
    """Lines of the log, as `shopcat serve` writes them."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self._caplog = caplog

    def about(self, request_id: str) -> dict[str, Any]:
        """Wait for the only line about a request."""

        def found() -> list[dict[str, Any]]:
            lines = [json.loads(JsonFormatter().format(record)) for record in self._caplog.records]
            return [line for line in lines if line.get("request_id") == request_id]

        assert until(found)
        (line,) = found()
        return line


@pytest.mark.parametrize(
    ("request_", "status", "level", "cause"),
    [
        ({"headers": {"X-Shopcat-Client": "forged"}}, 401, "info", "lua_response"),
        ({"headers": KEY, "path": "/nowhere?secret=1"}, 404, "info", "direct_response"),
        ({"headers": KEY, "body": bytes(MAX_BODY + 1)}, 413, "info", "request_payload_too_large"),
    ],
)
def test_a_rejected_request_has_a_line(
    keyed: Gateway, lines: Lines, request_: dict[str, Any], status: int, level: str, cause: str
) -> None:
    answer = ask(keyed, **{"body": b"{}", **request_})
    line = lines.about(answer.headers["x-request-id"])
    path = request_.get("path", "/predictions/sales").partition("?")[0]
    assert line["message"] == f"{status} to POST {path}: {cause}"
    assert (line["level"], line["source"], line["status"], line["cause"]) == (level, "gateway", status, cause)
    assert (line["address"], line["pid"]) == ("127.0.0.1", keyed.process.pid)
    assert line.get("client") == ("shop" if request_["headers"] == KEY else None)
    assert "secret" not in json.dumps(line)
    assert SHOP.key not in json.dumps(line)


@pytest.mark.parametrize(
    ("error", "status", "level"), [(DIED, 503, "warning"), ((400, "application/json", b"{}"), 400, "info")]
)
def test_an_error_of_torchserve_has_a_line(
    keyed: Gateway, stand_in: StandIn, lines: Lines, error: tuple[int, str, bytes], status: int, level: str
) -> None:
    stand_in.behaviour = lambda *_: error
    line = lines.about(ask(keyed, b"{}", headers=KEY).headers["x-request-id"])
    expected = (status, level, "torchserve_error", "sales", "shop")
    assert tuple(line[name] for name in ("status", "level", "cause", "model", "client")) == expected


def test_a_request_that_is_given_up_has_a_line(keyed: Gateway, stand_in: StandIn, lines: Lines) -> None:
    released = threading.Event()
    stand_in.behaviour = held(released)
    try:
        line = lines.about(ask(keyed, b"{}", headers=KEY).headers["x-request-id"])
    finally:
        released.set()
    assert (line["status"], line["level"], line["cause"]) == (504, "warning", "response_timeout")
    assert line["duration_ms"] > 900 * MODELS[0].timeout


def test_a_bad_request_has_no_client_in_its_line(keyed: Gateway, lines: Lines) -> None:
    """Envoy rejects it before it removes the client's header."""
    sent = f"POST /predictions/sales HTTP/1.0\r\nX-Shopcat-Client: {SHOP.client}\r\n\r\n"
    (request_id,) = request_ids(exchange(keyed, sent.encode()).partition(b"\r\n\r\n")[0])
    assert "client" not in lines.about(request_id)


def test_bytes_that_are_no_request_have_a_line(keyed: Gateway, lines: Lines) -> None:
    (request_id,) = request_ids(exchange(keyed, b"GARBAGE\r\n\r\n").partition(b"\r\n\r\n")[0])
    line = lines.about(request_id)
    assert (line["status"], line["cause"]) == (400, "http1.codec_error")


def test_a_flood_of_rejected_requests_is_no_flood_of_lines(stand_in: StandIn, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with running_gateway(settings(), MODELS, [stand_in.socket]) as gateway:
        with closing(http.client.HTTPConnection(HOST, gateway.config.port, timeout=10)) as connection:
            for _ in range(1000):
                connection.request("GET", "/nowhere")
                response = connection.getresponse()
                response.read()
                assert response.status == 404
        counts = gateway.stats(r"access_log\.process_ratelimit\..*")
        assert sum(counts.values()) == 1000
        assert counts["access_log.process_ratelimit.denied"]
    lines = [record for record in caplog.records if record.getMessage().startswith("404 to GET /nowhere")]
    assert 0 < len(lines) <= counts["access_log.process_ratelimit.allowed"]


def test_the_answers_of_workers_have_no_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    body = Problem.of("unknown-store", "the worker's words")
    with standing_in(lambda *_: (body.status, PROBLEM, body.to_json())) as stand_in:
        with running_gateway(settings(), MODELS, [stand_in.socket]) as gateway:
            assert [ask(gateway, b"{}").status for _ in range(3)] == [404] * 3
        assert not [record for record in caplog.records if hasattr(record, "request_id")]
