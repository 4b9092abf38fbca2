"""Addresses of feedback: send true values, read what they say, export and delete them."""

import datetime as dt
from collections.abc import Callable
from http import HTTPStatus
from typing import TypeVar

from pydantic import TypeAdapter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Scope

from console.addresses import Address
from console.feedback.pets import take_pets
from console.feedback.receipts import Verifier
from console.feedback.sales import take_sales
from console.feedback.service import BUNDLES, DAYS, KINDS, report
from console.feedback.stored import delete
from console.feedback.tables import as_csv
from console.identity import Identity, require
from console.problems import error
from console.settings import Settings
from console.storage import Database
from runtime.bundle import kind_of
from runtime.receipts import read_key
from schemas.feedback.answer import PetsFeedbackResults, SalesFeedbackResults
from schemas.feedback.parse import parse_pets, parse_sales
from schemas.problems import invalid_field
from schemas.sales.request import Day

_JSON = "application/json"
_MAX_DAYS = 3650
_DAY: TypeAdapter[dt.date] = TypeAdapter(Day)

Value = TypeVar("Value")


def routes() -> list[Route]:
    """Return the routes of feedback."""
    return [
        Address("/feedback/export", export, methods=["GET"]),
        _Model("/feedback/{name}", send_or_show, methods=["GET", "POST"]),
        Route("/feedback/{id}", erase, methods=["DELETE"]),
    ]


class _Model(Address):
    """Route of the models' addresses; the other methods of a name that no model has are those of a true value."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match the name of a served model with any method, and another name with those of the route."""
        match, child = super().matches(scope)
        if match is Match.FULL and scope["method"] not in (self.methods or ()):
            is_served = child["path_params"]["name"] in scope["app"].state.settings.bundles
            return (match, child) if is_served else (Match.NONE, {})
        return match, child


async def send_or_show(request: Request) -> Response:
    """Store true values, or return what they say about a model."""
    return await (send if request.method == "POST" else show)(request)


async def send(request: Request) -> Response:
    """Store true values."""
    found, name = require(request, "predict"), request.path_params["name"]
    settings, database = _state(request)
    kind = _kind(settings, name)
    body, content_type = await request.body(), request.headers.get("content-type", "")
    take = _take_sales if kind == "sales" else _take_pets
    results = await run_in_threadpool(take, database, settings, name, body, content_type, found)
    return Response(results.to_json(), media_type=_JSON)


def _take_sales(
    database: Database, settings: Settings, name: str, body: bytes, content_type: str, sender: Identity
) -> SalesFeedbackResults:
    folder, client = settings.bundles[name], sender.client
    assert client is not None
    verifier = _verifier(settings, name)
    entries = parse_sales(body, content_type)
    return take_sales(database, entries, verifier, lambda: BUNDLES.forecaster(folder), client)


def _take_pets(
    database: Database, settings: Settings, name: str, body: bytes, content_type: str, sender: Identity
) -> PetsFeedbackResults:
    client = sender.client
    assert client is not None
    verifier = _verifier(settings, name)
    entries = parse_pets(body, content_type)
    classes = [breed.name for breed in BUNDLES.pets(settings.bundles[name]).classes]
    return take_pets(database, entries, verifier, classes, client, reviews="review" in sender.roles)


async def show(request: Request) -> Response:
    """Return what the true values say about a model."""
    require(request, "predict")
    settings, database = _state(request)
    name = request.path_params["name"]
    _kind(settings, name)
    asked = _query(request, "days", int, f"a whole number from 1 to {_MAX_DAYS}")
    days = DAYS if asked is None else asked
    if not 1 <= days <= _MAX_DAYS:
        raise invalid_field("days", value=days, detail=f"must be a whole number from 1 to {_MAX_DAYS}")
    found = await run_in_threadpool(report, database, settings.bundles, name, days)
    return Response(found.to_json(), media_type=_JSON)


async def export(request: Request) -> Response:
    """Return the true values of a model as a table."""
    require(request, "review")
    settings, database = _state(request)
    name = request.query_params.get("model", "")
    kind = _kind(settings, name)
    date = "a date like 2026-11-28"
    first = _query(request, "from", _DAY.validate_python, date) or dt.date(1970, 1, 1)
    last = _query(request, "to", _DAY.validate_python, date) or dt.date.max
    since, until = _seconds(first), _seconds(last) + 86_400

    def table() -> str:
        with database.reading() as connection:
            return "".join(as_csv(connection, kind, name, since, until))

    headers = {"content-disposition": f'attachment; filename="feedback-{name}.csv"'}
    return Response(await run_in_threadpool(table), headers=headers, media_type="text/csv")


async def erase(request: Request) -> Response:
    """Delete true values: those that the client sent, or any with the role admin."""
    found, value = require(request, "predict"), request.path_params["id"]
    _, database = _state(request)
    client = None if "admin" in found.roles else found.client

    def deleted() -> int:
        with database.transaction() as connection:
            return delete(connection, value, client)

    if not await run_in_threadpool(deleted):
        raise error(
            "not-found", "no value that you alone sent has this id; it is the id in the answer to your feedback"
        )
    return Response(status_code=HTTPStatus.NO_CONTENT)


def _verifier(settings: Settings, name: str) -> Verifier:
    return Verifier(read_key(settings.receipt_key) if settings.receipt_key else None, name)


def _state(request: Request) -> tuple[Settings, Database]:
    return request.app.state.settings, request.app.state.database


def _kind(settings: Settings, name: str) -> str:
    """Return the kind of a served model.

    Raises:
        ProblemError: if there is no such model, or none that takes feedback.
    """
    folder = settings.bundles.get(name)
    kind = kind_of(folder) if folder is not None else ""
    if kind not in KINDS:
        served = ", ".join(name for name, path in settings.bundles.items() if kind_of(path) in KINDS)
        raise error("not-found", f"no model that takes feedback has the name {name!r}; these do: {served or 'none'}")
    return kind


def _query(request: Request, name: str, read: Callable[[str], Value], form: str) -> Value | None:
    """Return a parameter of the query; None if it is absent."""
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        return read(text)
    except ValueError:
        raise invalid_field(name, value=text, detail=f"must be {form}") from None


def _seconds(day: dt.date) -> int:
    return int(dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC).timestamp())
