"""HTTP server with a limited number of connections, each in a thread."""

import contextlib
import logging
import socket
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

logger = logging.getLogger(__name__)

MAX_CONNECTIONS = 32
_REJECTED = (
    b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\n"
    b"Content-Type: text/plain\r\nContent-Length: 21\r\n\r\ntoo many connections\n"
)


class BoundedServer(ThreadingHTTPServer):
    """Server that closes connections without a request when it has too many.

    A new connection beyond `MAX_CONNECTIONS` takes the place of the connection that has waited longest for a request.
    If every connection has one, the new connection gets a 503. So neither idle connections nor slow clients keep
    probes away or take threads without limit.
    """

    request_queue_size = 128  # connections to accept; Python's default of 5 is too small for simultaneous probes
    daemon_threads = True

    def __init__(self, held: socket.socket, handler: type[BaseHTTPRequestHandler]) -> None:
        """Listen on a bound socket, which the server closes at its end."""
        self.address_family = held.family
        super().__init__(held.getsockname()[:2], handler, bind_and_activate=False)
        self.socket.close()
        self.socket = held
        self._lock = threading.Lock()
        self._waiting: dict[socket.socket, None] = {}  # without a request, in the order since when
        self._busy: set[socket.socket] = set()
        self.server_activate()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a new connection in a thread, or reject it."""
        with self._lock:
            if len(self._waiting) + len(self._busy) >= MAX_CONNECTIONS and not self._close_oldest():
                with contextlib.suppress(OSError):
                    request.settimeout(0)
                    request.sendall(_REJECTED)
                self.shutdown_request(request)
                return
            self._waiting[request] = None
        super().process_request(request, client_address)

    def _close_oldest(self) -> bool:
        """Close the connection that has waited longest for a request; return False if there is none."""
        if not self._waiting:
            return False
        oldest = next(iter(self._waiting))
        del self._waiting[oldest]
        with contextlib.suppress(OSError):  # its client may have closed it
            oldest.shutdown(socket.SHUT_RDWR)  # its thread reads the end of the connection, and ends
        return True

    @contextlib.contextmanager
    def answering(self, connection: socket.socket) -> Iterator[None]:
        """Keep a connection open until the block ends, which answers a request."""
        with self._lock:
            self._waiting.pop(connection, None)
            self._busy.add(connection)
        try:
            yield
        finally:
            with self._lock:
                self._busy.discard(connection)
                self._waiting[connection] = None

    def close_request(self, request: Any) -> None:
        """Close a connection."""
        self._waiting.pop(request, None)  # atomic, hence without the lock, which process_request may hold
        super().close_request(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """Log an error of a connection. A client that closes its connection, or is too slow, is no error."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            logger.exception("the connection of %s failed", client_address)
