"""Sign-in: a browser sends a key once, and gets it back as a cookie that no script can read.

The gateway checks the key, here in a header and later in the cookie (serving/gateway/auth.lua). The console never
compares keys and keeps none.
"""

from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from console.identity import identity
from console.problems import error
from console.settings import Options
from schemas.session import ROLES, Session, cookie_name

PATH = "/console/session"
_KEY = "x-api-key"


def routes() -> list[Route]:
    """Return the routes of the session."""
    return [
        Route(PATH, show, methods=["GET"]),
        Route(PATH, sign_in, methods=["POST"]),
        Route(PATH, sign_out, methods=["DELETE"]),
    ]


async def show(request: Request) -> Response:
    """Return the client that the request comes from."""
    return _session(request)


async def sign_in(request: Request) -> Response:
    """Set the cookie, if the gateway has accepted the key in the header."""
    options: Options = request.app.state.settings
    response = _session(request)
    if not options.keys:
        return response
    key = request.headers.get(_KEY)
    if identity(request).client is None or key is None:
        raise error("unauthorized", "send the key in the header X-API-Key; the gateway does not know this one")
    response.set_cookie(
        cookie_name(is_secure=options.is_secure),
        quote(key, safe=""),
        path="/",
        secure=options.is_secure,
        httponly=True,
        samesite="strict",
    )
    return response


async def sign_out(request: Request) -> Response:
    """Delete the cookie."""
    options: Options = request.app.state.settings
    response = Response(status_code=204)
    response.delete_cookie(
        cookie_name(is_secure=options.is_secure),
        path="/",
        secure=options.is_secure,
        httponly=True,
        samesite="strict",
    )
    return response


def _session(request: Request) -> Response:
    found, options = identity(request), request.app.state.settings
    roles = [role for role in ROLES if role in found.roles]
    session = Session(client=found.client, roles=roles, keys=options.keys)
    return Response(session.model_dump_json(), media_type="application/json")
