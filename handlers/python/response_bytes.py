"""A response in HTTP/1.1."""

import random
from http import HTTPStatus

from handlers.http import Response
from handlers.python.incoming import Incoming

_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}


def response_bytes(response: Response, incoming: Incoming, *, keep_alive: bool, headers: bytes = b"") -> bytes:
    """Return a response as it is sent.

    Args:
        response: the response.
        incoming: its request.
        keep_alive: True if the client may send further requests on the connection.
        headers: further headers, each with the end of its line.
    """
    head = b"%bcontent-type: %b\r\ncontent-length: %d\r\n" % (
        _LINES[response.status],
        response.content_type.encode(),
        len(response.body),
    )
    if response.status != HTTPStatus.OK:
        if response.is_final:
            head += b"x-envoy-ratelimited: true\r\n"
        if response.status == HTTPStatus.SERVICE_UNAVAILABLE:
            # Drawn at random, so that rejected clients do not return all at once.
            head += b"retry-after: %d\r\n" % random.randint(1, 3)  # noqa: S311
        if incoming.allow:
            head += b"allow: %b\r\n" % incoming.allow
    if not keep_alive:
        head += b"connection: close\r\n"
    elif incoming.is_http_1_0:
        head += b"connection: keep-alive\r\n"
    return head + headers + b"\r\n" + (b"" if incoming.is_head else response.body)
