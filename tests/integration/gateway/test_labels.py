"""The labels of the console behind the gateway: large uploads, many pictures, and streams that last."""

import http.client
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler
from urllib.parse import quote

import pytest

from serving.gateway.config import MAX_BODY, Timeouts
from serving.gateway.envoy import Gateway, running_gateway
from serving.gateway.keys import ApiKey
from serving.gateway.rate_limit import parse_rate_limits
from serving.ports import HOST
from tests.integration.client import ask
from tests.integration.gateway.helpers import MODELS, constant, problem, settings
from tests.integration.gateway.standin import StandIn, sleeping, standing_in

pytestmark = pytest.mark.integration

ANN = ApiKey("ann", "the-key-of-ann-who-labels", roles=("label",))
PHOTO = f"/labels/cats/photos/{'a' * 64}?name=cat.jpg"
TIMEOUTS = Timeouts(console=4, stream=600, idle_at_stop=600)


class Events:
    """Behaviour of a console with streams: each sends an event whenever the test says so."""

    def __init__(self) -> None:
        self._sent, self._changed, self._ended = 0, threading.Condition(), False

    def __call__(self, request: BaseHTTPRequestHandler, _body: bytes) -> None:
        request.send_response(200)
        request.send_header("content-type", "text/event-stream")
        request.send_header("transfer-encoding", "chunked")
        request.end_headers()
        number = 0
        while True:
            with self._changed:
                while number >= self._sent and not self._ended:
                    self._changed.wait()
                if self._ended:
                    return
            number += 1
            event = f"id: {number}\n\n".encode()
            request.wfile.write(b"%x\r\n%s\r\n" % (len(event), event))
            request.wfile.flush()

    def send(self) -> None:
        with self._changed:
            self._sent += 1
            self._changed.notify_all()

    def end(self) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify_all()


@pytest.fixture
def console() -> Iterator[StandIn]:
    """A stand-in for the console."""
    with standing_in() as running:
        yield running


@pytest.fixture
def gateway(shared_stand_in: StandIn, console: StandIn) -> Iterator[Gateway]:
    config = settings(
        keys=constant(ANN),
        probes_port=shared_stand_in.port,
        console=console.socket,
        rate_limits=parse_rate_limits(["5/day"]),
        timeouts=TIMEOUTS,
    )
    with running_gateway(config, MODELS, [shared_stand_in.socket]) as running:
        yield running


@pytest.fixture
def events(console: StandIn) -> Iterator[Events]:
    """Streams of the console."""
    console.behaviour = found = Events()
    yield found
    found.end()


@contextmanager
def stream(gateway: Gateway) -> Iterator[http.client.HTTPResponse]:
    connection = http.client.HTTPConnection(HOST, gateway.config.port, timeout=30)
    try:
        connection.request("GET", "/labels/cats/stream", headers={"X-API-Key": ANN.key})
        yield connection.getresponse()
    finally:
        connection.close()


def test_four_photos_of_ten_megabytes_arrive_at_once_and_a_larger_one_is_refused(
    gateway: Gateway, console: StandIn
) -> None:
    def put(_: int) -> int:
        answer = ask(gateway, b"x" * MAX_BODY, method="PUT", path=PHOTO, headers={"X-API-Key": ANN.key})
        assert answer.status == 200, answer
        assert answer.content["headers"]["x-shopcat-client"] == "ann"
        return int(answer.content["bytes"])

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(put, range(8))) == [MAX_BODY] * 8
    before = len(console.paths)
    for path in (PHOTO, "/labels/cats/events"):
        large = ask(gateway, b"x" * (MAX_BODY + 1), method="PUT", path=path, headers={"X-API-Key": ANN.key})
        assert problem(large) == (413, "too-large")
        assert "at most 10,485,760 bytes here; send less at a time, or a smaller photo" in large.content["detail"]
    assert len(console.paths) == before


def test_an_upload_that_stops_halfway_costs_the_console_nothing(gateway: Gateway, console: StandIn) -> None:
    before = len(console.paths)
    head = f"PUT {PHOTO} HTTP/1.1\r\nHost: x\r\nX-API-Key: {ANN.key}\r\nContent-Length: 1000000\r\n\r\n".encode()
    with socket.create_connection((HOST, gateway.config.port), timeout=10) as stopped:
        stopped.sendall(head + b"x" * 999_999)
    answer = ask(gateway, None, method="GET", path="/labels/cats/thumbs/64/a.webp", headers={"X-API-Key": ANN.key})
    assert (answer.status, console.paths[before:]) == (200, ["/labels/cats/thumbs/64/a.webp"])


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/labels"),
        ("GET", "/labels/cats/thumbs/256/a.webp"),
        ("GET", "/labels/cats/atlases/0.webp"),
        ("GET", "/labels/cats/stream"),
        ("HEAD", PHOTO),
        ("PUT", PHOTO),
        ("POST", "/labels/cats/events"),
    ],
)
def test_every_address_needs_a_key_and_gets_the_roles(
    gateway: Gateway, console: StandIn, method: str, path: str
) -> None:
    body = None if method in ("GET", "HEAD") else b"{}"
    assert ask(gateway, body, method=method, path=path).status == 401
    assert console.paths == []
    cookie = {"Cookie": f"shopcat-key={quote(ANN.key)}", "Origin": f"http://{HOST}:{gateway.config.port}"}
    answer = ask(gateway, body, method=method, path=path, headers=cookie)
    assert (answer.status, console.paths) == (200, [path])
    if method != "HEAD":
        assert answer.content["headers"]["x-shopcat-roles"] == "label"
    if body is not None:
        foreign = ask(gateway, body, method=method, path=path, headers=cookie | {"Origin": "http://evil.example"})
        assert problem(foreign) == (403, "forbidden")


def test_pictures_and_uploads_are_no_requests_of_a_rate_limit(gateway: Gateway) -> None:
    key = {"X-API-Key": ANN.key}
    for path in ("/labels/cats/thumbs/64/a.webp", "/labels/cats/atlases/0.webp", "/labels/cats/photos"):
        assert {ask(gateway, None, method="GET", path=path, headers=key).status for _ in range(6)} == {200}
    assert {ask(gateway, b"x", method="PUT", path=PHOTO, headers=key).status for _ in range(6)} == {200}
    statuses = [ask(gateway, b"{}", path="/labels/cats/events", headers=key).status for _ in range(6)]
    assert statuses == [200] * 5 + [429]


def test_events_arrive_at_once_and_the_stream_outlasts_the_time_of_an_answer(
    gateway: Gateway, console: StandIn, events: Events
) -> None:
    with stream(gateway) as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        until = time.monotonic() + 2 * TIMEOUTS.console
        number = 0
        while time.monotonic() < until:
            events.send()
            number += 1
            assert (answer.readline(), answer.readline()) == (f"id: {number}\n".encode(), b"\n")
        console.behaviour = sleeping(2 * TIMEOUTS.console)
        other = ask(gateway, None, method="GET", path="/labels/cats", headers={"X-API-Key": ANN.key})
        assert problem(other) == (504, "timeout")


def test_a_download_of_photos_outlasts_the_time_of_an_answer(gateway: Gateway, console: StandIn) -> None:
    console.behaviour = sleeping(2 * TIMEOUTS.console)
    for path, status in (("export/photos.zip", 200), ("bundle/bundle.zip", 200), ("export/labels.csv", 504)):
        answer = ask(gateway, None, method="GET", path=f"/labels/cats/{path}", headers={"X-API-Key": ANN.key})
        assert answer.status == status, path


def test_streams_of_many_pages_take_no_place_of_other_requests(
    gateway: Gateway, console: StandIn, events: Events
) -> None:
    with ExitStack() as opened:
        streams = [opened.enter_context(stream(gateway)) for _ in range(130)]
        events.send()
        assert {answer.readline() for answer in streams} == {b"id: 1\n"}
        console.behaviour = sleeping(0)
        answer = ask(gateway, None, method="GET", path="/labels/cats", headers={"X-API-Key": ANN.key})
        assert answer.status == 200


def test_a_stop_waits_for_no_stream(gateway: Gateway, events: Events) -> None:
    with stream(gateway) as answer:
        events.send()
        assert answer.readline() == b"id: 1\n"
        assert gateway.drain(60)  # a tenth of the time that an idle connection has


def test_a_stream_begins_again_after_its_time_so_that_a_key_that_was_removed_ends_it() -> None:
    assert 600 <= Timeouts().stream <= 3600
