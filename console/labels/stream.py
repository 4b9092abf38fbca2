"""Address of the stream: news of a project as server-sent events, for everyone who looks at it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from console.labels.answers import client_of, number_of
from console.labels.opened.hub import Stream, StreamEvent
from console.labels.opened.news import batches, last_event
from console.labels.service import OpenProject, labelling_of
from labelling.projects.errors import UnknownError
from schemas.labels.parts import MAX_NUMBER
from schemas.problems import invalid_field

QUIET_S = 15.0  # a comment is sent when nothing else was for this time; why: proxies end silent connections
OPEN_S = 60.0  # then a stream ends, and the browser connects again; why: the gateway checks the key anew
_RETRY_MS, _AGAIN_MS = 2000, 50  # after which a browser connects again: after a fault, and after such an end


def routes() -> list[Route]:
    """Return the route of the stream."""
    return [Route("/labels/{project}/stream", stream, methods=["GET"])]


async def stream(request: Request) -> Response:
    """Send the labels since the event that the page knows, and then all news."""
    who, opened = client_of(request), await labelling_of(request).open(request)
    after = number_of(request, "after", least=0, most=MAX_NUMBER, default=-1)
    if (known := request.headers.get("last-event-id")) is not None:
        if not (known.isascii() and known.isdecimal() and len(known) < 16):
            raise invalid_field("last-event-id", value=known, detail="must be the id of an event")
        after = int(known)
    if request.method == "HEAD":
        return Response(media_type="text/event-stream")
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return StreamingResponse(_news(opened, who, after), headers=headers, media_type="text/event-stream")


async def _news(opened: OpenProject, who: str, after: int) -> AsyncIterator[bytes]:
    # The stream is open before the past is read, so that nothing is missed; labels that are in both are sent once.
    with opened.hub.stream(who) as events, suppress(UnknownError):  # deleted meanwhile
        yield f"retry: {_RETRY_MS}\n\n".encode()
        missed, last = await run_in_threadpool(_missed, opened, after)
        for event in missed:
            yield event.encode()
        async for content in _following(events, last):
            yield content


async def _following(events: Stream, last: int) -> AsyncIterator[bytes]:
    until = asyncio.get_running_loop().time() + OPEN_S
    while (left := until - asyncio.get_running_loop().time()) > 0:
        try:
            event = await events.get(min(QUIET_S, left))
        except TimeoutError:
            yield b": nothing new\n\n"
            continue
        if event is None:
            return
        if event.id is None or event.id > last:
            yield event.encode()
    yield f"retry: {_AGAIN_MS}\n\n".encode()


def _missed(opened: OpenProject, after: int) -> tuple[list[StreamEvent], int]:
    """Return the events that tell a page all that it does not know, and the number of the last event that they know."""
    last = last_event(opened.project)
    found = [] if after < 0 else [StreamEvent.of("labels", batch) for batch in batches(opened.project, after=after)]
    return [*found, *opened.news.state(last)], max([last, *(event.id or 0 for event in found)])
