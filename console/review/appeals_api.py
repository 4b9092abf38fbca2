"""Addresses of appeals: ``/appeals``, and each appeal below it.

Whoever has the receipt of an answer can doubt it, and whoever has the token of an appeal can follow it, both without a
key. Reviewers need the role review.
"""

import hmac
import time
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from console.bodies import read_body
from console.identity import identity, require
from console.problems import error
from console.review import appeals, present, truths
from console.review.service import classes, reading, review_of, writing
from console.review.states import not_found
from console.storage import Connection, Row
from pets.class_names import ClassNames
from schemas.review.appeals import Appeal, AppealStep, FiledAppeal, NewAppeal

JSON = "application/json"
TOKEN = "x-appeal-token"  # noqa: S105 - name of the header


class Person(NamedTuple):
    """Client of a request about an appeal.

    Attributes:
        who: name of the client's key, or SENDER.
        is_sender: True if the request has the appeal's token.
        is_reviewer: True if the key has the role review.
        is_admin: True if the key has the role admin.
    """

    who: str
    is_sender: bool
    is_reviewer: bool
    is_admin: bool


def routes() -> list[Route]:
    """Return the routes of appeals."""
    return [
        Route("/appeals", listed, methods=["GET"]),
        Route("/appeals", file, methods=["POST"]),
        Route("/appeals/{case}", show, methods=["GET"]),
        Route("/appeals/{case}", advance, methods=["POST"]),
        Route("/appeals/{case}/photo", photo, methods=["GET"]),
    ]


async def listed(request: Request) -> Response:
    """Return the appeals that wait for a decision."""
    who = require(request, "review").client or ""
    found = await reading(request, lambda connection: present.appeal_list(connection, who, time.time()))
    return Response(found.to_json(), media_type=JSON)


async def file(request: Request) -> Response:
    """Add an appeal, and return its case number and token: 201, or 200 if the same was sent before."""
    given = await read_body(request, NewAppeal)
    review = review_of(request)
    claims = review.claims(given.receipt)
    if given.breed is not None and (names := classes(request, claims.model)):
        given = given.model_copy(update={"breed": names[ClassNames(names).index("breed", given.breed)]})
    who = identity(request).client

    def run(connection: Connection) -> tuple[FiledAppeal, bool]:
        now = time.time()
        row, is_new = appeals.file(connection, given, claims, who=who, due_days=review.appeal_days, now=now)
        return present.filed_appeal(connection, row, now, appeals.token_of(row["id"], _key(request))), is_new

    found, is_new = await writing(request, run)
    return Response(found.to_json(), 201 if is_new else 200, media_type=JSON)


async def show(request: Request) -> Response:
    """Return an appeal: to its sender with the token, or to a reviewer."""
    case, person = request.path_params["case"], _person(request)

    def run(connection: Connection) -> Appeal:
        return _present(request, connection, appeals.find(connection, case), person)

    return Response((await reading(request, run)).to_json(), media_type=JSON)


async def photo(request: Request) -> Response:
    """Return the photo of an appeal to the reviewer that it is assigned to."""
    case, who = request.path_params["case"], require(request, "review").client

    def run(connection: Connection) -> Row:
        row = appeals.find(connection, case)
        if row["assigned_to"] != who or row["state"] != "assigned":
            raise not_found("the photo is for the reviewer that the appeal is assigned to")
        return row

    row = await reading(request, run)
    found = await reading(request, lambda connection: review_of(request).store.find(connection, row["photo"]))
    if found is None:
        raise not_found("no photo is kept, or it is deleted; the sender can send it again with retain=appeal")
    return FileResponse(found, media_type="image/jpeg")


async def advance(request: Request) -> Response:
    """Take a step of an appeal."""
    case, person = request.path_params["case"], _person(request)
    given = await read_body(request, AppealStep)
    if given.action != "withdraw" and not person.is_reviewer:
        require(request, "review")

    def run(connection: Connection) -> Appeal:
        step, row = given, appeals.find(connection, case)
        if step.breed is not None and (names := classes(request, row["model"])):
            step = step.model_copy(update={"breed": names[ClassNames(names).index("breed", step.breed)]})
        row = appeals.advance(
            connection,
            case,
            step,
            who=appeals.SENDER if step.action == "withdraw" else person.who,
            is_sender=person.is_sender,
            is_admin=person.is_admin,
            now=time.time(),
        )
        if step.action == "decide":
            truths.record_decision(connection, row, person.who)
        return _present(request, connection, row, person)

    return Response((await writing(request, run)).to_json(), media_type=JSON)


def _person(request: Request) -> Person:
    """Return the client of a request about an appeal.

    Raises:
        ProblemError: not-found for a wrong token without the role review, as for a number that does not exist.
    """
    found, case = identity(request), request.path_params["case"]
    token = request.headers.get(TOKEN, "")
    is_sender = hmac.compare_digest(token.encode(), appeals.token_of(case, _key(request)).encode())
    is_reviewer = "review" in found.roles and not token
    if not is_sender and not is_reviewer:
        raise appeals.unknown()
    return Person(found.client or appeals.SENDER, is_sender, is_reviewer, "admin" in found.roles)


def _present(request: Request, connection: Connection, row: Row, person: Person) -> Appeal:
    now = time.time()
    if person.is_sender:
        return present.sent_appeal(connection, row, now)
    has_photo = review_of(request).store.find(connection, row["photo"]) is not None
    return present.reviewed_appeal(
        connection, row, person.who, now, classes=classes(request, row["model"]), has_photo=has_photo
    )


def _key(request: Request) -> bytes:
    key = review_of(request).key
    if key is None:
        raise error("invalid-receipt", "this service signs no receipts, so that it has no appeals")
    return key
