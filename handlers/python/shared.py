"""State that all connections of a worker share."""

import os
import time
from collections import Counter
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Protocol

from handlers.python.batcher import Batcher
from handlers.python.incoming import Addresses


class OpenConnection(Protocol):
    """Part of a connection that the worker uses."""

    def close_if_stale(self, now: float) -> None:
        """Close the connection if nothing has happened for too long, at a monotonic time."""
        ...

    def close_if_idle(self) -> None:
        """Close the connection if no request is in progress or arriving."""
        ...

    def abort(self) -> None:
        """Close the connection without sending the rest of a response."""
        ...


@dataclass
class Shared:
    """State that all connections of a worker share.

    Attributes:
        addresses: addresses of the worker.
        batcher: takes the requests.
        connections: open connections.
        accepted: number of connections that were ever accepted.
        arriving: bytes of the bodies of all requests that are not answered yet.
        refusals: requests that were refused since the last `take_refusals`, by kind of problem.
        is_draining: True once the worker takes no more connections.
        pid: PID of the worker, for the ids of requests.
        date: time of responses, to the second.
    """

    addresses: Addresses
    batcher: Batcher
    connections: set[OpenConnection] = field(default_factory=set)
    accepted: int = 0
    arriving: int = 0
    refusals: Counter[str] = field(default_factory=Counter)
    is_draining: bool = False
    pid: bytes = field(default_factory=lambda: b"%x" % os.getpid())
    date: bytes = field(default_factory=lambda: formatdate(usegmt=True).encode())

    def close_stale(self) -> None:
        """Set the date, and close the connections of clients that neither send nor read; to be called each second."""
        self.date = formatdate(usegmt=True).encode()
        now = time.monotonic()
        for connection in list(self.connections):
            connection.close_if_stale(now)

    def take_refusals(self) -> Counter[str]:
        """Return the refusals since the last call."""
        taken, self.refusals = self.refusals, Counter()
        return taken
