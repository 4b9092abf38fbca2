"""TorchServe's messages to its worker and back, without what TorchServe's own worker spends on them.

TorchServe's reader (``ts/protocol/otf_message_handler.py``) asks the socket for each length and each value of each
header, about forty system calls a request, and its service (``ts/service.py``) copies, decodes and measures what nobody
looks at. Together they took more of a worker's time than a forecast does. Here a message is read in a few system calls
and its fields are picked out of memory; headers are decoded if a handler asks for them. What a handler gets, and what
the front end gets, is the same as from TorchServe with ``decode_input_request=false``, which our configuration has.
"""

import socket
import struct
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

CHUNK = 1 << 16  # bytes

_INT = struct.Struct("!i")
_read_int = _INT.unpack_from
_int = _INT.pack


def take_over() -> None:
    """Let the worker that this process is, if it is one, read and answer its messages with this module."""
    protocol: Any = sys.modules.get("ts.protocol.otf_message_handler")
    service: Any = sys.modules.get("ts.service")
    if protocol is not None and service is not None:
        # TorchServe reads one byte, the command, calls the first for what follows if it is "predict", gives what that
        # returns to the second, and sends the bytes that this returns: none, they were sent. Its front end sends a
        # worker no second message before it has the answer to the first, so nothing of the next one can be in a buffer.
        protocol._retrieve_inference_msg = read_batch
        service.Service.predict = lambda self, batch: answer(batch, self._entry_point, self.cl_socket)


class Batch:
    """The requests of a message, and what else than a body they are answered with: a handler's context.

    Attributes:
        ids: TorchServe's name of each request.
        fields: the inputs of each request by name; a request without a form or a query has a ``body`` alone.
    """

    def __init__(self) -> None:
        self.ids: list[bytes] = []
        self.fields: list[dict[str, bytes]] = []
        self._headers: list[list[tuple[bytes, bytes]]] = []
        self._types: list[list[tuple[str, bytes]]] = []  # of each input
        self._statuses: dict[int, tuple[int, str]] = {}
        self._content_types: dict[int, str] = {}
        self._more_headers: dict[int, list[bytes]] = {}
        self._left: list[Callable[[], None]] = []

    def append(
        self, request_id: bytes, headers: list[tuple[bytes, bytes]], inputs: list[tuple[str, bytes, bytes]]
    ) -> None:
        """Add a request; an input is its name, content type and value."""
        self.ids.append(request_id)
        self.fields.append({name: value for name, _, value in inputs})
        self._headers.append(headers)
        self._types.append([(name, content_type) for name, content_type, _ in inputs])

    def get_request_id(self, idx: int = 0) -> str:
        """TorchServe's name of a request."""
        return self.ids[idx].decode()

    def get_request_header(self, idx: int, key: str) -> str | None:
        """A header of a request, by its name as the client spelt it."""
        wanted = key.encode()
        for name, value in self._headers[idx]:  # a generator would take twice as long, for each request
            if name == wanted:
                return value.decode()
        return None

    def get_request_headers(self, key: str) -> list[bytes | None]:
        """A header of each request, as it came: what a front door writes to all, and so nothing if the first has none.

        It is mostly at the same place in all of them, which is where it is looked for first.
        """
        wanted = key.encode()
        first = [name for headers in self._headers[:1] for name, _ in headers]
        if wanted not in first:
            return [None] * len(self._headers)
        place = first.index(wanted)
        return [
            headers[place][1] if place < len(headers) and headers[place][0] == wanted else dict(headers).get(wanted)
            for headers in self._headers
        ]

    def get_all_request_header(self, idx: int) -> Mapping[str, Any]:
        """The headers of a request, and by the name of each input a mapping with its content type."""
        types = {name: {"content-type": content_type.decode()} for name, content_type in self._types[idx]}
        return {**types, **{name.decode(): value.decode() for name, value in self._headers[idx]}}

    def status(self, idx: int) -> int:
        """The HTTP status of an answer, as far as it is known."""
        return self._statuses.get(idx, (200, ""))[0]

    def set_response_status(self, code: int = 200, phrase: str = "", idx: int = 0) -> None:
        """Set the HTTP status of an answer, which is 200 otherwise."""
        self._statuses[idx] = code, phrase

    def set_response_content_type(self, idx: int, value: str) -> None:
        """Set the content type of an answer."""
        self._content_types[idx] = value

    def set_response_header(self, idx: int, key: str, value: str) -> None:
        """Set another header of an answer."""
        self._more_headers.setdefault(idx, []).append(_string(key.encode()) + _string(value.encode()))

    def after(self, work: Callable[[], None]) -> None:
        """Leave something for when the answers are sent, which no client needs to wait for."""
        self._left.append(work)

    def finish(self) -> None:
        """Do what was left."""
        while self._left:
            self._left.pop(0)()

    def message(self, bodies: Sequence[bytes]) -> bytes:
        """The answers as TorchServe's front end takes them.

        After a status and a word for the whole, each answer is its request's id, content type, status, reason phrase,
        headers (their number, then name and value of each) and body. -1 ends the list.
        """
        parts = [_int(200), _string(b"Prediction success")]
        for idx, (request_id, body) in enumerate(zip(self.ids, bodies, strict=True)):
            status, phrase = self._statuses.get(idx, (200, ""))
            content_type = _string(self._content_types.get(idx, "").encode())
            headers = [_string(b"content-type") + content_type] if idx in self._content_types else []
            headers += self._more_headers.get(idx, ())
            parts += (_string(request_id), content_type, _int(status), _string(phrase.encode()))
            parts += (_int(len(headers)), *headers, _int(len(body)), body)
        parts.append(_int(-1))
        return b"".join(parts)


def answer(
    batch: Batch, handle: Callable[[Sequence[Mapping[str, Any]], Any], Sequence[bytes]], connection: socket.socket
) -> bytes:
    """Send a handler's answers to a batch, as one message, and do what is left.

    A handler that raises ends the worker, and so does a front end that is gone: then nothing that is left is done.

    Returns:
        What is still to be sent: nothing.
    """
    connection.sendall(batch.message(handle(batch.fields, batch)))
    batch.finish()
    return b""


def read_batch(connection: socket.socket) -> Batch:
    """The requests of a message.

    A batch is a list of requests, a request an id, a list of headers (name, value) and a list of inputs (name, content
    type, value). Each string is its length and its bytes; a length of -1 ends a list.
    """
    batch = Batch()
    data, start = _receive(connection, b"", _INT.size), 0
    while True:
        try:
            end = _read_request(data, start, batch)
        except _IncompleteError as error:
            data, start = _receive(connection, data[start:], error.end - start), 0
        else:
            if end is None:
                return batch
            start = end


class _IncompleteError(Exception):
    """A request of which some is still to come: at least the bytes up to ``end``."""

    def __init__(self, end: int) -> None:
        super().__init__()
        self.end = end


def _read_request(data: bytes, at: int, batch: Batch) -> int | None:
    """Add the request that begins at a place to the batch.

    Written without a function for a string, which would take most of the time.

    Returns:
        Where it ends; nothing if there is none, but the end of the list.
    """
    headers: list[tuple[bytes, bytes]] = []
    inputs: list[tuple[str, bytes, bytes]] = []
    try:
        (length,) = _read_int(data, at)
        if length < 0:
            return None
        request_id = data[at + 4 : (at := at + 4 + length)]
        while (length := _read_int(data, at)[0]) >= 0:
            name = data[at + 4 : (at := at + 4 + length)]
            (length,) = _read_int(data, at)
            headers.append((name, data[at + 4 : (at := at + 4 + length)]))
        at += 4
        while (length := _read_int(data, at)[0]) >= 0:
            name = data[at + 4 : (at := at + 4 + length)]
            (length,) = _read_int(data, at)
            content_type = data[at + 4 : (at := at + 4 + length)]
            (length,) = _read_int(data, at)
            inputs.append((name.decode(), content_type, data[at + 4 : (at := at + 4 + length)]))
    except struct.error:
        # A string that is cut off is no error by itself, but a length always follows it, which is then missing.
        raise _IncompleteError(at + 4) from None
    batch.append(request_id, headers, inputs)
    return at + 4


def _receive(connection: socket.socket, data: bytes, size: int) -> bytes:
    """``data`` and what follows it, at least ``size`` bytes in all."""
    parts, missing = [data], size - len(data)
    while missing > 0:
        received = connection.recv(max(CHUNK, missing))
        if not received:
            sys.exit(0)  # as TorchServe's reader does: the front end is gone
        parts.append(received)
        missing -= len(received)
    return b"".join(parts)


def _string(value: bytes) -> bytes:
    return _int(len(value)) + value
