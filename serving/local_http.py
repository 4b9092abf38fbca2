"""HTTP requests within this machine, to a Unix socket or to a loopback port."""

import http.client
import socket
from pathlib import Path

from serving.ports import HOST

Address = Path | int  # path of a Unix socket, at most 107 bytes, or number of a port


def ask(
    address: Address,
    target: str,
    *,
    method: str = "GET",
    body: bytes | None = None,
    content_type: str = "application/json",
    timeout: float = 5.0,
    host: str = HOST,
) -> bytes:
    """Send a request and return the body of its response.

    Args:
        address: socket or port of the server.
        target: path and query of the request, such as ``/metrics``.
        method: method of the request.
        body: body of the request.
        content_type: media type of the body.
        timeout: seconds to wait for each part of the response.
        host: IP address of the port.

    Raises:
        OSError: if there is no response, or one with another status than 200.
    """
    connection = (
        http.client.HTTPConnection(host, address, timeout=timeout)
        if isinstance(address, int)
        else _UnixConnection(address, timeout)
    )
    try:
        connection.request(method, target, body, {"Content-Type": content_type} if body is not None else {})
        response = connection.getresponse()
        content = response.read()
    except http.client.HTTPException as error:
        raise OSError(f"the response of {address} to {target} is not HTTP: {error!r}") from error
    finally:
        connection.close()
    if response.status != http.HTTPStatus.OK:
        raise OSError(f"{address} answers {target} with the status {response.status}")
    return content


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = str(path)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)
