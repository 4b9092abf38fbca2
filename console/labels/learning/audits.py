"""The audit of a project: the next photo to answer blind, and the estimate of accuracy from the answers."""

import math
from contextlib import suppress
from dataclasses import asdict

import numpy as np

from console.labels.learning.training import Trained
from labelling.learning.arrays import UNLABELLED, Labels
from labelling.learning.audit import KNOWN_FROM, Estimate, Share, estimate
from labelling.projects.errors import ArchivedError, ProjectError
from labelling.projects.models import Models
from labelling.projects.rows import AuditCounts, AuditRows, audit_counts, audit_rows
from labelling.projects.store import Project
from schemas.labels.audits import AuditedLabel, AuditFigure, AuditState
from schemas.labels.checks import BlindPhoto, NextPhoto

_UNSEEN = "The accuracy is known: POST /audit/figure returns it, and counts that somebody has seen it."
EVERY, DUE = 20, 5  # labels after which audit photos are due, and their number


def next_photo(project: Project) -> NextPhoto:
    """Return the next photo of the audit that can be shown. Nothing is said about its label or prediction."""
    decoded = {photo.sha256 for photo in project.photos if photo.state == "ok"}
    waiting = [photo for photo in audit_rows(project).open if photo in decoded]
    return NextPhoto(photo=BlindPhoto(sha256=waiting[0]) if waiting else None, waiting=len(waiting))


def answer(project: Project, who: str, photo: str, label: int) -> None:
    """Store a blind answer.

    Raises:
        ProjectError: if the audit does not ask about the photo.
    """
    if photo not in project.audits.current().asked:
        raise ProjectError(f"photo: the audit does not ask about {photo}; ask for the next photo")
    project.events.label({photo: label}, who=who, how="audit")


def audit_state(project: Project, trained: Trained, models: Models, *, look: bool = False) -> AuditState:
    """Return the state of the audit of a project.

    Args:
        project: the project.
        trained: classifier of the labels of now.
        models: models of the project.
        look: return the figure, and count that somebody has seen it. Otherwise only a figure is returned that somebody
            has seen before, or that of an archived project.
    """
    audit = audit_rows(project)
    known, components = trained.rows.held_back(trained.space, audit.photos)
    predicted = np.full(len(audit.photos), UNLABELLED)
    predicted[known] = trained.classifier.predict(components).labels
    labelled = int((trained.rows.labels != UNLABELLED).sum())
    found = state(audit, predicted, labelled=labelled, counts=audit_counts(project), looks=models.looks())
    if found.figure is None:
        return found
    if look:
        with suppress(ArchivedError):
            models.judge(models.record(trained.rows, trained.figures).id)
    elif not project.summary.archived and not models.was_judged(trained.rows, trained.figures):
        return found.model_copy(update={"figure": None, "text": _UNSEEN})
    return found.model_copy(update={"looks": models.looks()})


def state(audit: AuditRows, predicted: Labels, *, labelled: int, counts: AuditCounts, looks: int) -> AuditState:
    """Return the state of the audit.

    Args:
        audit: photos of the audit with their answers.
        predicted: prediction for each of them; UNLABELLED for none.
        labelled: number of other photos with an answer.
        counts: counts of the photos that are held back.
        looks: number of models of which somebody has seen the figure.
    """
    found = estimate(audit.answers, predicted, looks=looks)
    answered = len(audit.photos) - found.open
    due = min(found.open, max(0, DUE * (labelled // EVERY) - answered))
    return AuditState(
        **asdict(counts) | {"asked": len(audit.photos), "answered": answered},
        open=found.open,
        cant_tell=found.cant_tell,
        due=due > 0,
        due_photos=due,
        looks=looks,
        figure=_figure(found),
        text=_text(found, trained=bool(np.any(predicted != UNLABELLED))),
    )


def _figure(found: Estimate) -> AuditFigure | None:
    if found.share is None or found.interval is None:
        return None
    return AuditFigure(
        right=found.right,
        answers=found.answers,
        share=round(found.share, 4),
        low=round(found.interval.low, 4),
        high=round(found.interval.high, 4),
        by_label=[_of_label(label, share) for label, share in found.by_label.items()],
    )


def _of_label(label: int, found: Share) -> AuditedLabel:
    low, high = (None, None) if found.interval is None else (round(end, 4) for end in found.interval)
    share = None if found.share is None else round(found.share, 4)
    return AuditedLabel(label=label, right=found.right, answers=found.answers, share=share, low=low, high=high)


def _text(found: Estimate, *, trained: bool) -> str:
    """Return the estimate as a sentence."""
    if found.share is not None and found.interval is not None:
        share, low = (math.floor(100 * value + 1e-9) for value in (found.share, found.interval.low))
        high = math.ceil(100 * found.interval.high - 1e-9)
        # Rounded outwards: 199 of 200 are not 100 %.
        figure = f"{share} % accuracy, and with 95 % confidence between {low} % and {high} %"
        return f"{found.right} of {found.answers} right: {figure}."
    if not trained:
        return "The accuracy is not yet known: give photos two labels first."
    missing = KNOWN_FROM - found.answers
    if found.open < missing:
        return (
            f"The accuracy is not yet known: it needs {KNOWN_FROM} answers, and the audit has {found.answers} with "
            f"{found.open} open. Add photos."
        )
    photos = "photo" if missing == 1 else "photos"
    return f"The accuracy is not yet known: answer {missing} more audit {photos}."
