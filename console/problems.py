"""Errors of the console as problem details, like those of the models and the gateway."""

import logging
import random
import uuid
from collections.abc import Mapping
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

from console.storage import StorageError
from schemas.problem_kinds import ProblemName
from schemas.problems import Problem, ProblemError

logger = logging.getLogger(__name__)

PROBLEM = "application/problem+json"
_RETRY_AFTER = (1, 3)  # seconds, drawn at random, so that clients do not return all at once


def error(name: ProblemName, detail: str) -> ProblemError:
    """Return the error for a problem of a known kind."""
    return ProblemError(Problem.of(name, detail))


def problem_response(problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
    """Return the response for a problem."""
    added = dict(headers or {})
    if problem.status == HTTPStatus.UNAUTHORIZED:
        added.setdefault("www-authenticate", "Bearer")
    if problem.status == HTTPStatus.SERVICE_UNAVAILABLE:
        added.setdefault("retry-after", str(random.randint(*_RETRY_AFTER)))  # noqa: S311 - no secret
    return Response(problem.to_json(), problem.status, added, PROBLEM)


def _of_problem_error(_request: Request, raised: Exception) -> Response:
    assert isinstance(raised, ProblemError)
    return problem_response(raised.problem)


def _of_http_error(request: Request, raised: Exception) -> Response:
    """Return the response for an error of Starlette's router."""
    assert isinstance(raised, HTTPException)
    if raised.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        detail = "the header Allow lists the methods of this address"
        return problem_response(Problem.of("method-not-allowed", detail), {"allow": ", ".join(_methods(request))})
    if raised.status_code == HTTPStatus.NOT_FOUND:
        return problem_response(Problem.of("not-found", "the addresses are listed in /openapi.json"))
    return problem_response(Problem.of("malformed-request", str(raised.detail)))


def _methods(request: Request) -> list[str]:
    """Return the methods of the request's address: those of all routes with the first pattern that matches."""
    matching = [route for route in request.app.routes if route.matches(request.scope)[0] is not Match.NONE]
    same = [route for route in matching if route.path == matching[0].path]
    return sorted({method for route in same for method in getattr(route, "methods", None) or ()})


def _of_storage_error(request: Request, raised: Exception) -> Response:
    """Return the response for a database that does not answer, or a full disk."""
    logger.error("%s %s: the database can't be used: %s", request.method, request.url.path, raised)
    detail = "the database can't be used; wait as many seconds as Retry-After says and send it again"
    return problem_response(Problem.of("unavailable", detail))


def fault_response(request: Request, raised: Exception) -> Response:
    """Return the response for a fault of the console; the log has its traceback."""
    ids = {"error_id": uuid.uuid4().hex[:12], "request_id": request.headers.get("x-request-id")}
    logger.error("internal error %s", ids["error_id"], exc_info=raised, extra=ids)
    detail = f"an unexpected error; the server's log has its cause under the id {ids['error_id']}"
    return problem_response(Problem.of("internal-error", detail).model_copy(update=ids))


HANDLERS = {
    ProblemError: _of_problem_error,
    HTTPException: _of_http_error,
    StorageError: _of_storage_error,
}
