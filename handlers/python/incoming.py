"""A request in HTTP/1.1 while it arrives: its address, its headers, its body, and the reason to refuse it."""

import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from handlers.http import MAX_ID, Request, Response
from schemas.problem_kinds import ProblemName
from schemas.problems import Problem

MAX_HEAD = 8192  # bytes of address and headers
_PROBLEM = "application/problem+json"
_ALLOW = "the header Allow lists the methods of this address"


@dataclass(frozen=True)
class Addresses:
    """Addresses of a worker.

    Attributes:
        explain: for each path of the model, whether it asks for an explanation.
        max_body: size of the largest accepted body in bytes.
        is_edge: True if there is no gateway, which adds ids and dates to responses and closes idle connections.
    """

    explain: Mapping[bytes, bool]
    max_body: int
    is_edge: bool

    @classmethod
    def of(cls, model: str, max_body: int, *, is_edge: bool) -> "Addresses":
        """Return the addresses of a model."""
        return cls(
            {f"/predictions/{model}".encode(): False, f"/explanations/{model}".encode(): True}, max_body, is_edge
        )


class Incoming:
    """A request while it arrives and until it is answered.

    Attributes:
        url: its target.
        query: the part of the target after the question mark.
        headers: names in small letters, and values.
        body: parts of the body.
        size: bytes of the body so far.
        explain: True for an explanation, False for a prediction; None for another address.
        has_head: True once all headers have arrived, and the request does not offer another protocol.
        is_head: True for the method HEAD.
        is_http_1_0: True for HTTP/1.0.
        keep_alive: True if the client wants to send further requests on the connection.
        allow: methods of the address, if the request has another one.
        kind: kind of the problem, if the request is refused.
        refusal: response to a request that is refused.
        server_id: id that the worker gave the request.
        waiting: handle of the batcher, once the request was passed on.
    """

    __slots__ = (
        *("allow", "body", "explain", "has_head", "headers", "is_head", "is_http_1_0", "keep_alive", "kind"),
        *("query", "refusal", "server_id", "size", "url", "waiting"),
    )

    def __init__(self) -> None:
        self.url, self.query, self.server_id, self.allow = b"", b"", b"", b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.body: list[bytes] = []
        self.size = 0
        self.explain: bool | None = None
        self.has_head, self.is_head, self.keep_alive, self.is_http_1_0 = False, False, False, False
        self.kind = ""
        self.refusal: Response | None = None
        self.waiting: Any = None

    @property
    def head_size(self) -> int:
        """Number of bytes of the address and the headers."""
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)  # with ": " and "\r\n"

    @property
    def id(self) -> bytes:
        """The client's id of the request, at most as long as in the request log; or else the server's."""
        for name, value in self.headers:
            if name == b"x-request-id" and value:
                return value[:MAX_ID]
        return self.server_id

    def route(self, method: bytes, addresses: Addresses) -> None:
        """Find the address, and refuse the request if it has none or not this method."""
        self.is_head = method == b"HEAD"
        path, _, self.query = self.url.partition(b"?")
        self.explain = addresses.explain.get(path)
        if self.explain is None and b"://" in path:  # RFC 9112, 3.2.2: a server must accept the absolute form too
            path = b"/" + path.partition(b"://")[2].partition(b"/")[2]
            self.explain = addresses.explain.get(path)
        if self.explain is not None:
            if method != b"POST":
                self.refuse("method-not-allowed", _ALLOW, allow=b"POST")
        elif path != b"/ping":
            self.refuse("not-found", "the addresses are listed in docs/reference/openapi.json")
        elif method not in (b"GET", b"HEAD"):
            self.refuse("method-not-allowed", _ALLOW, allow=b"GET, HEAD")

    def check_body(self, max_body: int) -> tuple[bool, bool]:
        """Read the headers that describe the body.

        Returns:
            True if the request is refused before its body, and True if its client waits for permission to send it.
        """
        headers = dict(self.headers)
        length = headers.get(b"content-length")
        if length and int(length.strip()[-20:]) > max_body:  # longer ones begin with zeros; the parser has read it
            self.refuse_size(max_body)
            return True, False
        if b"transfer-encoding" in headers:
            codings = [value.strip().lower() for name, value in self.headers if name == b"transfer-encoding"]
            if codings != [b"chunked"]:  # the parser decodes no other
                self.refuse("malformed-request", "the only transfer encoding here is chunked")
                return True, False
        waits = headers.get(b"expect", b"").lower() == b"100-continue" and not self.is_http_1_0
        return waits and self.refusal is not None, waits

    def head_without_upgrade(self, method: bytes, version: str) -> bytes:
        """Return the head of this request without its offer of another protocol."""
        headers = [(name, value) for name, value in self.headers if name not in (b"connection", b"upgrade")]
        headers.append((b"connection", b"keep-alive" if self.keep_alive else b"close"))
        lines = [b"%b %b HTTP/%b" % (method, self.url, version.encode()), *(b"%b: %b" % header for header in headers)]
        return b"\r\n".join([*lines, b"", b""])

    def refuse(self, kind: ProblemName, detail: str, *, allow: bytes = b"") -> None:
        """Keep a problem as the response to this request, and forget its body."""
        problem, self.kind = Problem.of(kind, detail), kind
        self.refusal, self.allow = Response(problem.status, _PROBLEM, problem.to_json()), allow
        self.body.clear()

    def refuse_size(self, max_body: int) -> None:
        """Refuse a request whose body is too large, unless it is refused for another reason."""
        if not self.refusal:
            detail = f"a body has at most {max_body:,} bytes here; send less at a time, or a smaller photo"
            self.refuse("too-large", detail)

    def to_request(self) -> Request:
        """Return the request as the model gets it. Of parameters with the same name the last one counts."""
        fields = {"body": self.body[0] if len(self.body) == 1 else b"".join(self.body)}
        if self.query:
            query = self.query.decode("ascii", "replace")
            parameters = urllib.parse.parse_qsl(query, keep_blank_values=True, encoding="utf-8", errors="replace")
            fields = {name: value.encode() for name, value in parameters} | fields
        return Request(fields, self.headers, explain=bool(self.explain), server_id=self.server_id)
