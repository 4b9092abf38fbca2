"""handlers.python.connection: clients that go, wait, send too much, or do not read."""

import contextlib
import socket
import tempfile
from pathlib import Path

import pytest

from handlers.python import connection
from handlers.python.settings import Limits
from tests.handlers.python.running import MAX_BODY, PING, POST, Client, Running, running


def test_a_client_that_ends_its_half_gets_its_answers(server: Running, client: Client, tmp_path: Path) -> None:
    server.model.go.clear()
    client.post(b"a").post(b"b").socket.shutdown(socket.SHUT_WR)
    server.model.begun.acquire(timeout=10)
    server.model.go.set()
    assert [client.receive().json()["fields"]["body"] for _ in range(2)] == ["a", "b"]
    assert client.is_closed()


def test_a_request_that_ends_too_early(client: Client) -> None:
    client.send(POST + b"content-length: 3\r\n\r\na").socket.shutdown(socket.SHUT_WR)
    assert client.receive().status == 400
    assert client.is_closed()


def test_an_idle_client_that_ends_its_half(client: Client) -> None:
    client.post(b"a").receive()
    client.socket.shutdown(socket.SHUT_WR)
    assert client.is_closed()


def connect(server: Running, count: int) -> list[Client]:
    """Return connections that the server has accepted."""
    clients = [server.connect() for _ in range(count)]
    for client in clients:
        assert client.send(PING).receive().status == 200
    return clients


def test_a_request_of_a_client_that_has_gone_is_not_computed() -> None:
    with running(size=1) as server:
        first, second, third, gone, last = connect(server, 5)
        server.model.go.clear()
        first.post(b"first")
        server.model.begun.acquire(timeout=10)
        second.post(b"second")
        third.post(b"third")
        gone.post(b"gone").reset()
        last.post(b"last")
        server.model.go.set()
        assert last.receive().status == 200
        assert server.model.bodies() == [b"first", b"second", b"third", b"last"]


def test_a_client_that_goes_while_its_request_is_computed(server: Running, client: Client) -> None:
    server.model.go.clear()
    client.post(b"first")
    server.model.begun.acquire(timeout=10)
    client.reset()
    server.model.go.set()
    with server.connect() as other:
        assert other.post(b"other").receive().status == 200


def test_behind_the_gateway() -> None:
    """The gateway closes its connection to cancel a request. Its responses get ids and dates from the gateway."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder, running(Path(folder), size=1) as server:
        first, second, third, gone, half = connect(server, 5)
        server.model.go.clear()
        first.post(b"first")
        server.model.begun.acquire(timeout=10)
        second.post(b"second")
        third.post(b"third")
        gone.post(b"gone").close()
        half.post(b"half").socket.shutdown(socket.SHUT_WR)
        server.model.go.set()
        answer = half.receive()
        assert server.model.bodies() == [b"first", b"second", b"third", b"half"]
        assert answer.headers.keys() == {"content-type", "content-length", "connection"}


def flood(server: Running) -> socket.socket:
    """Send requests, and read nothing, until the server does not read either."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", int(str(server.address))))
    client.settimeout(0.05)
    request = POST + b"content-length: 15000\r\n\r\n" + b"x" * 15_000
    sent, rest = 0, b""
    while not any(each._is_full and not each._is_reading for each in list(server.shared.connections)):
        rest = rest or request
        with contextlib.suppress(TimeoutError):
            count = client.send(rest)
            sent, rest = sent + count, rest[count:]
        assert sent < 200_000_000
    return client


def test_a_client_that_sends_without_end_and_reads_nothing_is_not_read(server: Running) -> None:
    with flood(server):
        (open_connection,) = server.shared.connections
        assert open_connection._transport.get_write_buffer_size() < 500_000
        assert len(open_connection._requests) < 100
        assert server.shared.arriving < 1_500_000


def test_overload_is_answered_at_once() -> None:
    with running(limits=Limits(max_concurrent=2), size=2) as server:
        clients = connect(server, 4)
        server.model.go.clear()
        clients[0].post(b"first")
        server.model.begun.acquire(timeout=10)
        for client in clients[1:]:
            client.post(b"more")
        server.model.go.set()
        answers = [client.receive() for client in clients]
        assert sorted(answer.status for answer in answers) == [200, 200, 200, 503]
        (rejected,) = [answer for answer in answers if answer.status == 503]
        assert 1 <= int(rejected.headers["retry-after"]) <= 3
        assert rejected.json()["type"].endswith("overloaded")
        for client in clients:
            assert client.post(b"again").receive().status == 200
            client.close()


def test_an_answered_request_counts_for_no_limit() -> None:
    with running(limits=Limits(max_concurrent=1)) as server, server.connect() as client:
        client.post(b"a").post(b"b")
        assert [client.receive().status for _ in range(2)] == [200, 200]


def test_bodies_that_arrive_at_the_same_time_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_MAX_BODIES", 2)
    with running() as server:
        slow = [server.connect().send(POST + b"content-length: %d\r\n\r\n" % MAX_BODY) for _ in range(3)]
        for number, client in enumerate(slow, 1):
            client.send(b"x" * (MAX_BODY - 1))
            if number <= 2:
                server.wait_until(lambda number=number: server.shared.arriving == number * (MAX_BODY - 1))
        assert slow[2].receive().status == 503
        assert [client.send(b"x").receive().status for client in slow[:2]] == [200, 200]
        for client in slow:
            client.close()


def test_too_many_connections_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_MAX_CONNECTIONS", 2)
    with running() as server:
        clients = [server.connect() for _ in range(2)]
        assert [client.send(PING).receive().status for client in clients] == [200, 200]
        with server.connect() as third, contextlib.suppress(ConnectionResetError):
            assert third.is_closed()
        for client in clients:
            client.close()


def stale(server: Running, seconds: float) -> None:
    """Let the server look for stale connections after some seconds without anything."""

    def look() -> None:
        for open_connection in list(server.shared.connections):
            open_connection.close_if_stale(open_connection._since + seconds)

    server.call(look)


def test_slow_and_idle_clients() -> None:
    with running() as server, server.connect() as idle, server.connect() as slow, server.connect() as busy:
        assert [client.send(PING).receive().status for client in (idle, slow)] == [200, 200]
        slow.send(b"P")
        server.model.go.clear()
        busy.post(b"busy")
        server.model.begun.acquire(timeout=10)
        server.model.go.set()
        assert busy.receive().status == 200
        server.wait_until(lambda: sum(each._is_arriving for each in server.shared.connections) == 1)
        stale(server, 59)
        stale(server, 61)
        answer = slow.receive()
        assert (answer.status, answer.headers["connection"]) == (408, "close")
        assert slow.is_closed()
        assert idle.send(PING).receive().status == 200
        stale(server, 76)
        assert idle.is_closed()


def test_the_gateways_idle_connections_stay_open() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder, running(Path(folder)) as server, server.connect() as client:
        client.post(b"a").receive()
        stale(server, 1e6)
        assert client.post(b"b").receive().status == 200


def test_a_client_that_does_not_close_after_the_last_response(server: Running, client: Client) -> None:
    client.send(b"garbage")
    assert client.receive().status == 400
    client.send(b"more")
    stale(server, 3)
    server.wait_until(lambda: not server.shared.connections)


def test_a_client_that_stops_reading_is_given_up(server: Running) -> None:
    with flood(server):
        stale(server, 61)  # some was sent since the last look
        stale(server, 59)
        assert len(server.shared.connections) == 1
        stale(server, 61)
        server.wait_until(lambda: not server.shared.connections)
