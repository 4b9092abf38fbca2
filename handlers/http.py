"""HTTP requests to a model and responses to them, as any server of a worker passes them on."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from schemas.problems import Problem, ProblemError

MAX_ID = 128  # characters of an id that the client chose


class Request:
    """An HTTP request to a model.

    Attributes:
        fields: the ``body``, and the parameters of the query, by name.
        headers: names and values. A gateway writes names in small letters; without one they are the client's.
        explain: True for a request to ``/explanations``.
        server_id: id that the server of the worker gave the request.
    """

    __slots__ = ("explain", "fields", "headers", "server_id")

    def __init__(
        self,
        fields: Mapping[str, bytes],
        headers: Sequence[tuple[bytes, bytes]] = (),
        *,
        explain: bool = False,
        server_id: bytes = b"",
    ) -> None:
        self.fields, self.headers, self.explain, self.server_id = fields, headers, explain, server_id

    def header(self, name: bytes) -> str:
        """Return the value of a header by its name in small letters; empty if there is none."""
        for key, value in self.headers:
            if key == name or key.lower() == name:
                return value.decode("utf-8", "replace")
        return ""

    @property
    def id(self) -> str:
        """The gateway's or the client's id of the request, or else the server's; at most `MAX_ID` characters."""
        return (self.header(b"x-request-id") or self.server_id.decode("ascii", "replace"))[:MAX_ID]

    def body(self) -> bytes:
        """Return the body.

        Raises:
            ProblemError: if there is none.
        """
        body = self.fields.get("body")
        if not body:
            detail = "the request has no JSON body; POST it with the header Content-Type: application/json"
            raise ProblemError(Problem.of("malformed-request", detail))
        return body


class Response(NamedTuple):
    """Response to a request.

    Attributes:
        status: HTTP status.
        content_type: type of the body.
        body: its content.
        is_final: True if the gateway must not retry the request, because it would fail again.
    """

    status: int
    content_type: str
    body: bytes
    is_final: bool = False


def header_columns(requests: Sequence[Request], *names: bytes) -> list[Sequence[bytes | None]]:
    """Return the values of some headers in each request; None where one is missing.

    Only for headers that the gateway adds to every request: if the first request lacks one, no request has it.
    """
    first = [name for name, _ in requests[0].headers] if requests else []
    found: list[Sequence[bytes | None]] = []
    for name in names:
        if name not in first:
            found.append([None] * len(requests))
            continue
        index = first.index(name)
        found.append(
            [
                request.headers[index][1]
                if index < len(request.headers) and request.headers[index][0] == name
                else dict(request.headers).get(name)
                for request in requests
            ]
        )
    return found
