"""handlers.python.connection: requests in HTTP/1.1 over real sockets, one after another."""

import socket

import pytest

from tests.handlers.python.running import MAX_BODY, PING, POST, Client, Running


def test_a_connection_answers_request_after_request(client: Client) -> None:
    for body in (b"a", b"", b"b" * MAX_BODY):
        answer = client.post(body).receive()
        assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
        assert "connection" not in answer.headers
        assert answer.json()["fields"] == {"body": body.decode()}
    assert client.send(PING).receive().json() == {"status": "ok"}


@pytest.mark.parametrize(
    ("version", "header", "expected"),
    [
        ("1.1", "", None),
        ("1.1", "Connection: close\r\n", "close"),
        ("1.1", "connection: Keep-Alive\r\n", None),
        ("1.0", "", "close"),
        ("1.0", "Connection: keep-alive\r\n", "keep-alive"),
    ],
)
def test_the_client_decides_if_the_connection_stays_open(
    client: Client, version: str, header: str, expected: str | None
) -> None:
    client.send(f"POST /predictions/pets HTTP/{version}\r\n{header}content-length: 1\r\n\r\nx".encode())
    answer = client.receive()
    assert answer.status == 200
    assert answer.headers.get("connection") == expected
    if expected == "close":
        assert client.is_closed()
    else:
        assert client.post(b"y").receive().status == 200


def test_a_request_in_pieces_of_a_byte(client: Client) -> None:
    client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    request = (
        POST.replace(b"pets", b"pets?top_k=3")
        + b"transfer-encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n"
    )
    for index in range(len(request)):
        client.send(request[index : index + 1])
    assert client.receive().json()["fields"] == {"top_k": "3", "body": "abc0123456789"}


def test_trailers_are_no_headers(client: Client) -> None:
    client.send(POST + b"transfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\nx-request-id: trailer\r\n\r\n")
    assert client.receive().headers["x-request-id"] != "trailer"


@pytest.mark.parametrize("piece", [1, 100_000])
def test_pipelined_requests_are_answered_in_order(server: Running, client: Client, piece: int) -> None:
    """The first request is slow; one in the middle is refused, and one is answered without the model."""
    server.model.go.clear()
    client.post(b"first")
    server.model.begun.acquire(timeout=10)
    rest = [
        (b"GET /unknown HTTP/1.1\r\n\r\n", 404),
        (PING, 200),
        (POST + b"content-length: 5\r\n\r\nthird", 200),
        (b"GET /predictions/pets HTTP/1.1\r\n\r\n", 405),
        (POST + b"content-length: 4\r\n\r\nlast", 200),
    ]
    sent = b"".join(request for request, _ in rest)
    for start in range(0, len(sent), piece):
        client.send(sent[start : start + piece])
    server.model.go.set()
    answers = [client.receive() for _ in range(len(rest) + 1)]
    assert [answer.status for answer in answers] == [200, *(status for _, status in rest)]
    bodies = [answer.json().get("fields", {}).get("body") for answer in answers]
    assert bodies == ["first", None, None, "third", None, "last"]


@pytest.mark.parametrize(
    "request_bytes", [PING, b"GET /unknown HTTP/1.1\r\n\r\n", POST + b"content-length: 1\r\n\r\na"]
)
def test_thousands_of_pipelined_requests_after_a_slow_one(
    server: Running, client: Client, request_bytes: bytes
) -> None:
    server.model.go.clear()
    client.post(b"slow")
    server.model.begun.acquire(timeout=10)
    client.send(request_bytes * 2000)
    server.model.go.set()
    expected = {PING: 200, POST + b"content-length: 1\r\n\r\na": 200}.get(request_bytes, 404)
    assert [client.receive().status for _ in range(2001)] == [200, *[expected] * 2000]


def test_the_absolute_form_of_an_address(client: Client) -> None:
    assert client.post(b"a", target=b"http://test/predictions/pets?top_k=1").receive().json()["fields"]["top_k"] == "1"
    assert client.send(b"GET http://test/ping HTTP/1.1\r\n\r\n").receive().status == 200


def test_garbage_after_a_request_does_not_take_its_answer(server: Running, client: Client) -> None:
    server.model.go.clear()
    client.post(b"a").send(b"garbage")
    server.model.begun.acquire(timeout=10)
    server.model.go.set()
    assert [client.receive().status for _ in range(2)] == [200, 400]
    assert client.is_closed()


def test_bytes_after_the_last_request_are_ignored(client: Client) -> None:
    client.post(b"a", b"connection: close\r\n").send(b"garbage" * 1000)
    assert client.receive().json()["fields"]["body"] == "a"
    assert client.is_closed()


def test_a_length_with_thousands_of_digits(client: Client) -> None:
    client.send(POST + b"content-length: " + b"0" * 5000 + b"3 \r\n\r\nabc")
    assert client.receive().json()["fields"]["body"] == "abc"


@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
def test_an_offer_of_another_protocol_is_ignored(client: Client, version: bytes) -> None:
    """Java's HttpClient offers HTTP/2 with its first request."""
    client.send(
        b"POST /predictions/pets HTTP/" + version + b"\r\nConnection: keep-alive, Upgrade, HTTP2-Settings\r\n"
        b"Content-Length: 3\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\nUpgrade: h2c\r\n\r\nab"
    )
    assert client.send(b"c" + PING).receive().json()["fields"]["body"] == "abc"
    assert client.receive().status == 200


def test_ids_of_requests(client: Client) -> None:
    ids = [client.post(b"a").receive().headers["x-request-id"] for _ in range(2)]
    assert ids[0] != ids[1]
    answer = client.post(b"a", b"X-Request-Id: first\r\nx-request-id: second\r\n").receive()
    assert answer.headers["x-request-id"] == answer.json()["id"] == "first"
    answer = client.post(b"a", b"x-request-id: " + b"i" * 1000 + b"\r\n").receive()
    assert answer.headers["x-request-id"] == answer.json()["id"] == "i" * 128
    assert (
        client.send(b"GET / HTTP/1.1\r\nx-request-id: refused\r\n\r\n").receive().headers["x-request-id"] == "refused"
    )


def test_responses_have_a_date(server: Running, client: Client) -> None:
    server.call(server.shared.close_stale)
    assert client.post(b"a").receive().headers["date"].endswith(" GMT")
