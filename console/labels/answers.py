"""Answers of labelling, and the parts of addresses that are read in the same way everywhere."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from console.identity import require
from console.labels.service import OpenProject, labelling_of
from schemas.labels.parts import LabelAnswer
from schemas.problems import invalid_field

JSON = "application/json"
MAX_BODY = 8 << 20  # bytes; 50,000 photos take 3.4 MB

Answer = TypeVar("Answer", bound=LabelAnswer)


def client_of(request: Request) -> str:
    """Return the name of the client, which has the role label."""
    client = require(request, "label").client
    assert client is not None
    return client


async def answered(
    request: Request,
    run: Callable[[OpenProject], LabelAnswer],
    *,
    status: int = HTTPStatus.OK,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return the answer that a function makes of the request's project, in a thread."""
    opened = await labelling_of(request).open(request)

    def content() -> bytes:
        return run(opened).to_json()

    return Response(await run_in_threadpool(content), status, headers, JSON)


async def written(
    request: Request, run: Callable[[OpenProject], LabelAnswer], *, status: int = HTTPStatus.OK
) -> Response:
    """Return the answer of a function that changes the request's project, and send the news to those who look at it."""

    def write(opened: OpenProject) -> LabelAnswer:
        answer = run(opened)
        opened.news.publish_saved()
        return answer

    return await answered(request, write, status=status)


def number_of(request: Request, name: str, *, least: int, most: int, default: int) -> int:
    """Return a number of the query.

    Raises:
        ProblemError: if it is none, or out of range.
    """
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) < 17 and least <= int(text) <= most):
        raise invalid_field(name, value=text, detail=f"must be a whole number from {least} to {most}")
    return int(text)


def attachment(name: str) -> dict[str, str]:
    """Return the header by which a browser saves an answer under a name."""
    return {"content-disposition": f'attachment; filename="{name}"'}
