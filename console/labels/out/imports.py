"""Addresses of imports: labels from tables and Label Studio, and predictions of other models beside our own."""

from collections.abc import Mapping

import numpy as np
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from console.labels.answers import JSON, answered, client_of
from console.labels.out.ours import our_predictions
from console.labels.service import OpenProject, labelling_of
from console.problems import error
from labelling.learning.audit import estimate
from labelling.projects.errors import UnknownError
from labelling.projects.exchange.decisions import Prediction, decisions
from labelling.projects.exchange.imports import import_csv, import_label_studio
from labelling.projects.exchange.predictions import forget_predictions, import_predictions, imported_predictions
from labelling.projects.rows import AuditRows, audit_rows
from schemas.labels.exchange import (
    MAX_IMPORT,
    AuditedShare,
    Disagreement,
    Disagreements,
    Guess,
    Imported,
    OtherModel,
    OtherModels,
)
from schemas.problems import invalid_field

_SHOWN, _SHOWN_PHOTOS = 20, 200
_WRONG = 1 << 40  # number of a label that the project does not have


def routes() -> list[Route]:
    """Return the routes of imports."""
    return [
        Route("/labels/{project}/import", look, methods=["GET"]),
        Route("/labels/{project}/import", add, methods=["POST"]),
        Route("/labels/{project}/import", forget, methods=["DELETE"]),
        Route("/labels/{project}/import/disagreements", disagreements, methods=["GET"]),
    ]


async def add(request: Request) -> Response:
    """Import labels or predictions from the body."""
    who, opened = client_of(request), await labelling_of(request).open(request)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    what = request.query_params.get("what", "labels")
    if what not in ("labels", "predictions"):
        raise invalid_field("what", value=what, detail="must be labels or predictions")
    if kind != "text/csv" and (kind != "application/json" or what == "predictions"):
        others = "" if what == "predictions" else ", or tasks of Label Studio as application/json"
        raise error("unsupported-media-type", f"send a table with the header Content-Type: text/csv{others}")
    body = await _body(request)

    def run() -> bytes:
        project, text = opened.project, _text(body)
        if what == "predictions":
            predicted = import_predictions(project, text, model=request.query_params.get("model", ""))
            outcome = Imported(imported=sum(predicted.models.values()), models=sorted(predicted.models))
            return _with_unknown(outcome, predicted.unknown)
        labelled = (import_csv if kind == "text/csv" else import_label_studio)(project, text, who=who)
        opened.news.publish_saved()
        outcome = Imported(
            imported=labelled.changed, same=labelled.same, blind=labelled.blind, new_labels=[*labelled.created]
        )
        return _with_unknown(outcome, labelled.unknown)

    return Response(await run_in_threadpool(run), media_type=JSON)


async def look(request: Request) -> Response:
    """Return the models whose predictions were imported, compared with the project's classifier and its audit."""

    def models(opened: OpenProject) -> OtherModels:
        found = imported_predictions(opened.project)
        ours = our_predictions(opened) if found else {}
        return OtherModels(models=[_compared(opened, name, theirs, ours) for name, theirs in found.items()])

    return await answered(request, models)


async def forget(request: Request) -> Response:
    """Delete the imported predictions of a model."""
    opened, model = await labelling_of(request).open(request), _model(request)
    await run_in_threadpool(forget_predictions, opened.project, model)
    return Response(status_code=204)


async def disagreements(request: Request) -> Response:
    """Return the seen photos for which two models predict different labels, those that both are surest about first."""
    client_of(request)
    model = _model(request)

    def found(opened: OpenProject) -> Disagreements:
        theirs = imported_predictions(opened.project).get(model)
        if theirs is None:
            raise UnknownError(f"model: there are no predictions of {model!r} in the project; list the models")
        ours = our_predictions(opened)
        rows = {row.photo.sha256: row for row in decisions(opened.project) if row.split == "train"}
        pairs = [
            (min(mine.probability, theirs[photo].probability), photo)
            for photo, mine in ours.items()
            if photo in theirs and photo in rows and not _is_same(mine, theirs[photo])
        ]
        return Disagreements(
            count=len(pairs),
            photos=[
                Disagreement(
                    sha256=photo,
                    name=rows[photo].photo.name,
                    ours=_guess(ours[photo]),
                    theirs=_guess(theirs[photo]),
                    given=rows[photo].label or None,
                )
                for _, photo in sorted(pairs, reverse=True)[:_SHOWN_PHOTOS]
            ],
        )

    return await answered(request, found)


async def _body(request: Request) -> bytearray:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_IMPORT:
            raise error("too-large", f"the file has more than {MAX_IMPORT:,} bytes; import it in parts")
    return body


def _text(body: bytearray) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as failed:
        raise error("malformed-request", f"the file is no UTF-8 ({failed.reason}); save it as UTF-8") from None


def _with_unknown(outcome: Imported, unknown: tuple[str, ...]) -> bytes:
    some = [key[:200] for key in unknown[:_SHOWN]]
    return outcome.model_copy(update={"unknown": some, "unknown_count": len(unknown)}).to_json()


def _model(request: Request) -> str:
    model = request.query_params.get("model")
    if not model:
        raise invalid_field("model", detail="required, but missing")
    return model


def _compared(
    opened: OpenProject, name: str, theirs: Mapping[str, Prediction], ours: Mapping[str, Prediction]
) -> OtherModel:
    project = opened.project
    numbers = {label.name.casefold(): label.id for label in project.labels.list()}
    held = project.audits.current().held
    both = [photo for photo in ours if photo in theirs and photo not in held]
    audit = audit_rows(project)
    kept = np.array([photo in theirs for photo in audit.photos], np.bool_)
    photos = [photo for photo in audit.photos if photo in theirs]
    predicted = np.array([numbers.get(theirs[photo].label.casefold(), _WRONG) for photo in photos], np.int64)
    return OtherModel(
        name=name,
        photos=len(theirs),
        strange=sorted({guess.label for guess in theirs.values() if guess.label.casefold() not in numbers})[:_SHOWN],
        compared=len(both),
        agreed=sum(_is_same(ours[photo], theirs[photo]) for photo in both),
        audit=_audited(AuditRows(tuple(photos), audit.answers[kept]), predicted),
    )


def _audited(audit: AuditRows, predicted: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> AuditedShare:
    if not len(audit.photos):
        return AuditedShare(right=0, answers=0, share=None, low=None, high=None)
    found = estimate(audit.answers, predicted)
    low, high = (None, None) if found.interval is None else found.interval
    return AuditedShare(right=found.right, answers=found.answers, share=found.share, low=low, high=high)


def _is_same(one: Prediction, other: Prediction) -> bool:
    return one.label.casefold() == other.label.casefold()


def _guess(prediction: Prediction) -> Guess:
    return Guess(label=prediction.label, probability=prediction.probability)
