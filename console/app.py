"""The application: routes of all parts, the database, and the guard before them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from console import catalogue_api, pages, session
from console.feedback import endpoints as feedback
from console.feedback.answers import AnswerCounter
from console.feedback.metrics import FeedbackCollector
from console.identity import Guard
from console.labels import api as labels
from console.labels.problems import HANDLERS as LABEL_HANDLERS
from console.labels.service import Labelling
from console.metrics import REGISTRY
from console.problems import HANDLERS
from console.review import api as review
from console.review import appeals_api
from console.review.metrics import ReviewCollector
from console.review.service import Review
from console.settings import Settings
from console.storage import open_database


def create_app(settings: Settings) -> Starlette:
    """Return the application.

    Its state has ``settings``, which a reload replaces, ``database``, ``review``,
    ``labelling`` and ``metrics``.

    Raises:
        StorageError: if the database can't be opened.
        ProjectError: if the folder of the labelling projects can't be made.
    """
    database = open_database(settings.data, settings.database)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        counter = AnswerCounter(database, settings.metrics) if settings.metrics else None
        if counter:
            counter.start()
        try:
            with app.state.review.running():
                async with app.state.labelling.running():
                    yield
        finally:
            if counter:
                counter.stop()
            database.close()

    app = Starlette(
        routes=[
            Route("/healthz", health),
            Route("/metrics", metrics),
            *session.routes(),
            *catalogue_api.routes(),
            *review.routes(),
            *appeals_api.routes(),
            *feedback.routes(),
            *labels.routes(),
            *pages.routes(pages.read_assets()),
        ],
        middleware=[Middleware(Guard, options=settings)],
        exception_handlers={**HANDLERS, **LABEL_HANDLERS},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    app.state.settings, app.state.database = settings, database
    app.state.review = Review(settings, database)
    app.state.labelling = Labelling(lambda: app.state.settings)
    app.state.metrics = CollectorRegistry()
    app.state.metrics.register(ReviewCollector(app.state.review))
    app.state.metrics.register(FeedbackCollector(database, lambda: app.state.settings))
    return app


async def health(_: Request) -> Response:
    """Answer `shopcat serve`, which asks on the socket; the gateway does not pass this address on."""
    return Response(b"ok", media_type="text/plain")


def metrics(request: Request) -> Response:
    """Return the console's metrics for the service's exporter, which asks on the socket too."""
    found = generate_latest(REGISTRY) + generate_latest(request.app.state.metrics)
    return Response(found, media_type=CONTENT_TYPE_LATEST)
