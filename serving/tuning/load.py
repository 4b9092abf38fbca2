"""Closed-loop HTTP load: each connection sends its next request once the previous answer has arrived.

One process with keep-alive sockets and no HTTP library takes about 15 microseconds a request, so that it leaves a small
machine to the server.
"""

import heapq
import itertools
import math
import re
import selectors
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from runtime.errors import UserError

_REJECTED = 503


class LoadError(UserError):
    """A server answered something else than was expected, so that its figures would mean nothing."""


@dataclass(frozen=True)
class Load:
    """Figures of one run of the generator.

    Attributes:
        requests: number of requests answered.
        rate: requests answered a second.
        p50: median latency of the answers, milliseconds.
        p99: 99th percentile of the latency, milliseconds.
        rejected: number of requests rejected with a 503.
    """

    requests: int
    rate: float
    p50: float
    p99: float
    rejected: int = 0


class _Connection:
    """One keep-alive connection, with the bytes received of the current answer and the time of its request."""

    def __init__(self, host: str, port: int) -> None:
        self.socket = socket.create_connection((host, port), timeout=60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = b""
        self.head = b""
        self.sent_at = 0.0

    def send(self, request: bytes) -> None:
        self.received = self.head = b""
        self.sent_at = time.perf_counter()
        self.socket.sendall(request)

    def receive(self) -> bool:
        """Read from the socket; return True once the answer is complete."""
        chunk = self.socket.recv(1 << 18)
        if not chunk:
            raise LoadError("the server closed the connection")
        self.received += chunk
        head_end = self.received.find(b"\r\n\r\n")
        if head_end < 0:
            return False
        self.head = self.received[:head_end]
        length = self.header(b"content-length")
        if length is None:
            raise LoadError("an answer without Content-Length")
        return len(self.received) >= head_end + 4 + length

    @property
    def status(self) -> int:
        """Status of the answer."""
        return int(self.head.split(b" ", 2)[1])

    def header(self, name: bytes) -> int | None:
        """Return the number in a header of the answer."""
        found = re.search(rb"(?i)\r\n%s: *(\d+)" % name, self.head)
        return int(found[1]) if found else None


def measure_load(
    url: str,
    bodies: Sequence[bytes],
    headers: Mapping[str, str],
    connections: int,
    seconds: float,
    rejections: bool = False,
) -> Load:
    """POST bodies in turn over keep-alive connections, and return their figures.

    Args:
        url: address of the requests.
        bodies: their bodies.
        headers: their headers.
        connections: number of connections.
        seconds: time after which nothing more is sent.
        rejections: count answers with a 503 as rejected, and connect again after the time in Retry-After.

    Raises:
        LoadError: if an answer is neither a 200 nor a rejection that counts, or a connection breaks.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "127.0.0.1", parts.port or 80
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = f"POST {target} HTTP/1.1\r\nHost: {parts.netloc}\r\n{fields}"
    requests = itertools.cycle([head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body for body in bodies])
    opened: dict[int, _Connection] = {}  # by descriptor
    latencies: list[float] = []
    resting: list[float] = []  # heap of the times at which rejected clients send again
    rejected = 0
    with selectors.DefaultSelector() as poll:

        def add() -> _Connection:
            connection = _Connection(host, port)
            opened[connection.socket.fileno()] = connection
            poll.register(connection.socket, selectors.EVENT_READ)
            return connection

        for _ in range(connections):
            add()
        start = time.perf_counter()
        until = start + seconds
        for connection in opened.values():
            connection.send(next(requests))
        waiting = connections  # connections whose request has no answer yet
        while waiting or resting:
            rest_s = resting[0] - time.perf_counter() if resting else None
            for key, _ in poll.select(None if rest_s is None else max(rest_s, 0)):
                connection = opened[key.fd]
                if not connection.receive():
                    continue
                now = time.perf_counter()
                waiting -= 1
                if connection.status == _REJECTED and rejections:
                    rejected += 1
                    at = now + (connection.header(b"retry-after") or 0)
                    # Envoy closes the connection of a request whose body it has not read.
                    poll.unregister(connection.socket)
                    opened.pop(key.fd).socket.close()
                    if at < until:
                        heapq.heappush(resting, at)
                    continue
                if connection.status != 200:
                    raise LoadError(f"the server answered {connection.received[:500].decode(errors='replace')}")
                latencies.append(now - connection.sent_at)
                # After the time is up nothing more is sent, and the loop waits for the last answers: closing a
                # connection before its answer would be an error in the server's log.
                if now < until:
                    connection.send(next(requests))
                    waiting += 1
            while resting and resting[0] <= time.perf_counter():
                heapq.heappop(resting)
                add().send(next(requests))
                waiting += 1
        elapsed = time.perf_counter() - start
    for connection in opened.values():
        connection.socket.close()
    if not latencies:
        raise LoadError(f"the server rejected all {rejected:,} requests")
    latencies.sort()
    p50, p99 = (1e3 * _percentile(latencies, percent) for percent in (50, 99))
    return Load(len(latencies), len(latencies) / elapsed, p50, p99, rejected)


def _percentile(ordered: list[float], percent: float) -> float:
    return ordered[min(len(ordered) - 1, math.ceil(len(ordered) * percent / 100) - 1)]
