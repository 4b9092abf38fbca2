"""Addresses of labels and of the events that give them to photos, with undo, redo and history."""

import re
from http import HTTPStatus

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from console.bodies import read_body
from console.labels.answers import MAX_BODY, answered, client_of, number_of, written
from console.labels.opened.news import label_of, last_event, shown, shown_history
from console.labels.projects import shown_labels
from console.labels.service import OpenProject, labelling_of
from labelling.features.spaces import BY_NAME
from labelling.projects.events import Batch
from labelling.projects.labels import Label
from schemas.labels.marks import (
    MOST_EVENTS,
    GivenLabels,
    LabelBatch,
    LabelChange,
    LabelEvent,
    LabelHistory,
    LabelMerge,
    LabelName,
    LabelState,
    Merged,
    NewLabel,
)
from schemas.labels.parts import MAX_NUMBER
from schemas.problems import invalid_field
from schemas.review.times import utc


def routes() -> list[Route]:
    """Return the routes of labels and events."""
    return [
        Route("/labels/{project}/labels", create, methods=["POST"]),
        Route("/labels/{project}/labels/{label:int}", change, methods=["PATCH"]),
        Route("/labels/{project}/labels/{label:int}", retire, methods=["DELETE"]),
        Route("/labels/{project}/labels/{label:int}/merge", merge, methods=["POST"]),
        Route("/labels/{project}/state", state, methods=["GET"]),
        Route("/labels/{project}/events", history, methods=["GET"]),
        Route("/labels/{project}/events", label, methods=["POST"]),
        Route("/labels/{project}/undo", undo, methods=["POST"]),
        Route("/labels/{project}/redo", redo, methods=["POST"]),
    ]


async def create(request: Request) -> Response:
    """Create a label, or bring a retired one of that name back."""
    client_of(request)
    wanted = await read_body(request, NewLabel)

    def run(opened: OpenProject) -> LabelName:
        return _name(opened.project.labels.create(wanted.name, wanted.colour))

    return await written(request, run, status=HTTPStatus.CREATED)


async def change(request: Request) -> Response:
    """Give a label another name, another colour, or both."""
    client_of(request)
    number, wanted = _number(request), await read_body(request, LabelChange)

    def run(opened: OpenProject) -> LabelName:
        labels = opened.project.labels
        found = None if wanted.name is None else labels.rename(number, wanted.name)
        found = found if wanted.colour is None else labels.recolour(number, wanted.colour)
        assert found is not None  # the request has one of the two
        return _name(found)

    return await written(request, run)


async def merge(request: Request) -> Response:
    """Give the photos of a label another one, and retire the label."""
    who, number = client_of(request), _number(request)
    wanted = await read_body(request, LabelMerge)

    def run(opened: OpenProject) -> Merged:
        return Merged(photos=opened.project.labels.merge(number, wanted.into, who=who))

    return await written(request, run)


async def retire(request: Request) -> Response:
    """Stop a label from being given."""
    opened, number = await labelling_of(request).open(request), _number(request)

    def run() -> None:
        opened.project.labels.retire(number)
        opened.news.publish_saved()

    await run_in_threadpool(run)
    return Response(status_code=HTTPStatus.NO_CONTENT)


async def state(request: Request) -> Response:
    """Return the labels of all photos that may be seen."""

    def run(opened: OpenProject) -> LabelState:
        # The number first: labels that come in between are sent again, and none is missed.
        return LabelState(last_event=last_event(opened.project), labels=shown_labels(opened.project))

    return await answered(request, run)


async def label(request: Request) -> Response:
    """Give photos a label, in one batch."""
    who = client_of(request)
    given = await read_body(request, GivenLabels, most=MAX_BODY)
    if given.space is not None and given.space not in BY_NAME:
        raise invalid_field("space", value=given.space, detail=f"must be one of {', '.join(BY_NAME)}")
    if given.negatives and given.label is None:
        raise invalid_field("negatives", detail="needs a label that the photos are refused for")

    def run(opened: OpenProject) -> LabelBatch:
        refused = {} if given.label is None else dict.fromkeys(given.negatives, given.label)
        labels = dict.fromkeys(given.photos, given.label)
        batch = opened.project.events.label(labels, who=who, how=given.how, space=given.space, refused=refused)
        return _batch(opened, batch, given.since)

    return await written(request, run)


async def undo(request: Request) -> Response:
    """Undo the client's last batch."""
    who = client_of(request)
    return await written(request, lambda opened: _batch(opened, opened.project.events.undo(who)))


async def redo(request: Request) -> Response:
    """Redo the batch that the client undid last."""
    who = client_of(request)
    return await written(request, lambda opened: _batch(opened, opened.project.events.redo(who)))


async def history(request: Request) -> Response:
    """Return the events of labels, oldest first, without the answers of the audit."""
    client_of(request)
    after = number_of(request, "after", least=0, most=MAX_NUMBER, default=0)
    most = number_of(request, "most", least=1, most=MOST_EVENTS, default=MOST_EVENTS)
    photo = request.query_params.get("photo")
    if photo is not None and not re.fullmatch("[0-9a-f]{64}", photo):
        raise invalid_field("photo", value=photo, detail="must be the SHA-256 of a photo, hexadecimal")

    def run(opened: OpenProject) -> LabelHistory:
        events = shown_history(opened.project, photo=photo, after=after, most=most)
        return LabelHistory(events=[LabelEvent(**{**event._asdict(), "time": utc(event.time)}) for event in events])

    return await answered(request, run)


def _batch(opened: OpenProject, batch: Batch | None, since: int | None = None) -> LabelBatch:
    """Return a batch, with the labels of others that are later than an event that the page knows."""
    project = opened.project
    if batch is None:
        return LabelBatch(batch=None, last_event=last_event(project), labels={}, held_back=0)
    labels = dict(batch.labels)
    if since is not None:
        events = project.events.history(after=since)
        labels |= {event.photo: event.label for event in shown(project, events) if event.id <= batch.last_event}
    held = project.audits.current().held
    return LabelBatch(
        batch=batch.id,
        last_event=batch.last_event,
        labels={photo: number for photo, number in labels.items() if photo not in held},
        held_back=len(held & batch.labels.keys()),
    )


def _name(found: Label) -> LabelName:
    return LabelName(**label_of(found))


def _number(request: Request) -> int:
    return min(int(request.path_params["label"]), MAX_NUMBER)
