"""A client for measurements that sends a request again until it is answered."""

import http.client
import random
import ssl
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.soak import Request
from serving.ports import HOST

PATIENCE_S = 60.0  # a client's time for one request, all attempts together
_RETRIED = (429, 503)


@dataclass
class Tally:
    """Outcomes of all clients' requests.

    Attributes:
        outcomes: number of requests by name and last status; a status of 0 means that there was no answer.
        attempts: number of attempts by their outcome: a status, or the name of an error.
        lock: held while a client adds its numbers.
    """

    outcomes: Counter[tuple[str, int]] = field(default_factory=Counter)
    attempts: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, name: str, status: int, attempts: Sequence[str]) -> None:
        """Add a request's last status and the outcomes of its attempts."""
        with self.lock:
            self.outcomes[name, status] += 1
            self.attempts.update(attempts)


class Client:
    """A client with one connection, which sends a request again until it is answered."""

    def __init__(self, port: int, certificate: Path, key: str, tally: Tally) -> None:
        """Prepare a client.

        Args:
            port: port of the service.
            certificate: file with the service's certificate, which is read at each new connection.
            key: API key.
            tally: receives the outcomes.
        """
        self._port, self._certificate, self._key, self._tally = port, certificate, key, tally
        self._connection: http.client.HTTPSConnection | None = None

    def ask(self, request: Request) -> int:
        """Send a request until it gets an answer other than a 429 or 503; return the last status, 0 without any."""
        until, wait, status, attempts = time.monotonic() + PATIENCE_S, 0.1, 0, list[str]()
        while True:
            try:
                connection = self._connection or self._connect()
                headers = {"Content-Type": request.content_type, "X-API-Key": self._key}
                with suppress(BrokenPipeError, ConnectionResetError, ssl.SSLError):  # a 413 comes before the body's end
                    connection.request("POST", request.path, request.body, headers)
                answer = connection.getresponse()
                answer.read()
                status, pause = answer.status, float(answer.headers.get("Retry-After", 0))
                attempts.append(str(status))
            except (OSError, http.client.HTTPException) as error:
                attempts.append(type(error).__name__)
                self.close()
                status, pause = 0, wait
                wait = min(2 * wait, 2.0)
            if (status and status not in _RETRIED) or time.monotonic() + pause > until:
                self._tally.add(request.name, status, attempts)
                return status
            time.sleep(pause * random.uniform(0.75, 1.25))

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._connection:
            self._connection.close()
            self._connection = None

    def _connect(self) -> http.client.HTTPSConnection:
        context = ssl.create_default_context(cafile=str(self._certificate))
        self._connection = http.client.HTTPSConnection(HOST, self._port, timeout=PATIENCE_S, context=context)
        return self._connection
