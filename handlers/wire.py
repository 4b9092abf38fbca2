"""TorchServe's messages to its worker, read in a few system calls instead of about forty a request.

TorchServe's own reader (``ts/protocol/otf_message_handler.py``) asks the socket for each length and each value of each
header. That was a quarter of the worker's time for a forecast. This reader takes what has arrived and picks the fields
out of memory. What it returns is the same as TorchServe's with ``decode_input_request=false``, which our configuration
has: bodies are left as they came.
"""

import socket
import struct
import sys
from typing import Any

MODULE = "ts.protocol.otf_message_handler"
CHUNK = 1 << 16  # bytes

_INT = struct.Struct("!i")


def read_in_one_go() -> None:
    """Let the worker that this process is, if it is one, read its messages with this module."""
    protocol: Any = sys.modules.get(MODULE)
    if protocol is not None:
        # TorchServe reads one byte, the command, and calls this for what follows if it is "predict". It sends a worker
        # no second message before it has the answer to the first, so nothing of the next one can be in the buffer.
        protocol._retrieve_inference_msg = read_requests


def read_requests(connection: socket.socket) -> list[dict[str, Any]]:
    """The requests of a batch.

    A batch is a list of requests, a request an id, a list of headers (name, value) and a list of inputs (name, content
    type, value). Each string is its length and its bytes; a length of -1 ends a list.
    """
    reader = _Reader(connection)
    requests = []
    while (request_id := reader.string()) is not None:
        headers = []
        while (name := reader.string()) is not None:
            headers.append({"name": name, "value": reader.string()})
        inputs = []
        while (name := reader.string()) is not None:
            content_type = (reader.string() or b"").decode()
            inputs.append({"name": name.decode(), "contentType": content_type, "value": reader.string()})
        requests.append({"requestId": request_id, "headers": headers, "parameters": inputs})
    return requests


class _Reader:
    """Strings of a message, from a socket that is read as seldom as can be."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection, self._data, self._at = connection, b"", 0

    def string(self) -> bytes | None:
        """The next string; nothing if a list ends here."""
        start = self._at + 4
        if start > len(self._data):
            self._receive(start)
        (length,) = _INT.unpack_from(self._data, self._at)
        if length < 0:
            self._at = start
            return None
        self._at = end = start + length
        if end > len(self._data):
            self._receive(end)
        return self._data[start:end]

    def _receive(self, size: int) -> None:
        """Read on until there are so many bytes of the message."""
        parts, missing = [self._data], size - len(self._data)
        while missing > 0:
            received = self._connection.recv(max(CHUNK, missing))
            if not received:
                sys.exit(0)  # as TorchServe's reader does: the front end is gone
            parts.append(received)
            missing -= len(received)
        self._data = b"".join(parts)
