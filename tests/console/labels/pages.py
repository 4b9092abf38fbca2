"""People with a page: clients of a console behind a real server, and pages that read the stream."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPResponse, IncompleteRead
from typing import Any

import httpx

from console.settings import Settings
from tests.console.labels.conftest import HERE, wait_for


@contextmanager
def person(settings: Settings, name: str) -> Iterator[httpx.Client]:
    headers = {"x-shopcat-client": name, "x-shopcat-roles": "label"}
    transport = httpx.HTTPTransport(uds=str(settings.socket))
    with httpx.Client(transport=transport, base_url=HERE, headers=headers, timeout=60) as client:
        yield client


class Page:
    """A page that reads the stream in a thread, as a browser does."""

    def __init__(self, settings: Settings, name: str, **headers: str) -> None:
        self.events: list[tuple[str, str | None, Any]] = []
        self.comments = 0
        self.ended = threading.Event()
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(settings.socket))
        sent = {"host": "127.0.0.1:8080", "x-shopcat-client": name, "x-shopcat-roles": "label", **headers}
        lines = ["GET /labels/cats/stream HTTP/1.1", *(f"{key}: {value}" for key, value in sent.items()), "", ""]
        self._socket.sendall("\r\n".join(lines).encode())
        self._thread = threading.Thread(target=self._read)
        self._thread.start()
        wait_for(lambda: self.of("people"))

    def _read(self) -> None:
        response = HTTPResponse(self._socket)
        response.begin()
        assert response.headers["content-type"].startswith("text/event-stream")
        fields: dict[str, str] = {}
        with suppress(IncompleteRead, OSError):
            for content in response:
                line = content.decode().rstrip("\n")
                name, _, value = line.partition(": ")
                if line.startswith(":"):
                    self.comments += 1
                elif line:
                    fields[name] = value
                else:
                    if "event" in fields:
                        self.events.append((fields["event"], fields.get("id"), json.loads(fields["data"])))
                    fields = {}
        self.ended.set()

    def close(self) -> None:
        """Hang up."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(30)
        self._socket.close()

    def of(self, kind: str) -> list[Any]:
        """Return the content of all events of a kind."""
        return [data for name, _, data in list(self.events) if name == kind]

    @property
    def last_id(self) -> str:
        return [number for _, number, _ in self.events if number is not None][-1]


@contextmanager
def page(settings: Settings, name: str, **headers: str) -> Iterator[Page]:
    opened = Page(settings, name, **headers)
    try:
        yield opened
    finally:
        opened.close()


def give(client: httpx.Client, photos: list[str], label: int | None) -> Any:
    answer = client.post("/labels/cats/events", json={"photos": photos, "label": label, "how": "click"})
    assert answer.status_code == 200, answer.text
    return answer.json()
