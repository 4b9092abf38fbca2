"""Addresses of the catalogue: models, model cards, stores and past sales, for whoever may ask for predictions."""

import asyncio
from collections.abc import Callable

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from console.catalogue import Bundles, card_of, models_of, panel_of
from console.identity import require
from console.settings import Settings
from console.stores import history_of, stores_of
from schemas.problems import invalid_field


def routes() -> list[Route]:
    """Return the routes, which all read and change nothing."""
    return [
        _route("/console/api/models", _models),
        _route("/console/api/models/{name}/card", lambda bundles, request: card_of(bundles, _name(request))),
        _route("/console/api/sales/{name}/stores", _stores),
        _route("/console/api/sales/{name}/history", _history),
    ]


def _route(path: str, answer: Callable[[Bundles, Request], BaseModel]) -> Route:
    async def endpoint(request: Request) -> Response:
        require(request, "predict")
        # In a thread, because reading a large bundle takes seconds.
        found = await asyncio.to_thread(answer, request.app.state.settings.bundles, request)
        return Response(found.model_dump_json(), media_type="application/json")

    return Route(path, endpoint, methods=["GET"])


def _models(bundles: Bundles, request: Request) -> BaseModel:
    settings: Settings = request.app.state.settings
    return models_of(bundles, settings.retention_days if settings.keep_for_review else None)


def _stores(bundles: Bundles, request: Request) -> BaseModel:
    return stores_of(*panel_of(bundles, _name(request)))


def _history(bundles: Bundles, request: Request) -> BaseModel:
    store, first, last = (_parameter(request, name) for name in ("store", "first", "last"))
    return history_of(*panel_of(bundles, _name(request)), store, first, last)


def _parameter(request: Request, name: str) -> str:
    if name not in request.query_params:
        raise invalid_field(name, detail="required, but missing")
    return request.query_params[name]


def _name(request: Request) -> str:
    return str(request.path_params["name"])
