"""handlers.python.incoming: requests that the worker refuses before the model gets them."""

import http.client

import pytest

from tests.handlers.python.running import MAX_BODY, PING, POST, Client, Running


def test_expect_continue(client: Client) -> None:
    client.send(POST + b"content-length: 3\r\nExpect: 100-Continue\r\n\r\n")
    assert client.receive().status == 100
    assert client.send(b"abc").receive().json()["fields"]["body"] == "abc"


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"POST /unknown HTTP/1.1\r\ncontent-length: 3\r\n", 404),
        (b"PUT /predictions/pets HTTP/1.1\r\ncontent-length: 3\r\n", 405),
        (POST + b"content-length: %d\r\n" % (MAX_BODY + 1), 413),
    ],
)
def test_a_refused_expectation_is_answered_before_the_body(client: Client, head: bytes, status: int) -> None:
    answer = client.send(head + b"expect: 100-continue\r\n\r\n").receive()
    assert (answer.status, answer.headers["connection"]) == (status, "close")
    assert client.is_closed()


def test_no_continue_for_http_1_0(client: Client) -> None:
    client.send(b"POST /predictions/pets HTTP/1.0\r\ncontent-length: 3\r\nexpect: 100-continue\r\n\r\nabc")
    assert client.receive().status == 200


@pytest.mark.parametrize(
    ("target", "method", "status", "allow"),
    [
        ("/ping", "HEAD", 200, None),
        ("/ping", "POST", 405, "GET, HEAD"),
        ("/predictions/pets", "HEAD", 405, "POST"),
        ("/explanations/pets?a=b", "GET", 405, "POST"),
        ("/predictions/pet", "POST", 404, None),
        ("/predictions/pets/", "POST", 404, None),
        ("/", "GET", 404, None),
    ],
)
def test_refused_addresses_and_methods(
    client: Client, target: str, method: str, status: int, allow: str | None
) -> None:
    answer = client.send(f"{method} {target} HTTP/1.1\r\n\r\n".encode()).receive(has_body=method != "HEAD")
    assert (answer.status, answer.headers.get("allow")) == (status, allow)
    assert int(answer.headers["content-length"]) > 0
    if answer.body:
        assert answer.json()["status"] == status
        assert answer.headers["content-type"] == "application/problem+json"
    assert client.send(PING).receive().status == 200  # the connection stays open


def test_a_large_body_is_refused_by_its_length(client: Client) -> None:
    answer = client.send(POST + b"content-length: 99999999999\r\n\r\n").receive()
    assert (answer.status, answer.headers["connection"]) == (413, "close")
    assert f"{MAX_BODY:,}" in answer.json()["detail"]
    assert client.is_closed()


def test_a_client_that_sends_a_large_body_first_gets_the_refusal(server: Running) -> None:
    request = http.client.HTTPConnection("127.0.0.1", int(str(server.address)), timeout=10)
    request.request("POST", "/predictions/pets", b"x" * 3_000_000)
    assert request.getresponse().status == 413
    request.close()


def test_a_chunked_body_that_grows_too_large_is_refused(server: Running, client: Client) -> None:
    client.send(POST + b"transfer-encoding: chunked\r\n\r\n")
    for _ in range(MAX_BODY // 10_000 + 1):
        client.send(b"2710\r\n" + b"x" * 10_000 + b"\r\n")
    answer = client.receive()
    assert (answer.status, answer.headers["connection"]) == (413, "close")
    assert client.is_closed()
    assert server.model.batches == []


def test_a_body_of_the_largest_size_is_accepted(client: Client) -> None:
    half = b"%x\r\n" % (MAX_BODY // 2) + b"x" * (MAX_BODY // 2) + b"\r\n"
    assert client.send(POST + b"transfer-encoding: chunked\r\n\r\n" + half * 2 + b"0\r\n\r\n").receive().status == 200


@pytest.mark.parametrize(
    "sent",
    [
        POST + b"a: " + b"b" * 10_000,
        POST + b"a: " + b"b" * 10_000 + b"\r\n\r\n",
        POST + b"a: b\r\n" * 2000 + b"\r\n",
        POST + b"content-length: 1\r\n\r\nx" + POST + b"a: b\r\n" * 2000 + b"\r\n",
        b"GET /" + b"a" * 10_000 + b" HTTP/1.1\r\n\r\n",
        b"POST /predictions/pets?" + b"&".join(b"a%d=1" % index for index in range(10_000)) + b" HTTP/1.1\r\n\r\n",
        b"\r\n" * 5000,
        POST + b"transfer-encoding: chunked\r\n\r\n1;" + b"x" * 300_000,
        POST + b"transfer-encoding: chunked\r\n\r\n0\r\n" + b"a: " + b"x" * 300_000,
    ],
    ids=["unfinished", "header", "headers", "second", "address", "parameters", "lines", "extension", "trailer"],
)
@pytest.mark.parametrize("piece", [1000, 1_000_000])
def test_large_heads_are_refused(client: Client, sent: bytes, piece: int) -> None:
    for start in range(0, len(sent), piece):
        client.send(sent[start : start + piece])
    answer = client.receive()
    if sent.count(b"POST") == 2:
        answer = client.receive()
    assert (answer.status, answer.headers["connection"]) == (431, "close")
    assert client.is_closed()


def test_a_large_read_with_a_small_head_is_accepted(client: Client) -> None:
    client.post(b"x" * MAX_BODY)
    assert client.receive().status == 200
    small = POST + b"a: b\r\n" * 20 + b"content-length: 1\r\n\r\nx"
    client.send(small * 100)
    assert {client.receive().status for _ in range(100)} == {200}


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"CONNECT example.com:443 HTTP/1.1\r\n\r\n",
        b"garbage\r\n\r\n",
        b"\x00",
        b"GET /\x00 HTTP/1.1\r\n\r\n",
        POST + b"a\x00: b\r\n\r\n",
        POST + b"a: \x00\r\n\r\n",
        POST + b"a b: c\r\n\r\n",
        POST + b"content-length : 1\r\n\r\nx",
        POST + b"a: b\r\n folded\r\n\r\n",
        POST + b"content-length: 1\r\ncontent-length: 2\r\n\r\nxx",
        POST + b"content-length: 1\r\ncontent-length: 1\r\n\r\nx",
        POST + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + b"transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n",
        POST + b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
        POST + b"transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        POST + b"content-length: -1\r\n\r\n",
        POST + b"content-length: +1\r\n\r\nx",
        POST + b"content-length: 0x1\r\n\r\nx",
        POST + b"content-length: 99999999999999999999999999\r\n\r\n",
        POST + b"transfer-encoding: chunked\r\n\r\n-1\r\n",
        POST + b"transfer-encoding: chunked\r\n\r\ng\r\n",
        POST + b"transfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
        POST + b"transfer-encoding: chunked\r\n\r\n1\r\nxx\r\n",
        POST + b"transfer-encoding: chunked\r\n\r\n1\nx\n0\n\n",
    ],
)
def test_other_bytes_than_a_request_are_refused(server: Running, client: Client, sent: bytes) -> None:
    answer = client.send(sent).receive()
    expected = 404 if sent.startswith(b"CONNECT") else 400
    assert (answer.status, answer.headers["connection"]) == (expected, "close")
    assert client.is_closed()
    assert server.model.batches == []


def test_refused_requests_are_counted_by_kind(server: Running, client: Client) -> None:
    server.call(server.shared.take_refusals)  # of other tests
    client.send(b"GET /none HTTP/1.1\r\n\r\n").receive()
    client.send(b"GET /predictions/pets HTTP/1.1\r\n\r\n").receive()
    client.send(PING).receive()
    client.send(POST + b"content-length: 3\r\n\r\nabc").receive()
    client.send(POST + b"content-length: 99999999999\r\n\r\n").receive()
    assert client.is_closed()
    with server.connect() as other:
        other.send(b"no HTTP\r\n\r\n").receive()
    expected = {"not-found": 1, "method-not-allowed": 1, "too-large": 1, "malformed-request": 1}
    assert server.call(server.shared.take_refusals) == expected
    assert server.call(server.shared.take_refusals) == {}
