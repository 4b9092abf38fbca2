"""HTTP over Unix sockets: how the parts of a server are managed, by nobody but the owner of the sockets' folder."""

import http.client
import socket
from pathlib import Path


def ask(path: Path, target: str, *, method: str = "GET", timeout: float = 5.0) -> bytes:
    """What is answered at a Unix socket.

    Args:
        path: the socket, of 107 bytes at most.
        target: what is asked for, as in ``/metrics``.
        method: GET, or another.
        timeout: seconds to wait for each part of the answer.

    Raises:
        OSError: if nobody answers, or with another status than 200.
    """
    connection = _UnixConnection(path, timeout)
    try:
        connection.request(method, target)
        response = connection.getresponse()
        content = response.read()
    except http.client.HTTPException as error:
        raise OSError(f"{path} answers {target} with what is not HTTP: {error!r}") from error
    finally:
        connection.close()
    if response.status != http.HTTPStatus.OK:
        raise OSError(f"{path} answers {target} with the status {response.status}")
    return content


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = str(path)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)
