"""Addresses of the review: ``/review``, and the cases and photos below it."""

import datetime as dt
import time
from collections.abc import Iterator
from http import HTTPStatus

from starlette.concurrency import iterate_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.routing import Route

from console.addresses import Address
from console.bodies import read_body, validated
from console.identity import identity, require
from console.problems import error
from console.review import appeals, present, queue, truths
from console.review.appeals import SENDER
from console.review.export import table
from console.review.service import classes, reading, review_of, writing
from console.review.states import not_found
from console.storage import Connection, Row
from pets.class_names import ClassNames
from schemas.review.cases import Case, ExportRange, ReviewAnswer, ReviewFilter

JSON = "application/json"
RECEIPT = "x-receipt"  # header that proves that a photo is the client's
_DAY_S = 86_400


def routes() -> list[Route]:
    """Return the routes of the review."""
    return [
        Route("/review", look, methods=["GET"]),
        Route("/review", take, methods=["POST"]),
        Address("/review/export", export, methods=["GET"]),
        Route("/review/{case}", show, methods=["GET"]),
        Route("/review/{case}", answer, methods=["POST"]),
        Route("/review/{case}", erase, methods=["DELETE"]),
        Route("/review/{case}/photo", photo, methods=["GET"]),
    ]


async def look(request: Request) -> Response:
    """Return the queue: counts, the next cases, and the agreement of reviewers. It changes nothing."""
    who = _reviewer(request)
    chosen = validated(dict(request.query_params), ReviewFilter)
    found = await reading(request, lambda connection: queue.look(connection, who, chosen, time.time()))
    return Response(found.to_json(), media_type=JSON)


async def take(request: Request) -> Response:
    """Give the next case to the reviewer for ten minutes; 204 if none waits."""
    who = _reviewer(request)
    chosen = await read_body(request, ReviewFilter)

    def run(connection: Connection) -> Case | None:
        row = queue.take(connection, who, chosen, time.time())
        return None if row is None else _present(request, connection, row, who)

    found = await writing(request, run)
    return Response(status_code=HTTPStatus.NO_CONTENT) if found is None else Response(found.to_json(), media_type=JSON)


async def show(request: Request) -> Response:
    """Return a case that the reviewer holds or has answered."""
    who, case_id = _reviewer(request), request.path_params["case"]

    def run(connection: Connection) -> Case:
        return _present(request, connection, queue.case_of(connection, case_id, who, time.time()), who)

    return Response((await reading(request, run)).to_json(), media_type=JSON)


async def photo(request: Request) -> Response:
    """Return the photo of a case that the reviewer holds or has answered."""
    who, case_id = _reviewer(request), request.path_params["case"]

    def run(connection: Connection) -> Row:
        return queue.case_of(connection, case_id, who, time.time())

    row = await reading(request, run)
    file = review_of(request).store.file(row["id"])
    if not file.exists():
        raise not_found("the photo is deleted")
    return FileResponse(file, media_type="image/jpeg")


async def answer(request: Request) -> Response:
    """Store an answer, or the skip of a case; the answer counts as the truth about the photo."""
    who, case_id = _reviewer(request), request.path_params["case"]
    given = await read_body(request, ReviewAnswer)

    def run(connection: Connection) -> Case | None:
        nonlocal given
        row = connection.execute("SELECT model FROM review_cases WHERE id = ?", (case_id,)).fetchone()
        if row is not None and given.breed is not None:
            names = classes(request, row["model"])
            given = given.model_copy(update={"breed": names[ClassNames(names).index("breed", given.breed)]})
        stored = queue.answer(connection, case_id, who, given, time.time())
        if given.verdict == "skip":
            return None
        if stored.counts:
            truths.record_answer(connection, stored.case, given, who)
        return _present(request, connection, stored.case, who)

    found = await writing(request, run)
    return Response(status_code=HTTPStatus.NO_CONTENT) if found is None else Response(found.to_json(), media_type=JSON)


async def erase(request: Request) -> Response:
    """Erase all that is stored about an answer: photo, notes, prediction, appeal and true values.

    The role admin may do it, and whoever sends the answer's receipt, which proves that the photo is theirs.
    """
    case_id, review = request.path_params["case"], review_of(request)
    receipt = request.headers.get(RECEIPT)
    if receipt is None:
        who = require(request, "admin").client or ""
    elif review.claims(receipt).id == case_id:
        who = identity(request).client or SENDER
    else:
        raise error("invalid-receipt", f"the receipt is not that of {case_id}")

    def run(connection: Connection) -> bool:
        now = time.time()
        found = [
            review.store.erase(connection, case_id, now),
            queue.erase(connection, case_id, who=who, now=now),
            appeals.erase(connection, case_id, who=who, now=now),
            truths.erase(connection, case_id),
        ]
        return any(found)

    if not await writing(request, run):
        raise not_found("nothing is stored about this answer")
    return Response(status_code=HTTPStatus.NO_CONTENT)


async def export(request: Request) -> Response:
    """Stream the answers of all reviewers as CSV."""
    _reviewer(request)
    chosen = validated(dict(request.query_params), ExportRange)
    since = dt.datetime.combine(chosen.first or dt.date(1970, 1, 1), dt.time(), dt.UTC).timestamp()
    until = dt.datetime.combine(chosen.last or dt.date.max, dt.time(), dt.UTC).timestamp() + _DAY_S
    database = review_of(request).database

    def lines() -> Iterator[str]:
        with database.reading() as connection:
            yield from table(connection, since, until)

    return StreamingResponse(
        iterate_in_threadpool(lines()),
        media_type="text/csv; charset=utf-8",
        headers={"content-disposition": 'attachment; filename="reviews.csv"'},
    )


def _reviewer(request: Request) -> str:
    client = require(request, "review").client
    assert client is not None
    return client


def _present(request: Request, connection: Connection, row: Row, who: str) -> Case:
    has_photo = review_of(request).store.file(row["id"]).exists()
    return present.case(connection, row, who, classes=classes(request, row["model"]), has_photo=has_photo)
