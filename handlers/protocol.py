"""TorchServe's wire protocol between front end and worker, read and written at a lower cost.

TorchServe's reader (``ts/protocol/otf_message_handler.py``) asks the socket for each length and each value of each
header, about forty system calls a request. Its service (``ts/service.py``) copies, decodes and measures values that no
handler uses. Together they took more of a worker's time than a forecast does.

This module reads a message in a few system calls and takes its fields from memory. It decodes headers only on request.
Handler and front end get the same values as from TorchServe with ``decode_input_request=false``, which Shopcat's
configuration sets.
"""

import socket
import struct
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from runtime.errors import UserError
from runtime.folder import sha256

CHUNK = 1 << 16  # bytes

_INT = struct.Struct("!i")
_read_int = _INT.unpack_from
_int = _INT.pack


TORCHSERVE = "0.12.0"  # version whose files have these hashes
_FILES = {
    "protocol/otf_message_handler.py": "83e82dc62b4a95a362efe4518786c6b389b895b85acaf37721aaff042ec9989a",
    "service.py": "f18259269551299d25f4e9d2bdc916c8308c10233501df08196cc7cfa2d0d291",
}


class UnknownTorchServeError(UserError):
    """TorchServe's files are not those that this module replaces parts of."""


def changed_files(package: Path) -> list[str]:
    """Return those of the replaced files that differ from TorchServe 0.12.0, or are missing, in its package."""
    return [
        name for name, digest in _FILES.items() if not (package / name).is_file() or sha256(package / name) != digest
    ]


def patch_worker(*, allow_unpatched: bool = False) -> None:
    """Make TorchServe's worker read and answer its messages with this module, if this process is one.

    Args:
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
        service.Service.predict = lambda self, batch: answer(batch, self._entry_point, self.cl_socket)


class Batch:
    """The requests of a message, and the status and headers of their responses; a handler's context.

    Attributes:
        ids: TorchServe's id of each request.
        fields: inputs of each request by name; only a ``body`` if there is no form or query string.
    """

    def __init__(self) -> None:
        self.ids: list[bytes] = []
        self.fields: list[dict[str, bytes]] = []
        self._headers: list[list[tuple[bytes, bytes]]] = []
        self._types: list[list[tuple[str, bytes]]] = []  # name and content type of each input
        self._statuses: dict[int, tuple[int, str]] = {}
        self._content_types: dict[int, str] = {}
        self._more_headers: dict[int, list[bytes]] = {}
        self._deferred: list[Callable[[], None]] = []

    def append(
        self, request_id: bytes, headers: list[tuple[bytes, bytes]], inputs: list[tuple[str, bytes, bytes]]
    ) -> None:
        """Add a request; an input is a tuple of name, content type and value."""
        self.ids.append(request_id)
        self.fields.append({name: value for name, _, value in inputs})
        self._headers.append(headers)
        self._types.append([(name, content_type) for name, content_type, _ in inputs])

    def get_request_id(self, idx: int = 0) -> str:
        """Return TorchServe's id of a request."""
        return self.ids[idx].decode()

    def get_request_header(self, idx: int, key: str) -> str | None:
        """Return a header of a request, by its name as the client spelt it."""
        encoded_key = key.encode()
        for name, value in self._headers[idx]:  # a generator takes twice as long
            if name == encoded_key:
                return value.decode()
        return None

    def get_request_headers(self, *keys: str) -> list[Sequence[bytes | None]]:
        """Return the values of some headers in each request, as bytes; None where one is missing.

        Only for headers that the gateway adds to every request: if the first request lacks one, no request has it.
        """
        first = [name for headers in self._headers[:1] for name, _ in headers]
        found: list[Sequence[bytes | None]] = []
        for key in keys:
            encoded_key = key.encode()
            if encoded_key not in first:
                found.append([None] * len(self._headers))
                continue
            index = first.index(encoded_key)
            found.append(
                [
                    headers[index][1]
                    if index < len(headers) and headers[index][0] == encoded_key
                    else dict(headers).get(encoded_key)
                    for headers in self._headers
                ]
            )
        return found

    def get_all_request_header(self, idx: int) -> Mapping[str, Any]:
        """Return the headers of a request, and under the name of each input a mapping with its content type."""
        types = {name: {"content-type": content_type.decode()} for name, content_type in self._types[idx]}
        return {**types, **{name.decode(): value.decode() for name, value in self._headers[idx]}}

    def status(self, idx: int) -> int:
        """Return the HTTP status of a response, as set so far."""
        return self._statuses.get(idx, (200, ""))[0]

    def set_response_status(self, code: int = 200, phrase: str = "", idx: int = 0) -> None:
        """Set the HTTP status of a response; the default is 200."""
        self._statuses[idx] = code, phrase

    def set_response_content_type(self, idx: int, value: str) -> None:
        """Set the content type of a response."""
        self._content_types[idx] = value

    def set_response_header(self, idx: int, key: str, value: str) -> None:
        """Set a header of a response, other than its content type."""
        self._more_headers.setdefault(idx, []).append(_string(key.encode()) + _string(value.encode()))

    def defer(self, call: Callable[[], None]) -> None:
        """Call a function after the responses have been sent, so that no client waits for it."""
        self._deferred.append(call)

    def run_deferred(self) -> None:
        """Make the deferred calls, once and in order."""
        while self._deferred:
            self._deferred.pop(0)()

    def message(self, bodies: Sequence[bytes]) -> bytes:
        """Return the responses in the format of TorchServe's front end.

        The message begins with a status and a text for the whole batch. Each response is the request's id, content
        type, status, reason phrase, headers (their number, then name and value of each) and body. -1 ends the list.
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
    """Send a handler's responses to a batch in one message, then make the deferred calls.

    An exception of the handler ends the worker, and so does a closed connection. Then the deferred calls are not made.

    Returns:
        No bytes, because TorchServe would send the returned bytes.
    """
    connection.sendall(batch.message(handle(batch.fields, batch)))
    batch.run_deferred()
    return b""


def read_batch(connection: socket.socket) -> Batch:
    """Return the requests of a message.

    A batch is a list of requests. A request is an id, a list of headers (name, value) and a list of inputs (name,
    content type, value). A string is its length and its bytes. A length of -1 ends a list.
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
    """A request has not arrived completely; at least the bytes up to ``end`` are missing."""

    def __init__(self, end: int) -> None:
        super().__init__()
        self.end = end


def rehearse(
    handle: Callable[[Sequence[Mapping[str, Any]], Any], Sequence[bytes]], fields: Mapping[str, bytes]
) -> tuple[int, bytes]:
    """Send a request through a pair of sockets to a handler, as TorchServe's front end would, without deferred calls.

    Returns:
        Status and body of the response.
    """
    request = _string(b"rehearsal") + _int(-1)  # without headers
    request += b"".join(_string(name.encode()) + _string(b"") + _string(value) for name, value in fields.items())
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"I" + request + _int(-1) + _int(-1))  # I: TorchServe's command for a prediction
        protocol: Any = sys.modules.get("ts.protocol.otf_message_handler")
        if protocol is None or protocol._retrieve_inference_msg is not read_batch:  # not in a worker of TorchServe
            ours.recv(1)
            batch = read_batch(ours)
        else:
            _, batch = protocol.retrieve_msg(ours)
    (body,) = handle(batch.fields, batch)
    return batch.status(0), body


def _read_request(data: bytes, at: int, batch: Batch) -> int | None:
    """Add the request that begins at an offset to the batch.

    There is no function that reads a string: its calls would take most of the time.

    Returns:
        The offset of the request's end; None at the end of the list.
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
        # Slicing an incomplete string raises nothing, but the length that follows every string is missing then.
        raise _IncompleteError(at + 4) from None
    batch.append(request_id, headers, inputs)
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
