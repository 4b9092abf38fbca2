"""Addresses of projects: list, create, look at, change, copy and delete."""

import hashlib
import json
from collections import Counter
from dataclasses import asdict
from http import HTTPStatus

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from console.bodies import read_body
from console.labels.answers import JSON, client_of
from console.labels.opened.news import label_of, last_event
from console.labels.problems import without_paths
from console.labels.service import Labelling, OpenProject, labelling_of
from console.problems import error
from labelling.projects.drawing import request_demonstration
from labelling.projects.labels import CANT_TELL
from labelling.projects.rows import audit_counts
from labelling.projects.store import DEMONSTRATION, Project, Summary
from schemas.labels.audits import AuditCounts
from schemas.labels.projects import (
    EmbeddingProgress,
    LabelProject,
    LabelUse,
    NewProject,
    ProjectChange,
    ProjectCopy,
    ProjectList,
    ProjectSummary,
)
from schemas.review.times import utc


def routes() -> list[Route]:
    """Return the routes of projects."""
    return [
        Route("/labels", look, methods=["GET"]),
        Route("/labels", create, methods=["POST"]),
        Route("/labels/{project}", show, methods=["GET"]),
        Route("/labels/{project}", change, methods=["PATCH"]),
        Route("/labels/{project}", delete, methods=["DELETE"]),
        Route("/labels/{project}/copy", copy, methods=["POST"]),
    ]


async def look(request: Request) -> Response:
    """Return all projects, and the model whose network embeds photos."""
    client_of(request)
    labelling = labelling_of(request)
    await labelling.read_network()
    summaries = await run_in_threadpool(labelling.store.list)
    found = ProjectList(
        projects=[_summary(request, summary) for summary in summaries],
        bundle=labelling.bundle,
        bundle_error=labelling.network_error,
    )
    return Response(found.to_json(), media_type=JSON)


async def create(request: Request) -> Response:
    """Create a project, empty or with photos that are drawn in the process that embeds them."""
    client_of(request)
    labelling, wanted = labelling_of(request), await read_body(request, NewProject)

    def make() -> str:
        project = labelling.store.create(wanted.name, origin=DEMONSTRATION if wanted.demonstration else None)
        if wanted.demonstration:
            request_demonstration(project, wanted.photos)
        project.close()
        return project.id

    return await _made(labelling, await run_in_threadpool(make))


async def show(request: Request) -> Response:
    """Return a project."""
    opened = await labelling_of(request).open(request)
    return await _shown(opened)


async def change(request: Request) -> Response:
    """Rename, archive or restore a project, unless somebody was faster than the ETag in If-Match."""
    labelling = labelling_of(request)
    opened = await labelling.open(request)
    wanted, expected = await read_body(request, ProjectChange), request.headers.get("if-match")

    def run() -> None:
        project = opened.project
        summary = project.summary
        if expected not in (None, "*", _etag(summary)):
            raise error("precondition-failed", f"the project is called {summary.name!r} by now; load it again")
        if wanted.archived is False:
            project.restore()
        if wanted.name is not None:
            project.rename(wanted.name)
        if wanted.archived:
            project.archive()
            labelling.embedding.stop(project.id)
        opened.hub.publish("project", {"name": project.summary.name, "archived": project.summary.archived})

    await run_in_threadpool(run)
    return await _shown(opened)


async def copy(request: Request) -> Response:
    """Copy a project: photos, labels, history and the audit."""
    labelling = labelling_of(request)
    opened = await labelling.open(request)
    wanted = await read_body(request, ProjectCopy)

    def make() -> str:
        project = labelling.store.copy(opened.project.id, wanted.name)
        project.close()
        return project.id

    return await _made(labelling, await run_in_threadpool(make))


async def delete(request: Request) -> Response:
    """Delete a project, even one that can't be opened."""
    client_of(request)
    labelling, project = labelling_of(request), str(request.path_params["project"])

    def run() -> None:
        labelling.embedding.stop(project)
        labelling.bundles.stop(project)
        labelling.store.delete(project)
        labelling.embedding.stop(project)  # it may have been started again until then

    await run_in_threadpool(run)
    labelling.forget(project)
    return Response(status_code=HTTPStatus.NO_CONTENT)


async def _made(labelling: Labelling, project: str) -> Response:
    opened = await labelling.project(project)
    answer = await _shown(opened, HTTPStatus.CREATED)
    answer.headers["location"] = f"/labels/{project}"
    return answer


async def _shown(opened: OpenProject, status: int = HTTPStatus.OK) -> Response:
    people = opened.hub.people()

    def content() -> tuple[bytes, str]:
        return _project(opened, people).to_json(), _etag(opened.project.summary)

    body, etag = await run_in_threadpool(content)
    return Response(body, status, {"etag": etag}, JSON)


def _project(opened: OpenProject, people: list[str]) -> LabelProject:
    project, rows = opened.project, opened.rows()
    summary = project.summary
    used = Counter(shown_labels(project).values())
    return LabelProject(
        id=project.id,
        name=summary.name,
        created=utc(summary.created),
        archived=summary.archived,
        photos=summary.photos,
        labelled=summary.labelled,
        cant_tell=used[CANT_TELL],
        labels=[LabelUse(**label_of(label), photos=used[label.id]) for label in project.labels.list(retired=True)],
        progress=EmbeddingProgress(**opened.progress()._asdict()),
        last_event=last_event(project),
        rows_version=rows.version,
        audit=AuditCounts(**asdict(audit_counts(project))),
        people=people,
    )


def shown_labels(project: Project) -> dict[str, int]:
    """Return the labels of photos that may be seen, by hash; CANT_TELL is one."""
    held = project.audits.current().held
    labels = project.events.labels()
    return {photo: now.label for photo, now in labels.items() if photo not in held and now.label is not None}


def _etag(summary: Summary) -> str:
    """Return a text that changes with all that a client may change of a project."""
    content = json.dumps([summary.id, summary.name, summary.created, summary.archived])
    return f'"{hashlib.sha256(content.encode()).hexdigest()[:16]}"'


def _summary(request: Request, summary: Summary) -> ProjectSummary:
    return ProjectSummary(
        id=summary.id,
        name=summary.name,
        created=utc(summary.created) if summary.error is None else "",
        archived=summary.archived,
        photos=summary.photos,
        labelled=summary.labelled,
        error=None if summary.error is None else without_paths(request, summary.error),
    )
