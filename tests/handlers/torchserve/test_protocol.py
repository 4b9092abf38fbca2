"""handlers.protocol: handler and front end get the same values as from TorchServe's own code."""

import socket
import struct
import subprocess
import sys
import threading
from typing import Any
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ts.protocol import otf_message_handler
from ts.service import Service

from handlers.protocol import CHUNK, Batch, answer, read_batch

TEXT = st.text(max_size=20).map(str.encode)
REQUESTS = st.lists(
    st.tuples(
        TEXT,
        st.lists(st.tuples(TEXT, TEXT), max_size=4),
        st.lists(st.tuples(TEXT, st.sampled_from([b"", b"image/jpeg"]), st.binary(max_size=200)), max_size=3),
    ),
    max_size=4,
)


def message(requests: list[Any]) -> bytes:
    """Return a batch as TorchServe's front end sends it."""
    end = struct.pack("!i", -1)

    def string(value: bytes) -> bytes:
        return struct.pack("!i", len(value)) + value

    def several(entries: list[tuple[bytes, ...]]) -> bytes:
        return b"".join(string(value) for entry in entries for value in entry) + end

    return b"".join(string(name) + several(headers) + several(inputs) for name, headers, inputs in requests) + end


def received(sent: bytes, read: Any, *, piece: int | None = None) -> Any:
    """Return the result of ``read`` for a message that arrives in pieces of ``piece`` bytes."""
    ours, theirs = socket.socketpair()

    def send() -> None:
        for start in range(0, len(sent), piece or len(sent)):
            theirs.sendall(sent[start : start + (piece or len(sent))])

    sender = threading.Thread(target=send)
    sender.start()
    with ours, theirs:
        ours.settimeout(10)
        requests = read(ours)
        sender.join()
        ours.setblocking(False)
        with pytest.raises(BlockingIOError):
            ours.recv(1)  # the whole message was taken
    return requests


class Echo:
    """A handler that keeps its arguments and sets a status for every second request."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def handle(self, data: Any, context: Any) -> list[bytes]:
        headers = [dict(context.get_all_request_header(index)) for index in range(len(data))]
        self.seen.append(([dict(fields) for fields in data], headers))
        for index in range(len(data)):
            if index % 3:
                context.set_response_content_type(index, "application/json")
                if index % 2:
                    context.set_response_header(index, "x-more", "ü")
            if index % 2:
                context.set_response_status(422, "Ünprocessable"[index:], idx=index)
        return [b"&".join([name.encode() + b"=" + bytes(value) for name, value in fields.items()]) for fields in data]


def sent_by(batch: Batch, handle: Any) -> bytes:
    """Return the bytes that `answer` sends."""
    connection = Mock(spec=socket.socket)
    assert answer(batch, handle, connection) == b""
    return b"".join(call.args[0] for call in connection.sendall.call_args_list)


def torchserves_answer(sent: bytes, handler: Echo) -> bytes:
    """Return the response of TorchServe's own reader and service."""
    batch = received(sent, otf_message_handler._retrieve_inference_msg)
    service = Service("sales", "/", None, handler.handle, None, 16, metrics_cache=Mock())
    service.set_cl_socket(None)
    return bytes(service.predict(batch))


@given(REQUESTS)
def test_handler_and_front_end_get_the_values_of_torchserve(requests: list[Any]) -> None:
    sent, ours, theirs = message(requests), Echo(), Echo()
    assert sent_by(received(sent, read_batch), ours.handle) == torchserves_answer(sent, theirs)
    assert ours.seen == theirs.seen


@pytest.mark.parametrize("piece", [1, 3, 65_535])
def test_a_message_may_arrive_in_pieces(piece: int) -> None:
    photo = bytes(range(256)) * (1 if piece < 10 else 4_000)
    sent = message([(b"id", [(b"Host", b"x")], [(b"body", b"image/jpeg", photo), (b"k", b"", b"3")])] * 2)
    batch = received(sent, read_batch, piece=piece)
    assert batch.ids == [b"id"] * 2
    assert batch.fields == [{"body": photo, "k": b"3"}] * 2
    assert batch.get_all_request_header(1) == {
        "Host": "x",
        "body": {"content-type": "image/jpeg"},
        "k": {"content-type": ""},
    }


def test_a_closed_connection_ends_the_worker() -> None:
    ours, theirs = socket.socketpair()
    with ours:
        theirs.sendall(message([(b"id", [], [])])[:-5])
        theirs.close()
        with pytest.raises(SystemExit):
            read_batch(ours)


def test_a_missing_response_is_an_error() -> None:
    batch = Batch()
    batch.append(b"id", [], [])
    with pytest.raises(ValueError, match="argument"):
        sent_by(batch, lambda data, context: [])


def test_deferred_calls_follow_the_response() -> None:
    """They are made in order and once."""
    ours, theirs = socket.socketpair()
    done: list[int] = []

    def handle(_: Any, context: Batch) -> list[bytes]:
        for number in range(2):
            context.defer(lambda number=number: done.append(number if theirs.recv(CHUNK, socket.MSG_PEEK) else -1))
        return []

    batch = Batch()
    with ours, theirs:
        theirs.settimeout(10)
        answer(batch, handle, ours)
        batch.run_deferred()
    assert done == [0, 1]


@pytest.mark.integration
def test_only_a_worker_of_torchserve_is_patched() -> None:
    script = (
        "import sys\n"
        "from handlers import protocol\n"
        "protocol.patch_worker()\n"
        "assert not any(name.split('.')[0] == 'ts' for name in sys.modules)\n"
        "from ts.protocol import otf_message_handler\n"
        "from ts.service import Service\n"
        "protocol.patch_worker()\n"
        "import socket\n"
        "ours, theirs = socket.socketpair()\n"
        "theirs.sendall(b'I' + (-1).to_bytes(4, 'big', signed=True))\n"
        "command, batch = otf_message_handler.retrieve_msg(ours)\n"
        "assert command == b'I' and isinstance(batch, protocol.Batch)\n"
        "service = Service('sales', '/', None, lambda data, context: [], None, 16)\n"
        "service.set_cl_socket(ours)\n"
        "assert service.predict(batch) == b''\n"
        "assert theirs.recv(1000) == batch.message([])\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_header_of_all_requests_is_found_at_any_index() -> None:
    batch = Batch()
    for names in (
        (b"host", b"start"),
        (b"host", b"start"),
        (b"start",),
        (b"a", b"b", b"c", b"start"),
        (b"host", b"x"),
        (),
    ):
        batch.append(b"", [(name, name + b" of %d" % len(names)) for name in names], [])
    (found,) = batch.get_request_headers("start")
    assert found == [b"start of 2", b"start of 2", b"start of 1", b"start of 4", None, None]
    assert batch.get_request_headers("x") == [[None] * 6]  # the first request has none
    assert Batch().get_request_headers("x", "y") == [[], []]
