"""TorchServe's wire protocol between front end and worker, read and written at a lower cost.

TorchServe's reader (``ts/protocol/otf_message_handler.py``) asks the socket for each length and each value of each
header, about forty system calls a request. Its service (``ts/service.py``) copies, decodes and measures values that no
handler uses. Together they took more of a worker's time than a forecast does.

This module reads a message in a few system calls and takes its fields from memory. It decodes no header.
The requests are the same as those that TorchServe reads with ``decode_input_request=false``, which Shopcat's
configuration sets.
"""

import socket
import struct
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from handlers.batch import AnsweredBatch
from handlers.http import Request, Response
from handlers.torchserve.package_files import TORCHSERVE, changed_files
from runtime.errors import UserError

CHUNK = 1 << 16  # bytes

_INT = struct.Struct("!i")
_read_int = _INT.unpack_from
_int = _INT.pack


class UnknownTorchServeError(UserError):
    """TorchServe's files are not those that this module replaces parts of."""


# Header that tells Envoy not to retry: a request that failed on its own would fail again, with a traceback each time. A
# worker that dies cannot send it, and one that is broken does not, so Envoy retries their requests.
NO_RETRY = ("x-envoy-ratelimited", "true")

AnswerBatch = Callable[[Sequence[Request]], AnsweredBatch]


def patch_worker(answer: AnswerBatch, *, allow_unpatched: bool = False) -> None:
    """Make TorchServe's worker read and answer its messages with this module, if this process is one.

    Args:
        answer: function that answers a batch.
        allow_unpatched: do it even if TorchServe's files are unknown.

    Raises:
        UnknownTorchServeError: if TorchServe's files are unknown, so that requests could be misread.
    """
    protocol: Any = sys.modules.get("ts.protocol.otf_message_handler")
    service: Any = sys.modules.get("ts.service")
    if protocol is not None and service is not None:
        changed = changed_files(Path(service.__file__).parent)
        if changed and not allow_unpatched:
            names = ", ".join(changed)
            raise UnknownTorchServeError(
                f"{names} differ from TorchServe {TORCHSERVE}; install torchserve=={TORCHSERVE}"
            )
        # TorchServe reads one byte, the command. For "predict" it calls the first function, passes the result to the
        # second, and sends the bytes that this returns: none, because they have been sent. TorchServe's front end sends
        # no second message before it has the response to the first, so no buffer can hold a part of the next message.
        protocol._retrieve_inference_msg = read_batch
        service.Service.predict = lambda self, requests: reply(answer, requests, self.cl_socket)


def message(requests: Sequence[Request], responses: Sequence[Response]) -> bytes:
    """Return responses in the format of TorchServe's front end.

    The message begins with a status and a text for the whole batch. Each response is the request's id, content type,
    status, reason phrase, headers (their number, then name and value of each) and body. -1 ends the list.
    """
    parts = [_int(200), _string(b"Prediction success")]
    for request, response in zip(requests, responses, strict=True):
        content_type = _string(response.content_type.encode())
        headers = [_CONTENT_TYPE + content_type, *([_NO_RETRY] if response.is_final else ())]
        # Without a reason phrase: TorchServe announces its length in characters and sends bytes.
        parts += (_string(request.server_id), content_type, _int(response.status), _string(b""))
        parts += (_int(len(headers)), *headers, _int(len(response.body)), response.body)
    parts.append(_int(-1))
    return b"".join(parts)


def reply(answer: AnswerBatch, requests: Sequence[Request], connection: socket.socket) -> bytes:
    """Send the responses to a batch in one message, then finish the batch.

    An exception ends the worker, and so does a closed connection. Then the batch is not finished.

    Returns:
        No bytes, because TorchServe would send the returned bytes.
    """
    responses, finish = answer(requests)
    connection.sendall(message(requests, responses))
    finish()
    return b""


def read_batch(connection: socket.socket) -> list[Request]:
    """Return the requests of a message.

    A batch is a list of requests. A request is an id, a list of headers (name, value) and a list of inputs (name,
    content type, value). A string is its length and its bytes. A length of -1 ends a list.
    """
    requests: list[Request] = []
    data, start = _receive(connection, b"", _INT.size), 0
    while True:
        try:
            end = _read_request(data, start, requests)
        except _IncompleteError as error:
            data, start = _receive(connection, data[start:], error.end - start), 0
        else:
            if end is None:
                return requests
            start = end


def requests_from(data: Sequence[Mapping[str, Any]], context: Any) -> list[Request]:
    """Return the requests of a batch that TorchServe has read itself.

    TorchServe decodes bodies of text/plain. Among the headers, it has a mapping for each field of a form.
    """
    requests = []
    for index, inputs in enumerate(data):
        fields = {name: value.encode() if isinstance(value, str) else bytes(value) for name, value in inputs.items()}
        headers = [
            (name.encode(), value.encode())
            for name, value in context.get_all_request_header(index).items()
            if isinstance(value, str)
        ]
        explain = (_EXPLAIN, b"True") in headers
        server_id = (context.get_request_id(index) or "").encode()
        requests.append(Request(fields, headers, explain=explain, server_id=server_id))
    return requests


class _IncompleteError(Exception):
    """A request has not arrived completely; at least the bytes up to ``end`` are missing."""

    def __init__(self, end: int) -> None:
        super().__init__()
        self.end = end


def rehearse(answer: AnswerBatch, request: Request) -> Response:
    """Pass a request to a worker through a pair of sockets, as TorchServe's front end would; don't finish the batch."""
    sent = _string(b"rehearsal") + _int(-1)  # without headers
    sent += b"".join(_string(name.encode()) + _string(b"") + _string(value) for name, value in request.fields.items())
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"I" + sent + _int(-1) + _int(-1))  # I: TorchServe's command for a prediction
        protocol: Any = sys.modules.get("ts.protocol.otf_message_handler")
        if protocol is None or protocol._retrieve_inference_msg is not read_batch:  # not in a worker of TorchServe
            ours.recv(1)
            requests = read_batch(ours)
        else:
            _, requests = protocol.retrieve_msg(ours)
    (response,) = answer(requests).responses
    return response


def _read_request(data: bytes, at: int, requests: list[Request]) -> int | None:
    """Append the request that begins at an offset to a list.

    There is no function that reads a string: its calls would take most of the time.

    Returns:
        The offset of the request's end; None at the end of the list.
    """
    headers: list[tuple[bytes, bytes]] = []
    fields: dict[str, bytes] = {}
    explain = False
    try:
        (length,) = _read_int(data, at)
        if length < 0:
            return None
        server_id = data[at + 4 : (at := at + 4 + length)]
        while (length := _read_int(data, at)[0]) >= 0:
            name = data[at + 4 : (at := at + 4 + length)]
            (length,) = _read_int(data, at)
            value = data[at + 4 : (at := at + 4 + length)]
            headers.append((name, value))
            if name == _EXPLAIN:
                explain = value == b"True"
        at += 4
        while (length := _read_int(data, at)[0]) >= 0:
            name = data[at + 4 : (at := at + 4 + length)]
            (length,) = _read_int(data, at)
            at += 4 + length  # its content type, which the headers have too
            (length,) = _read_int(data, at)
            fields[name.decode()] = data[at + 4 : (at := at + 4 + length)]
    except struct.error:
        # Slicing an incomplete string raises nothing, but the length that follows every string is missing then.
        raise _IncompleteError(at + 4) from None
    requests.append(Request(fields, headers, explain=explain, server_id=server_id))
    return at + 4


def _receive(connection: socket.socket, data: bytes, size: int) -> bytes:
    """Return ``data`` and the bytes that follow it, at least ``size`` bytes in total."""
    parts, missing = [data], size - len(data)
    while missing > 0:
        received = connection.recv(max(CHUNK, missing))
        if not received:
            sys.exit(0)  # as TorchServe's reader does: the front end has ended
        parts.append(received)
        missing -= len(received)
    return b"".join(parts)


def _string(value: bytes) -> bytes:
    return _int(len(value)) + value


_EXPLAIN = b"explain"  # header that TorchServe sets for /explanations, and that the gateway removes from requests
_CONTENT_TYPE = _string(b"content-type")
_NO_RETRY = _string(NO_RETRY[0].encode()) + _string(NO_RETRY[1].encode())
