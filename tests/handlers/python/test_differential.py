"""The worker reads valid requests as they were meant, reads no others than h11 does, and survives any bytes."""

import contextlib
import json
import socket
from urllib.parse import quote, quote_plus

import h11
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.handlers.python.running import PING, POST, Running

NAMES = st.text("abcdefghij-_", min_size=1, max_size=8)
TEXTS = st.text(st.characters(blacklist_categories=("Cs",)), max_size=20)


@st.composite
def requests(draw: st.DrawFn) -> tuple[bytes, dict[str, str], bool]:
    """A valid request, the fields that the model gets, and whether it is an explanation."""
    explain = draw(st.booleans())
    parameters = draw(st.lists(st.tuples(NAMES, TEXTS), max_size=4))
    body = draw(st.binary(max_size=3000))
    escape = draw(st.sampled_from([quote, quote_plus]))
    query = "&".join(f"{name}={escape(value, safe='')}" for name, value in parameters)
    target = f"/{'explanations' if explain else 'predictions'}/pets" + (f"?{query}" if query else "")
    head = f"POST {target} HTTP/1.1\r\n".encode()
    for name, value in draw(st.lists(st.tuples(NAMES, st.text('abc \t;,="äöü', max_size=20)), max_size=4)):
        head += f"x-{name}: {value}\r\n".encode("latin-1")
    if draw(st.booleans()):
        cuts = sorted(draw(st.lists(st.integers(0, len(body)), max_size=4)))
        parts = [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True) if start < end]
        sent = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
        head += b"Transfer-Encoding: chunked\r\n\r\n"
    else:
        sent = body
        head += b"Content-Length: %d\r\n\r\n" % len(body)
    fields = {name: value.encode().decode("latin-1") for name, value in parameters} | {"body": body.decode("latin-1")}
    return head + sent, fields, explain


@given(pipelined=st.lists(requests(), min_size=1, max_size=4), cuts=st.lists(st.integers(0, 20_000), max_size=5))
@settings(deadline=None, max_examples=150)
def test_valid_requests_reach_the_model_unchanged(
    shared_server: Running, pipelined: list[tuple[bytes, dict[str, str], bool]], cuts: list[int]
) -> None:
    sent = b"".join(request for request, _, _ in pipelined)
    with shared_server.connect() as client:
        for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(sent)], strict=True):
            client.send(sent[start:end])
        for _, fields, explain in pipelined:
            answer = client.receive().json()
            assert answer["fields"] == fields
            assert answer["explain"] is explain


PARTS = st.sampled_from(
    [
        b"POST /predictions/pets HTTP/1.1\r\n",
        PING,
        b"GET /ping HTTP/1.0\r\n",
        b"content-length: 3\r\n",
        b"transfer-encoding: chunked\r\n",
        b"connection: close\r\n",
        b"connection: upgrade\r\nupgrade: h2c\r\n",
        b"expect: 100-continue\r\n",
        b"CONNECT a:1 HTTP/1.1\r\n",
        b"\r\n",
        b"\r\n\r\n",
        b"3\r\nabc\r\n",
        b"0\r\n\r\n",
        b"abc",
    ]
)


@given(st.lists(PARTS | st.binary(max_size=40), max_size=12), st.booleans())
@settings(deadline=None, max_examples=500)
@example([POST, b"connection: upgrade\r\nupgrade: h2c\r\n", b"\r\n"], True)
@example([b"CONNECT a:1 HTTP/1.1\r\n", b"connection: upgrade\r\nupgrade: h2c\r\n", b"\r\n"], True)
def test_any_bytes_are_answered_or_the_connection_ends(
    shared_server: Running, parts: list[bytes], in_pieces: bool
) -> None:
    """Each response is complete, and the connection ends when the client has ended its half."""
    with shared_server.connect() as client:
        try:
            for part in parts if in_pieces else [b"".join(parts)]:
                client.send(part)
            client.socket.shutdown(socket.SHUT_WR)
        except (ConnectionError, OSError):
            pass  # the server has closed the connection
        received = client.file.read()
        while received:
            head, _, received = received.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 "), head
            lines = [line.split(b": ") for line in head.split(b"\r\n")[1:]]
            length = int(dict(map(tuple, lines)).get(b"content-length", b"0"))  # type: ignore[arg-type]
            body, received = received[:length], received[length:]
            assert length == 0 or json.loads(body)
    if b"".join(parts).strip(b"\r\n"):
        assert head is not None
    assert shared_server.errors == []


def read_by_h11(sent: bytes) -> list[bytes]:
    """Return the bodies of the requests that h11 reads before the first error; the server ignores offers to upgrade."""
    connection, bodies, body = h11.Connection(h11.SERVER), list[bytes](), b""
    connection.receive_data(sent)
    with contextlib.suppress(h11.RemoteProtocolError):
        while True:
            event = connection.next_event()
            if isinstance(event, h11.Request):
                body = b""
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                bodies.append(body)
                for answer in (h11.Response(status_code=200, headers=[("content-length", "0")]), h11.EndOfMessage()):
                    connection.send(answer)
                if connection.our_state is not h11.DONE:
                    break
                rest = connection.trailing_data[0].lstrip(b"\r\n")  # RFC 9112, 2.2: empty lines before a request
                connection = h11.Connection(h11.SERVER)
                connection.receive_data(rest)
            else:
                break
    return bodies


FRAMING = st.sampled_from(
    [
        *(
            b"Content-Length: %b\r\n" % length
            for length in (b"0", b"3", b"003", b"10", b"-3", b"+3", b"3,3", b"0x3", b" 3 ")
        ),
        *(
            b"Transfer-Encoding: %b\r\n" % coding
            for coding in (b"chunked", b"Chunked", b"identity", b"chunked, chunked", b"xchunked", b"\tchunked")
        ),
        b"Transfer-Encoding : chunked\r\n",
        b"Content-Length:3\r\n",
        b"Connection: close\r\n",
        b"Connection: upgrade\r\nUpgrade: h2c\r\n",
        b"X-A: b\r\n",
        b"X-A:\r\n",
        b"X-A: \x00\r\n",
        b" folded\r\n",
        b"no colon\r\n",
    ]
)
BODY = st.sampled_from(
    [
        b"",
        b"abc",
        b"3\r\nabc\r\n",
        b"3;a=b\r\nabc\r\n",
        b"0\r\n\r\n",
        b"0\r\nx: y\r\n\r\n",
        b"03\r\nabc\r\n",
        b"3 \r\nabc\r\n",
        b"g\r\n",
    ]
)
VERSION = st.sampled_from([b"1.1", b"1.0"])
REQUEST = st.builds(
    lambda version, framing, body: b"".join(
        [b"POST /predictions/pets HTTP/", version, b"\r\nHost: test\r\n", *framing, b"\r\n", *body]
    ),
    VERSION,
    st.lists(FRAMING, max_size=3),
    st.lists(BODY, max_size=3),
)


@given(st.lists(REQUEST, min_size=1, max_size=3).map(b"".join))
@settings(deadline=None, max_examples=400, derandomize=True)
def test_the_worker_accepts_no_other_requests(shared_server: Running, sent: bytes) -> None:
    """A request that only the worker accepts could hide from an ingress. The worker may be the stricter one."""
    shared_server.model.batches.clear()
    with shared_server.connect() as client:
        with contextlib.suppress(OSError):  # the server may have closed the connection
            client.send(sent).socket.shutdown(socket.SHUT_WR)
        client.file.read()
    bodies = shared_server.model.bodies()
    assert bodies == read_by_h11(sent)[: len(bodies)]
