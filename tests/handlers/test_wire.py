"""What the quick reader makes of a message is what TorchServe's own makes of it."""

import socket
import struct
import subprocess
import sys
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ts.protocol import otf_message_handler

from handlers.wire import read_requests

TEXT = st.text(max_size=20).map(str.encode)
REQUESTS = st.lists(
    st.tuples(
        st.binary(max_size=40),
        st.lists(st.tuples(TEXT, TEXT), max_size=4),
        st.lists(st.tuples(TEXT, st.sampled_from([b"", b"image/jpeg"]), st.binary(max_size=200)), max_size=3),
    ),
    max_size=4,
)


def message(requests: list[Any]) -> bytes:
    """A batch as TorchServe's front end sends it."""
    end = struct.pack("!i", -1)

    def string(value: bytes) -> bytes:
        return struct.pack("!i", len(value)) + value

    def several(entries: list[tuple[bytes, ...]]) -> bytes:
        return b"".join(string(value) for entry in entries for value in entry) + end

    return b"".join(string(name) + several(headers) + several(inputs) for name, headers, inputs in requests) + end


def received(sent: bytes, read: Any, *, piece: int | None = None) -> Any:
    """What ``read`` makes of a message that arrives in pieces of so many bytes."""
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


@given(REQUESTS)
def test_the_same_as_torchserves_reader(requests: list[Any]) -> None:
    sent = message(requests)
    assert received(sent, read_requests) == received(sent, otf_message_handler._retrieve_inference_msg)


@pytest.mark.parametrize("piece", [1, 3, 65_535])
def test_however_it_arrives(piece: int) -> None:
    photo = bytes(range(256)) * (1 if piece < 10 else 4_000)
    sent = message([(b"id", [(b"Host", b"x")], [(b"body", b"image/jpeg", photo)])] * 2)
    requests = received(sent, read_requests, piece=piece)
    assert [request["parameters"][0]["value"] for request in requests] == [photo, photo]


def test_a_front_end_that_is_gone_ends_the_worker() -> None:
    ours, theirs = socket.socketpair()
    with ours:
        theirs.sendall(message([(b"id", [], [])])[:-5])
        theirs.close()
        with pytest.raises(SystemExit):
            read_requests(ours)


def test_torchserve_reads_with_it_once_told_and_only_a_worker_is_told() -> None:
    script = (
        "import sys\n"
        "from handlers import wire\n"
        "wire.read_in_one_go()\n"
        "assert not any(name.split('.')[0] == 'ts' for name in sys.modules)\n"
        "from ts.protocol import otf_message_handler as protocol\n"
        "wire.read_in_one_go()\n"
        "import socket\n"
        "ours, theirs = socket.socketpair()\n"
        "theirs.sendall(b'I' + (-1).to_bytes(4, 'big', signed=True))\n"
        "protocol._retrieve_request = None\n"  # TorchServe's own reader would need it
        "assert protocol.retrieve_msg(ours) == (b'I', [])\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
