"""Addresses of exports: tables, tasks of Label Studio, and the folder that a training reads."""

import json
from collections.abc import Callable, Iterator

from starlette.concurrency import iterate_in_threadpool, run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from console.labels.answers import answered, attachment
from console.labels.out.ours import our_predictions
from console.labels.service import OpenProject, labelling_of
from labelling.projects.exchange.archive import zip_export
from labelling.projects.exchange.decisions import decisions
from labelling.projects.exchange.export import plan_export
from labelling.projects.exchange.label_studio import label_studio_config, label_studio_tasks
from labelling.projects.exchange.predictions import imported_predictions
from labelling.projects.exchange.tables import decisions_csv, history_csv, predictions_csv
from schemas.labels.exchange import ExportState

Lines = Callable[[OpenProject], Iterator[str | bytes]]
_CSV, _ENOUGH = "text/csv; charset=utf-8", 64 << 10


def routes() -> list[Route]:
    """Return the routes of exports."""
    files: dict[str, tuple[str, Lines]] = {
        "labels.csv": (_CSV, lambda opened: decisions_csv(decisions(opened.project, our_predictions(opened)))),
        "history.csv": (_CSV, lambda opened: history_csv(opened.project)),
        "predictions.csv": (_CSV, _predictions),
        "label-studio.json": ("application/json", _tasks),
        "label-studio.xml": ("application/xml", _interface),
        "photos.zip": ("application/zip", lambda opened: zip_export(plan_export(opened.project))),
    }
    return [
        Route("/labels/{project}/export", look, methods=["GET"]),
        *(_file(name, kind, lines) for name, (kind, lines) in files.items()),
    ]


async def look(request: Request) -> Response:
    """Return what an export would have and lack now."""

    def state(opened: OpenProject) -> ExportState:
        plan = plan_export(opened.project)
        return ExportState(
            missing=plan.missing,
            warnings=plan.warnings,
            train=plan.count("train"),
            valid=plan.count("valid"),
            blind=plan.blind,
            labels=sorted(plan.folders),
            other_models=list(imported_predictions(opened.project)),
        )

    return await answered(request, state)


def _file(name: str, kind: str, lines: Lines) -> Route:
    async def endpoint(request: Request) -> Response:
        """Stream a file. What prevents it is found before the first piece, and is answered as a problem."""
        opened = await labelling_of(request).open(request)
        pieces = await run_in_threadpool(lambda: _begun(lines(opened)))
        return StreamingResponse(
            iterate_in_threadpool(pieces), media_type=kind, headers=attachment(f"{opened.project.id}-{name}")
        )

    return Route(f"/labels/{{project}}/export/{name}", endpoint, methods=["GET"])


def _begun(lines: Iterator[str | bytes]) -> Iterator[bytes]:
    """Return pieces of a useful size, the first of which is made already."""
    pieces = _joined(lines)
    first = next(pieces, b"")

    def rest() -> Iterator[bytes]:
        yield first
        yield from pieces

    return rest()


def _joined(lines: Iterator[str | bytes]) -> Iterator[bytes]:
    """Join short lines, since each piece costs a change of threads."""
    waiting, size = [], 0
    for line in lines:
        piece = line.encode() if isinstance(line, str) else line
        waiting.append(piece)
        size += len(piece)
        if size >= _ENOUGH:
            yield b"".join(waiting)
            waiting, size = [], 0
    if waiting:
        yield b"".join(waiting)


def _predictions(opened: OpenProject) -> Iterator[str]:
    models = [our_predictions(opened), *imported_predictions(opened.project).values()]
    return predictions_csv(decisions(opened.project), models)


def _tasks(opened: OpenProject) -> Iterator[str]:
    tasks = label_studio_tasks(opened.project, predictions=our_predictions(opened))
    return json.JSONEncoder(indent=1).iterencode(tasks)


def _interface(opened: OpenProject) -> Iterator[str]:
    yield label_studio_config(label.name for label in opened.project.labels.list())
