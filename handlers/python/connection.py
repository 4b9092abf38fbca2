"""A client's connection in HTTP/1.1: requests in, responses out, in order.

The parser is httptools, which wraps llhttp, the parser of Node.js. An ASGI server would add a task, a scope and several
messages to each request. Measured with one connection, the median request to uvicorn takes half as long again, and with
eight connections it answers half as many (docs/reference/benchmarks.md).
"""

import asyncio
import os
import random
import time
import urllib.parse
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from itertools import count
from typing import Any, cast

import httptools

from handlers.http import Request, Response
from handlers.python.batcher import Batcher, OverloadedError
from schemas.problem_kinds import ProblemName
from schemas.problems import Problem

MAX_HEAD = 8192  # bytes of address and headers
_MAX_PIPELINED = 16  # complete requests of a connection that wait for their turn
_WAIT = "wait as many seconds as Retry-After says and send it again"
_JSON, _PROBLEM = "application/json", "application/problem+json"
_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}


@dataclass(frozen=True)
class Addresses:
    """What a worker serves.

    Attributes:
        explain: for each path of the model, whether it asks for an explanation.
        max_body: size of the largest accepted body in bytes.
        sends_ids: True if responses have the request's id, because there is no gateway that adds it.
    """

    explain: Mapping[bytes, bool]
    max_body: int
    sends_ids: bool

    @classmethod
    def of(cls, model: str, max_body: int, *, sends_ids: bool) -> "Addresses":
        """Return the addresses of a model."""
        return cls(
            {f"/predictions/{model}".encode(): False, f"/explanations/{model}".encode(): True}, max_body, sends_ids
        )


@dataclass
class Shared:
    """State that all connections of a worker share.

    Attributes:
        addresses: what the worker serves.
        batcher: takes the requests.
        connections: open connections.
        is_draining: True once the worker takes no more connections.
    """

    addresses: Addresses
    batcher: Batcher
    connections: "set[Connection]" = field(default_factory=set)
    is_draining: bool = False


class Connection(asyncio.Protocol):
    """A connection; httptools calls its ``on_`` methods.

    Attributes:
        since: monotonic time at which it became idle, or at which its unfinished request began.
    """

    _ids = count(1)
    _transport: asyncio.Transport

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._parser = httptools.HttpRequestParser(self)
        self._requests: deque[_Incoming] = deque()  # complete ones; the first is in progress
        self._incoming = _Incoming()
        self._head = 0  # bytes of the incomplete head
        self._is_paused, self._is_closing = False, False
        self.since = time.monotonic()

    @property
    def is_idle(self) -> bool:
        """True if no request is in progress or arriving."""
        return not self._requests and not self._incoming.url

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.Transport, transport)
        self._shared.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel requests of a client that has gone."""
        self._shared.connections.discard(self)
        for request in self._requests:
            if request.waiting:
                request.waiting.cancel()
        self._requests.clear()
        self._is_closing = True

    def pause_writing(self) -> None:
        """Answer no further request of a client that does not read."""
        self._is_paused = True

    def resume_writing(self) -> None:
        """Go on."""
        self._is_paused = False
        self._begin_next()

    def data_received(self, data: bytes) -> None:
        """Parse bytes from the client."""
        if self._is_closing:
            return
        self._head += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._fail("malformed-request", "this address speaks HTTP/1.1 only")
        except httptools.HttpParserError:
            self._fail("malformed-request", "the request's address, headers or framing can't be read")
        else:
            if self._head > MAX_HEAD and not self._incoming.has_head:
                detail = f"headers and address have at most {MAX_HEAD >> 10} KiB together"
                self._fail("headers-too-large", detail)

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._incoming, self.since = _Incoming(), time.monotonic()

    def on_url(self, url: bytes) -> None:
        """Take a part of the address."""
        self._incoming.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        self._incoming.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Decide whether the body is wanted."""
        incoming = self._incoming
        incoming.has_head = True
        incoming.keep_alive = self._parser.should_keep_alive()
        incoming.is_http_1_0 = self._parser.get_http_version() == "1.0"
        self._route(incoming)
        headers = dict(incoming.headers)
        length = headers.get(b"content-length", b"0")
        if not incoming.refusal and int(length) > self._shared.addresses.max_body:
            self._refuse_size(incoming)
        if not incoming.refusal and headers.get(b"expect", b"").lower() == b"100-continue":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        incoming = self._incoming
        incoming.size += len(body)
        if incoming.refusal:
            if incoming.size > self._shared.addresses.max_body:
                # The client does not stop. It gets the response if it reads while it sends.
                self._fail_with(incoming.refusal)
        elif incoming.size > self._shared.addresses.max_body:
            self._refuse_size(incoming)
        else:
            incoming.body.append(body)

    def on_message_complete(self) -> None:
        """Submit the request, unless an earlier one of this connection is in progress."""
        if self._is_closing:
            return
        self._requests.append(self._incoming)
        self._incoming, self._head = _Incoming(), 0
        if len(self._requests) == 1:
            self._begin_next()
        elif len(self._requests) > _MAX_PIPELINED:
            self._transport.pause_reading()

    def close_if_idle(self) -> None:
        """Close the connection if no request is in progress; otherwise its next response announces the end."""
        if self.is_idle:
            self._close()

    def time_out(self) -> None:
        """Close an idle connection, or reject a request that does not arrive."""
        if self.is_idle:
            self._close()
        elif not self._requests:
            self._fail("request-timeout", "the request was not complete in time; send it faster")

    def _route(self, incoming: "_Incoming") -> None:
        path, _, query = incoming.url.partition(b"?")
        method = self._parser.get_method()
        explain = self._shared.addresses.explain.get(path)
        if explain is None:
            if path != b"/ping":
                incoming.refuse("not-found", "the addresses are listed in docs/reference/openapi.json")
            elif method not in (b"GET", b"HEAD"):
                incoming.refuse("method-not-allowed", "the header Allow lists the methods of this address")
                incoming.allow = b"GET, HEAD"
        elif method != b"POST":
            incoming.refuse("method-not-allowed", "the header Allow lists the methods of this address")
            incoming.allow = b"POST"
        incoming.explain, incoming.query, incoming.is_head = explain, query, method == b"HEAD"

    def _refuse_size(self, incoming: "_Incoming") -> None:
        size = self._shared.addresses.max_body
        incoming.refuse("too-large", f"a body has at most {size:,} bytes here; send less at a time, or a smaller photo")
        incoming.body.clear()

    def _begin_next(self) -> None:
        """Pass the first complete request on, or answer it here."""
        while self._requests and not self._is_paused and not self._requests[0].waiting and not self._is_closing:
            incoming = self._requests[0]
            if incoming.refusal:
                self._reply(incoming.refusal)
            elif incoming.explain is None:
                self._reply(Response(HTTPStatus.OK, _JSON, b'{"status":"ok"}'))
            else:
                try:
                    incoming.waiting = self._shared.batcher.submit(self._request(incoming), self._reply)
                except OverloadedError:
                    incoming.refuse("overloaded", f"too many requests are in progress; {_WAIT}")

    def _request(self, incoming: "_Incoming") -> Request:
        fields = {"body": incoming.body[0] if len(incoming.body) == 1 else b"".join(incoming.body)}
        if incoming.query:
            query = incoming.query.decode("ascii", "replace")
            parameters = urllib.parse.parse_qsl(query, keep_blank_values=True, encoding="utf-8", errors="replace")
            fields = {name: value.encode() for name, value in parameters} | fields
        incoming.server_id = self._new_id()
        return Request(fields, incoming.headers, explain=bool(incoming.explain), server_id=incoming.server_id)

    def _new_id(self) -> bytes:
        return b"%x-%x" % (os.getpid(), next(self._ids))

    def _reply(self, response: Response) -> None:
        """Write the response to the first request, and begin the next one."""
        incoming = self._requests.popleft()
        keep_alive = incoming.keep_alive and not self._shared.is_draining
        self._write(incoming, response, keep_alive=keep_alive)
        self.since = time.monotonic()
        if not keep_alive:
            self._close()
        elif self._requests:
            self._transport.resume_reading()
            self._begin_next()

    def _write(self, incoming: "_Incoming", response: Response, *, keep_alive: bool) -> None:
        head = b"%bcontent-type: %b\r\ncontent-length: %d\r\n" % (
            _LINES[response.status],
            response.content_type.encode(),
            len(response.body),
        )
        if response.status != HTTPStatus.OK:
            head += self._more_headers(incoming, response)
        if self._shared.addresses.sends_ids:
            given = dict(incoming.headers).get(b"x-request-id")
            head += b"x-request-id: %b\r\n" % (given or incoming.server_id or self._new_id())
        if not keep_alive:
            head += b"connection: close\r\n"
        elif incoming.is_http_1_0:
            head += b"connection: keep-alive\r\n"
        self._transport.write(head + b"\r\n" + (b"" if incoming.is_head else response.body))

    @staticmethod
    def _more_headers(incoming: "_Incoming", response: Response) -> bytes:
        head = b"x-envoy-ratelimited: true\r\n" if response.is_final else b""
        if response.status == HTTPStatus.SERVICE_UNAVAILABLE:
            # Drawn at random, so that rejected clients do not return all at once.
            head += b"retry-after: %d\r\n" % random.randint(1, 3)  # noqa: S311
        if incoming.allow:
            head += b"allow: %b\r\n" % incoming.allow
        return head

    def _fail(self, kind: ProblemName, detail: str) -> None:
        self._fail_with(_problem(kind, detail))

    def _fail_with(self, response: Response) -> None:
        """Answer an incomplete request and close the connection; what follows can't be understood."""
        if not self._is_closing:
            if not self._requests:  # otherwise the client would take it for the response to an earlier request
                self._write(self._incoming, response, keep_alive=False)
            self._close()

    def _close(self) -> None:
        self._is_closing = True
        self._transport.close()


class _Incoming:
    """A request while it arrives and until it is answered."""

    __slots__ = (
        *("allow", "body", "explain", "has_head", "headers", "is_head", "is_http_1_0", "keep_alive", "query"),
        *("refusal", "server_id", "size", "url", "waiting"),
    )

    def __init__(self) -> None:
        self.url, self.query, self.server_id, self.allow = b"", b"", b"", b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.body: list[bytes] = []
        self.size = 0
        self.explain: bool | None = None
        self.has_head, self.is_head, self.keep_alive, self.is_http_1_0 = False, False, False, False
        self.refusal: Response | None = None
        self.waiting: Any = None

    def refuse(self, kind: ProblemName, detail: str) -> None:
        """Keep the response for when the request has arrived."""
        self.refusal = _problem(kind, detail)


def _problem(kind: ProblemName, detail: str) -> Response:
    problem = Problem.of(kind, detail)
    return Response(problem.status, _PROBLEM, problem.to_json())
