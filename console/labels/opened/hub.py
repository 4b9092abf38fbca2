"""Hub of a project: everyone who looks at it has a stream, and gets the events that are published."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

_RETURN_S = 3.0  # time to connect again, for which somebody counts as there; why: each stream ends after a while
_WAITING = 1000  # events of a stream that nobody reads; then it ends, and the page opens it again


class StreamEvent(NamedTuple):
    """An event of a stream.

    Attributes:
        kind: name of the event.
        data: JSON.
        id: number of the last event of the project for which this is the news; None if the event has none.
    """

    kind: str
    data: str
    id: int | None = None

    @classmethod
    def of(cls, kind: str, data: Mapping[str, Any], last_event: int | None = None) -> "StreamEvent":
        """Return an event with content that JSON can write; labels know the last event."""
        number = data.get("last_event") if last_event is None else last_event
        return cls(kind, json.dumps(data, separators=(",", ":")), number)

    def encode(self) -> bytes:
        """Return the event as ``text/event-stream`` has it."""
        number = "" if self.id is None else f"id: {self.id}\n"
        return f"{number}event: {self.kind}\ndata: {self.data}\n\n".encode()


class Stream:
    """Events for one page."""

    def __init__(self, who: str) -> None:
        self.who = who
        self._events: asyncio.Queue[StreamEvent | None] = asyncio.Queue()

    def put(self, event: StreamEvent | None) -> None:
        """Append an event; None ends the stream."""
        if event is None or self._events.qsize() < _WAITING:
            self._events.put_nowait(event)
        elif self._events.qsize() == _WAITING:
            self._events.put_nowait(None)

    async def get(self, seconds: float) -> StreamEvent | None:
        """Return the next event; None at the end of the stream.

        Raises:
            TimeoutError: if there is none for some seconds.
        """
        return await asyncio.wait_for(self._events.get(), seconds)


class Hub:
    """Streams of a project. It belongs to the event loop that it is made in; `publish` may be called in any thread."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._streams: list[Stream] = []

    def publish(self, kind: str, data: Mapping[str, Any]) -> None:
        """Send an event to everyone who looks at the project.

        Args:
            kind: name of the event.
            data: content that JSON can write; `last_event`, if it is there, becomes the event's id.
        """
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._deliver, StreamEvent.of(kind, data))

    def people(self) -> list[str]:
        """Return the names of those who look at the project."""
        return sorted({stream.who for stream in self._streams})

    @property
    def is_watched(self) -> bool:
        """True if somebody looks at the project."""
        return bool(self._streams)

    @contextmanager
    def stream(self, who: str) -> Iterator[Stream]:
        """Let somebody look at the project while the block runs."""
        stream, before = Stream(who), self.people()
        self._streams.append(stream)
        self._publish_people(before)
        try:
            yield stream
        finally:
            self._loop.call_later(_RETURN_S, self._leave, stream)

    def end(self) -> None:
        """End all streams. It may be called in any thread."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._end)

    def _leave(self, stream: Stream) -> None:
        before = self.people()
        self._streams.remove(stream)
        self._publish_people(before)

    def _publish_people(self, before: list[str]) -> None:
        if (people := self.people()) != before:
            self.publish("people", {"people": people})

    def _end(self) -> None:
        for stream in self._streams:
            stream.put(None)

    def _deliver(self, event: StreamEvent) -> None:
        for stream in self._streams:
            stream.put(event)
