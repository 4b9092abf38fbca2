"""HTTP within this machine: over a Unix socket, for the owner of its folder alone, or a port of loopback."""

import http.client
import socket
from pathlib import Path

from serving.ports import HOST

Address = Path | int  # a Unix socket, of 107 bytes at most, or a port


def ask(
    at: Address,
    target: str,
    *,
    method: str = "GET",
    body: bytes | None = None,
    content_type: str = "application/json",
    timeout: float = 5.0,
) -> bytes:
    """What is answered at an address.

    Args:
        at: the address.
        target: what is asked for, as in ``/metrics``.
        method: GET, or another.
        body: that is sent, if any.
        content_type: the body's.
        timeout: seconds to wait for each part of the answer.

    Raises:
        OSError: if nobody answers, or with another status than 200.
    """
    connection = http.client.HTTPConnection(HOST, at, timeout=timeout) if isinstance(at, int) else _Unix(at, timeout)
    try:
        connection.request(method, target, body, {"Content-Type": content_type} if body is not None else {})
        response = connection.getresponse()
        content = response.read()
    except http.client.HTTPException as error:
        raise OSError(f"{at} answers {target} with what is not HTTP: {error!r}") from error
    finally:
        connection.close()
    if response.status != http.HTTPStatus.OK:
        raise OSError(f"{at} answers {target} with the status {response.status}")
    return content


class _Unix(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = str(path)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)
