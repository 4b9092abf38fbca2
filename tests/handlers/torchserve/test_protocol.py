"""handlers.torchserve.protocol: worker and front end get the same values as from TorchServe's own code."""

import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import Any
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ts.protocol import otf_message_handler
from ts.service import Service

from handlers.batch import AnsweredBatch
from handlers.http import Request, Response
from handlers.torchserve import protocol
from handlers.torchserve.handler import TorchServeHandler
from handlers.torchserve.protocol import CHUNK, read_batch

TEXT = st.text(max_size=20).map(str.encode)
REQUESTS = st.lists(
    st.tuples(
        TEXT,
        st.lists(st.tuples(TEXT, TEXT) | st.tuples(st.just(b"explain"), st.sampled_from([b"True", b"no"])), max_size=4),
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
    """A worker that keeps its requests, and answers them with every kind of response."""

    def __init__(self) -> None:
        self.seen: list[Any] = []
        self.finished = 0

    def answer(self, requests: Sequence[Request]) -> AnsweredBatch:
        self.seen += [
            (request.server_id, request.fields, dict(request.headers), request.explain) for request in requests
        ]
        return AnsweredBatch([self._response(index, request) for index, request in enumerate(requests)], self._finish)

    @staticmethod
    def _response(index: int, request: Request) -> Response:
        body = b"&".join(name.encode() + b"=" + value for name, value in request.fields.items())
        if index % 3:
            return (
                Response(500, "application/problem+json", body, is_final=True) if index % 2 else Response(422, "", body)
            )
        return Response(200, "application/json", body)

    def _finish(self) -> None:
        self.finished += 1


def sent_by(requests: Sequence[Request], answer: protocol.AnswerBatch) -> bytes:
    """Return the bytes that `reply` sends."""
    connection = Mock(spec=socket.socket)
    assert protocol.reply(answer, requests, connection) == b""
    return b"".join(call.args[0] for call in connection.sendall.call_args_list)


def torchserves_answer(sent: bytes, worker: Any) -> bytes:
    """Return the response of TorchServe's own reader and service."""
    handler = TorchServeHandler()
    handler.worker = worker
    batch = received(sent, otf_message_handler._retrieve_inference_msg)
    service = Service("sales", "/", None, handler.handle, None, 16, metrics_cache=Mock())
    service.set_cl_socket(None)
    return bytes(service.predict(batch))


@given(REQUESTS)
def test_worker_and_front_end_get_the_values_of_torchserve(requests: list[Any]) -> None:
    sent, ours, theirs = message(requests), Echo(), Echo()
    assert sent_by(received(sent, read_batch), ours.answer) == torchserves_answer(sent, theirs)
    assert ours.seen == theirs.seen
    assert (ours.finished, theirs.finished) == (1, 1)


@pytest.mark.parametrize("piece", [1, 3, 65_535])
def test_a_message_may_arrive_in_pieces(piece: int) -> None:
    photo = bytes(range(256)) * (1 if piece < 10 else 4_000)
    sent = message([(b"id", [(b"Host", b"x")], [(b"body", b"image/jpeg", photo), (b"k", b"", b"3")])] * 2)
    requests = received(sent, read_batch, piece=piece)
    assert [request.server_id for request in requests] == [b"id"] * 2
    assert [request.fields for request in requests] == [{"body": photo, "k": b"3"}] * 2
    assert [request.headers for request in requests] == [[(b"Host", b"x")]] * 2


def test_a_closed_connection_ends_the_worker() -> None:
    ours, theirs = socket.socketpair()
    with ours:
        theirs.sendall(message([(b"id", [], [])])[:-5])
        theirs.close()
        with pytest.raises(SystemExit):
            read_batch(ours)


def test_a_missing_response_is_an_error() -> None:
    with pytest.raises(ValueError, match="argument"):
        sent_by([Request({})], lambda requests: AnsweredBatch([], lambda: None))


def test_a_batch_is_finished_after_its_responses_were_sent() -> None:
    ours, theirs = socket.socketpair()
    sent: list[bytes] = []
    with ours, theirs:
        theirs.settimeout(10)
        protocol.reply(lambda _: AnsweredBatch([], lambda: sent.append(theirs.recv(CHUNK))), [], ours)
    assert sent == [protocol.message([], [])]


def test_a_batch_whose_responses_cannot_be_sent_is_not_finished() -> None:
    """The front end has ended, and no client has a response."""
    worker = Echo()
    ours, theirs = socket.socketpair()
    with ours:
        theirs.close()
        with pytest.raises(BrokenPipeError):
            protocol.reply(worker.answer, [Request({})], ours)
    assert (len(worker.seen), worker.finished) == (1, 0)


def test_a_rehearsal_is_read_from_a_message_and_not_finished() -> None:
    worker = Echo()
    response = protocol.rehearse(worker.answer, Request({"body": b"{}", "heatmap": b"gradcam"}))
    assert response == Response(200, "application/json", b"body={}&heatmap=gradcam")
    assert (worker.seen, worker.finished) == ([(b"rehearsal", {"body": b"{}", "heatmap": b"gradcam"}, {}, False)], 0)


@pytest.mark.integration
def test_only_a_worker_of_torchserve_is_patched() -> None:
    script = (
        "import sys\n"
        "from handlers.batch import AnsweredBatch\n"
        "from handlers.torchserve import protocol\n"
        "answer = lambda requests: AnsweredBatch([], lambda: None)\n"
        "protocol.patch_worker(answer)\n"
        "assert not any(name.split('.')[0] == 'ts' for name in sys.modules)\n"
        "from ts.protocol import otf_message_handler\n"
        "from ts.service import Service\n"
        "protocol.patch_worker(answer)\n"
        "import socket\n"
        "ours, theirs = socket.socketpair()\n"
        "theirs.sendall(b'I' + (-1).to_bytes(4, 'big', signed=True))\n"
        "command, batch = otf_message_handler.retrieve_msg(ours)\n"
        "assert (command, batch) == (b'I', [])\n"
        "service = Service('sales', '/', None, lambda data, context: [], None, 16)\n"
        "service.set_cl_socket(ours)\n"
        "assert service.predict(batch) == b''\n"
        "assert theirs.recv(1000) == protocol.message([], [])\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
