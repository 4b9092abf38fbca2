"""A client's connection in HTTP/1.1: requests in, responses out, in order.

The parser is httptools, which wraps Node.js's. docs/concepts/runners.md has what an ASGI server would cost.
"""

import asyncio
import logging
import select
import time
from collections import deque
from http import HTTPStatus
from itertools import count
from typing import cast

import httptools

from handlers.http import Response
from handlers.python.batcher import OverloadedError
from handlers.python.incoming import MAX_HEAD, Incoming
from handlers.python.response_bytes import response_bytes
from handlers.python.shared import Shared
from schemas.problem_kinds import ProblemName

logger = logging.getLogger(__name__)

_MAX_CONNECTIONS = 4096  # as in front of the gateway
_MAX_BODIES = 32  # largest bodies that may arrive at the same time; smaller ones may be more
_IDLE_S = 75.0  # a connection without a request; the gateway's may stay open
_REQUEST_S = 60.0  # for a request to arrive, and for a client that does not read its response
_LINGER_S = 2.0  # for a client to read the last response; closing while it still sends would discard the response
_WAIT = "wait as many seconds as Retry-After says and send it again"
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_PONG = Response(HTTPStatus.OK, "application/json", b'{"status":"ok"}')
_NONE = Incoming()


class _RejectedError(Exception):
    """Ends the parsing of a connection whose request was rejected before it was complete."""


class Connection(asyncio.Protocol):
    """A connection; httptools calls its ``on_`` methods."""

    _ids = count(1)
    _transport: asyncio.Transport

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._parser = httptools.HttpRequestParser(self)
        self._requests: deque[Incoming] = deque()  # complete or rejected ones; the first is in progress
        self._incoming, self._is_arriving = _NONE, False
        self._headers: list[tuple[bytes, bytes]] = []
        self._unparsed = 0  # bytes since the last request or part of a body
        self._is_large = False  # True if more than a head was ever read at once
        self._is_reading, self._is_full = True, False  # True while the client is read, and while it does not read
        self._is_ended, self._has_eof = False, False  # True once no further request is read, and once none can come
        self._since = time.monotonic()  # of the last progress
        self._unsent = 0  # bytes of responses that the client had to read then

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.Transport, transport)
        self._shared.accepted += 1
        if len(self._shared.connections) >= _MAX_CONNECTIONS and self._shared.addresses.is_edge:
            self._is_ended = True
            self._transport.abort()
        else:
            self._shared.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel requests of a client that has gone."""
        self._shared.connections.discard(self)
        self._is_ended = True
        self._cancel()
        self._shared.arriving -= sum(request.size for request in (*self._requests, self._incoming))
        self._requests.clear()
        self._incoming = _NONE
        del self._parser  # which refers to this connection

    def eof_received(self) -> bool:
        """Answer the requests of a client that sends no more but may still read.

        Returns:
            True to keep the connection open.
        """
        self._has_eof = True
        if self._is_arriving:
            self._fail("malformed-request", "the connection ended before the request did")
        self._is_ended = True
        if not self._requests or self._is_gone():
            self._cancel()  # before the next batch; `connection_lost` comes after it
            return False
        self._requests[-1].keep_alive = False
        return True

    def pause_writing(self) -> None:
        """Answer no further request of a client that does not read."""
        self._is_full = True

    def resume_writing(self) -> None:
        """Go on."""
        self._is_full = False
        self._advance()

    def data_received(self, data: bytes) -> None:
        """Parse bytes from the client."""
        if self._is_ended:
            return
        size = len(data)
        self._unparsed += size
        if size > MAX_HEAD:
            self._is_large = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._parse_again(data[upgrade.args[0] :])
        except httptools.HttpParserCallbackError:
            if not self._is_ended:
                logger.exception("a request could not be read")
                self._fail("internal-error", "an unexpected error; the server's log has its cause")
        except httptools.HttpParserError:
            self._fail("malformed-request", "the request's address, headers or framing can't be read")
        else:
            if self._unparsed > MAX_HEAD:
                self._fail_head()

    def on_message_begin(self) -> None:
        """Begin a request."""
        if self._is_ended:
            raise _RejectedError
        self._incoming = incoming = Incoming()
        self._headers, self._is_arriving, self._since = incoming.headers, True, time.monotonic()

    def on_url(self, url: bytes) -> None:
        """Take a part of the address."""
        self._incoming.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Decide whether the body is wanted."""
        incoming, parser, max_body = self._incoming, self._parser, self._shared.addresses.max_body
        if (self._is_large or self._unparsed > MAX_HEAD) and incoming.head_size > MAX_HEAD:
            self._fail_head()
            raise _RejectedError
        self._headers = []  # what comes after the body is no header of the request
        incoming.keep_alive = parser.should_keep_alive()
        incoming.is_http_1_0 = parser.get_http_version() == "1.0"
        method = parser.get_method()
        incoming.route(method, self._shared.addresses)
        if parser.should_upgrade():
            if method != b"CONNECT":
                return
            self._reject(incoming)
            raise _RejectedError
        incoming.has_head = True
        is_unwanted, is_expected = incoming.check_body(max_body)
        if is_unwanted:
            self._reject(incoming)
            raise _RejectedError
        if is_expected:
            self._transport.write(_CONTINUE)

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        incoming, shared, size, self._unparsed = self._incoming, self._shared, len(body), 0
        incoming.size += size
        shared.arriving += size
        if incoming.size > shared.addresses.max_body:
            incoming.refuse_size(shared.addresses.max_body)
        elif shared.arriving > _MAX_BODIES * shared.addresses.max_body and shared.addresses.is_edge:
            incoming.refuse("overloaded", f"too many bodies arrive at the same time; {_WAIT}")
        else:
            if not incoming.refusal:
                incoming.body.append(body)
            return
        self._reject(incoming)
        raise _RejectedError

    def on_message_complete(self) -> None:
        """Submit the request, unless an earlier one of this connection is in progress."""
        incoming = self._incoming
        if not incoming.has_head:  # it offers another protocol and is parsed again
            return
        self._unparsed, self._is_arriving, self._is_ended = 0, False, not incoming.keep_alive
        self._requests.append(incoming)
        self._incoming = _NONE
        if len(self._requests) == 1:
            self._advance()
        elif self._is_reading:  # of a client that does not wait for responses, no more than what was read at once
            self._is_reading = False
            self._transport.pause_reading()

    def close_if_idle(self) -> None:
        """Close the connection if no request is in progress or arriving."""
        if not self._requests and not self._is_arriving and not self._is_ended:
            self._is_ended = True
            self._transport.close()

    def abort(self) -> None:
        """Close the connection without sending the rest of a response."""
        self._is_ended = True
        self._cancel()
        self._transport.abort()

    def close_if_stale(self, now: float) -> None:
        """Close the connection, or reject a request that does not arrive, if nothing has happened for too long.

        Args:
            now: monotonic time.
        """
        unsent = self._transport.get_write_buffer_size()
        if unsent != self._unsent:
            self._unsent, self._since = unsent, now
        waited = now - self._since
        if unsent:
            if waited > _REQUEST_S:
                self.abort()
        elif self._requests:
            pass  # it is computed
        elif self._is_ended:
            if waited > _LINGER_S:
                self.abort()
        elif self._is_arriving:
            if waited > _REQUEST_S:
                self._fail("request-timeout", "the request was not complete in time; send it faster")
        elif waited > _IDLE_S and self._shared.addresses.is_edge:
            self.close_if_idle()

    def _advance(self) -> None:
        """Pass on or answer complete requests, in order, until one is in progress."""
        while self._requests and not self._requests[0].waiting and not self._is_full:
            incoming = self._requests[0]
            if not incoming.refusal and incoming.explain is not None:
                incoming.server_id = self._new_id()
                try:
                    incoming.waiting = self._shared.batcher.submit(incoming.to_request(), self._reply)
                    return
                except OverloadedError:
                    incoming.refuse("overloaded", f"too many requests are in progress; {_WAIT}")
            self._answer(incoming.refusal or _PONG)
        if not self._is_reading and not self._requests and not self._is_ended:
            self._is_reading = True
            self._transport.resume_reading()

    def _reply(self, response: Response) -> None:
        """Take the response to the first request from the batcher."""
        self._answer(response)
        self._advance()

    def _answer(self, response: Response) -> None:
        """Write the response to the first request."""
        incoming = self._requests.popleft()
        self._shared.arriving -= incoming.size
        if incoming.refusal:
            self._shared.refusals[incoming.kind] += 1
        is_last = self._shared.is_draining and not self._requests and not self._is_arriving
        keep_alive = incoming.keep_alive and not is_last
        headers = b""
        if self._shared.addresses.is_edge:
            headers = b"date: %b\r\nx-request-id: %b\r\n" % (self._shared.date, incoming.id or self._new_id())
        self._transport.write(response_bytes(response, incoming, keep_alive=keep_alive, headers=headers))
        self._since = time.monotonic()
        if not keep_alive:
            self._end()

    def _new_id(self) -> bytes:
        return b"%b-%x" % (self._shared.pid, next(self._ids))

    def _fail_head(self) -> None:
        self._fail("headers-too-large", f"headers and address have at most {MAX_HEAD >> 10} KiB together")

    def _fail(self, kind: ProblemName, detail: str) -> None:
        """Reject the request that arrives, if any, because it or what follows can't be read."""
        if not self._is_ended:
            incoming = self._incoming if self._is_arriving else Incoming()
            incoming.refuse(kind, detail)
            self._reject(incoming)

    def _reject(self, incoming: Incoming) -> None:
        """Answer a request that is incomplete after those before it, and read no more."""
        self._is_ended, self._is_arriving, self._incoming = True, False, _NONE
        incoming.keep_alive = False
        self._requests.append(incoming)
        self._advance()

    def _end(self) -> None:
        """Close the connection when the client has read the last response, or after a time."""
        self._is_ended = True
        if self._has_eof:
            self._transport.close()
            return
        if not self._is_reading:  # what the client still sends is discarded
            self._is_reading = True
            self._transport.resume_reading()
        self._transport.write_eof()

    def _cancel(self) -> None:
        """Do not compute the request in progress if it still waits for its batch."""
        if self._requests and self._requests[0].waiting:
            self._requests[0].waiting.cancel()

    def _is_gone(self) -> bool:
        """Return True if the client does not read either. A TCP client that closes its socket seems to read still."""
        poll = select.poll()
        poll.register(self._transport.get_extra_info("socket").fileno(), select.POLLHUP)
        return any(events & (select.POLLHUP | select.POLLERR) for _, events in poll.poll(0))

    def _parse_again(self, rest: bytes) -> None:
        """Parse a request without the header Upgrade, as HTTP allows; the parser has skipped its body.

        Some clients offer HTTP/2 in this way with every first request, such as Java's.
        """
        head = self._incoming.head_without_upgrade(self._parser.get_method(), self._parser.get_http_version())
        self._parser, self._unparsed = httptools.HttpRequestParser(self), 0
        self.data_received(head + rest)
