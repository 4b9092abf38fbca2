"""People who label over the API of a running service, each with a key."""

import hashlib
import http.client
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from serving.ports import HOST

KEYS = {"ann": "the-key-of-ann-who-labels", "bob": "the-key-of-bob-who-labels", "eve": "the-key-of-eve-who-may-not"}
ROLES = {"ann": "predict,label", "bob": "label", "eve": "predict,review"}
SECONDS = 300


def write_keys(file: Path) -> Path:
    """Write the keys of all people as `shopcat serve --api-keys` reads them."""
    file.write_text("".join(f"{name}: {key} roles={ROLES[name]}\n" for name, key in KEYS.items()))
    return file


@dataclass(frozen=True)
class Reply:
    """Answer of the service; its content is None unless it is JSON."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def content(self) -> Any:
        return json.loads(self.body) if "json" in self.headers.get("content-type", "") else None

    @property
    def problem(self) -> tuple[int, str]:
        """Status and kind of a problem."""
        return self.status, self.content["type"].rpartition(":")[2]


class NoReplyError(Exception):
    """The service gave no answer: a write may have happened or not."""


@dataclass
class Person:
    """A person with a key, who looks at one project at most.

    Attributes:
        port: port of the service.
        name: name of the person.
        seen: current labels by photo, as the stream says.
        last_event: id of the last event of the stream.
    """

    port: int
    name: str
    seen: dict[str, int | None] = field(default_factory=dict)
    last_event: int = 0
    _stopped: threading.Event = field(default_factory=threading.Event)

    def ask(self, method: str, path: str, body: bytes | dict[str, Any] | None = None) -> Reply:
        """Send a request on a new connection.

        Raises:
            NoReplyError: if no complete answer came, or the gateway answers that there is no console.
        """
        sent = json.dumps(body).encode() if isinstance(body, dict) else body
        kind = "application/octet-stream" if isinstance(body, bytes) else "application/json"
        headers = {"X-API-Key": KEYS[self.name], "Content-Type": kind}
        connection = http.client.HTTPConnection(HOST, self.port, timeout=SECONDS)
        try:
            connection.request(method, path, sent, headers)
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise NoReplyError(f"{method} {path}") from error
        finally:
            connection.close()
        found = Reply(answer.status, {name.lower(): value for name, value in answer.headers.items()}, content)
        if found.status in (502, 503) and b"starting" not in content:
            raise NoReplyError(f"{method} {path}: {content!r}")
        return found

    def get(self, path: str) -> Any:
        """Return the JSON of an address, once the service answers."""
        until = time.monotonic() + SECONDS
        while True:
            with suppress(NoReplyError):
                answer = self.ask("GET", path)
                assert answer.status == 200, answer
                return answer.content
            assert time.monotonic() < until, path
            time.sleep(0.05)

    def create(self, name: str) -> str:
        """Create a project; return its address."""
        answer = self.ask("POST", "/labels", {"name": name})
        assert answer.status == 201, answer
        return f"/labels/{answer.content['id']}"

    def put(self, project: str, content: bytes, name: str) -> Reply:
        """Upload a photo by its hash."""
        sha256 = hashlib.sha256(content).hexdigest()
        return self.ask("PUT", f"{project}/photos/{sha256}?name={quote(name, safe='')}", content)

    def history(self, project: str) -> list[dict[str, Any]]:
        """Return all events of a project, page by page."""
        found: list[dict[str, Any]] = []
        while page := self.get(f"{project}/events?after={found[-1]['id'] if found else 0}")["events"]:
            found += page
        return found

    def is_embedded(self, project: str) -> bool:
        """Return True if all photos are embedded or broken."""
        progress = self.get(project)["progress"]
        return bool(progress["finished"] and not progress["running"])

    @contextmanager
    def looking(self, project: str) -> Iterator[Self]:
        """Follow the stream of a project in a thread, and connect again when it ends, as a browser does."""
        self.seen, self.last_event, self._stopped = {}, 0, threading.Event()
        follower = threading.Thread(target=self._follow, args=(project,))
        follower.start()
        try:
            yield self
        finally:
            self._stopped.set()
            follower.join()

    def _follow(self, project: str) -> None:
        while not self._stopped.is_set():
            connection = http.client.HTTPConnection(HOST, self.port, timeout=2)
            with suppress(OSError, http.client.HTTPException):
                headers = {"X-API-Key": KEYS[self.name], "Last-Event-ID": str(self.last_event)}
                connection.request("GET", f"{project}/stream", headers=headers)
                answer = connection.getresponse()
                if answer.status == 200:
                    self._read(answer)
            connection.close()
            self._stopped.wait(0.1)

    def _read(self, answer: http.client.HTTPResponse) -> None:
        event: dict[str, str] = {}
        while not self._stopped.is_set() and (line := answer.readline().decode()):
            name, _, value = line.rstrip("\n").partition(": ")
            if name:
                event[name] = value
                continue
            if event.get("event") == "labels":
                self.seen |= json.loads(event["data"])["labels"]
            if "id" in event:
                self.last_event = int(event["id"])
            event = {}
