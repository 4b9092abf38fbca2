"""The client of a request: its name and roles, and the checks that protect a browser's user.

The gateway sets the two headers, removes those that a client sends, and is the only program that reaches the socket.
"""

from dataclasses import dataclass
from ipaddress import ip_address

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from console.metrics import REQUESTS
from console.problems import error, fault_response, problem_response
from console.settings import Options
from schemas.console import SECTIONS
from schemas.problems import ProblemError
from schemas.session import ROLES, Role

CLIENT, ROLES_HEADER = "x-shopcat-client", "x-shopcat-roles"
LOCAL = "local"  # client of a service without keys
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
# Nothing inline, no other host, and only Lit may turn text into elements.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
    "trusted-types lit-html"
)
_HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",  # the address of a page has a store and dates
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


@dataclass(frozen=True)
class Identity:
    """Client of a request.

    Attributes:
        client: name of the client; None if the service demands keys and the request has none.
        roles: roles of the client.
    """

    client: str | None
    roles: frozenset[Role] = frozenset()


def identity(request: Request) -> Identity:
    """Return the client of a request."""
    found = request.scope["identity"]
    assert isinstance(found, Identity)
    return found


def require(request: Request, role: Role) -> Identity:
    """Return the client of a request, which has a role.

    Raises:
        ProblemError: unauthorized without a client, forbidden without the role.
    """
    found = identity(request)
    if found.client is None:
        raise error("unauthorized", "sign in at /console/, or send a key in the header Authorization: Bearer KEY")
    if role not in found.roles:
        raise error("forbidden", f"this needs a key with the role {role}; the client {found.client} has other roles")
    return found


class Guard:
    """The outermost layer: it finds the client, rejects writes from other sites, and sets the headers of a browser.

    It answers a fault of the layers inside with a problem.
    """

    def __init__(self, app: ASGIApp, options: Options) -> None:
        """Set up.

        Args:
            app: the layers inside.
            options: settings of the console.
        """
        self._app, self._options = app, options

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_begun, section = False, scope["path"].split("/")[1]

        async def send_with_headers(message: Message) -> None:
            nonlocal has_begun
            if message["type"] == "http.response.start":
                has_begun = True
                REQUESTS.labels(section if section in SECTIONS else "other", str(message["status"])).inc()
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", "no-store")
            await send(message)

        try:
            self._check_address(scope)
            self._check_host(headers := Headers(scope=scope))
            self._check_origin(scope["method"], headers)
            scope["identity"] = self._identity(headers)
            await self._app(scope, receive, send_with_headers)
        except ProblemError as raised:
            await problem_response(raised.problem)(scope, receive, send_with_headers)
        except Exception as raised:
            if has_begun:
                raise
            await fault_response(Request(scope), raised)(scope, receive, send_with_headers)

    @staticmethod
    def _check_address(scope: Scope) -> None:
        """Reject an address with a NUL character: no id has one, and PostgreSQL takes none in a text."""
        if "\0" in scope["path"] or b"%00" in scope["query_string"]:
            raise error("not-found", "the address has a NUL character (%00), which no id and no name has; leave it out")

    def _identity(self, headers: Headers) -> Identity:
        if not self._options.keys:
            return Identity(LOCAL, frozenset(ROLES))
        roles = frozenset(role for role in ROLES if role in headers.get(ROLES_HEADER, "").split(","))
        return Identity(headers.get(CLIENT), roles)

    def _check_host(self, headers: Headers) -> None:
        """Reject a host's name that another site may have pointed to this address (DNS rebinding).

        With keys, that site's page has no cookie.
        """
        if self._options.keys:
            return
        host = headers.get("host", "")
        if self._options.public_url:
            is_known = host.lower() == self._options.public_url.partition("://")[2]
        else:
            is_known = _is_address(host)
        if not is_known:
            address = self._options.public_url or self._options.gateway
            raise error("forbidden", f"open {address}; for another address, the service needs the option --public-url")

    def _check_origin(self, method: str, headers: Headers) -> None:
        """Reject a write that a page of another site sends. Programs send no ``Origin``, and all browsers do."""
        origin = headers.get("origin")
        if method in SAFE or origin is None:
            return
        here = self._options.public_url or f"{headers.get('x-forwarded-proto', 'http')}://{headers.get('host', '')}"
        if origin.lower() != here.lower():
            raise error("forbidden", "a page of another site may not write here; the header Origin names another")


def _is_address(host: str) -> bool:
    """Return True for an IP address or localhost, with or without a port."""
    name = host.partition("]")[0].lstrip("[") if host.startswith("[") else host.partition(":")[0]
    try:
        return name.lower() == "localhost" or bool(ip_address(name))
    except ValueError:
        return False
