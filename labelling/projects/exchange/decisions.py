"""Decisions about the photos of a project, as they leave it: label, who and how, side of the split, and prediction."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from labelling.projects.labels import CANT_TELL
from labelling.projects.photos import StoredPhoto
from labelling.projects.store import Project


class Prediction(NamedTuple):
    """Prediction of a photo's label.

    Attributes:
        label: name of the label.
        probability: its probability, 0 to 1.
        model: name of the model.
    """

    label: str
    probability: float
    model: str


class Decision(NamedTuple):
    """Decision about a photo.

    Attributes:
        photo: the photo.
        state: ``label``, ``can't tell``, ``unlabelled``, or ``broken`` for a photo that can't be decoded.
        label: name of the label; empty without one.
        who: name of the person who gave it.
        time: when it was given, seconds since 1970; None if it was not.
        how: how it was given.
        split: ``valid`` for a photo of the audit and its near duplicates, otherwise ``train``.
        trainable: True for a labelled photo that a folder for training has. A held-back photo is one if its label is a
            blind answer or was imported.
        prediction: prediction of a model.
    """

    photo: StoredPhoto
    state: str
    label: str
    who: str
    time: float | None
    how: str
    split: str
    trainable: bool
    prediction: Prediction | None


def decisions(project: Project, predictions: Mapping[str, Prediction] | None = None) -> list[Decision]:
    """Return the decision about each photo, oldest photo first.

    Args:
        project: the project.
        predictions: predictions of a model, by hash.
    """
    names = {label.id: label.name for label in project.labels.list(retired=True)}
    events = {event.id: event for event in project.events.history()}
    current = project.events.labels()
    held = project.audits.current().held
    found = []
    for photo in project.photos:
        now = current.get(photo.sha256)
        event = None if now is None or now.event is None else events[now.event]
        split = "valid" if photo.sha256 in held else "train"
        label = "" if event is None else names.get(event.label or CANT_TELL, "")
        state = "label" if label else "unlabelled" if event is None else "can't tell"
        how = "" if now is None or now.how is None else now.how
        found.append(
            Decision(
                photo,
                "broken" if photo.state == "broken" else state,
                label,
                "" if event is None else event.who,
                None if event is None else event.time,
                how,
                split,
                bool(label) and photo.state != "broken" and (split == "train" or how in ("audit", "import")),
                (predictions or {}).get(photo.sha256),
            )
        )
    return found


# Columns of the table of decisions and of the history.
_DECISION = ["sha256", "name", "state", "label", "folder", "split", "who", "time", "how"]
_PREDICTION = ["prediction", "probability", "model"]
_EVENT = ["event", "time", "who", "batch", "sha256", "name", "label", "how", "space"]


def decisions_csv(rows: list[Decision], folders: Mapping[str, str] | None = None) -> str:
    """Return a table of decisions as CSV text, with a line for each photo.

    Args:
        rows: the decisions.
        folders: name of the folder of each label, if there are folders.
    """
    lines = [
        (
            row.photo.sha256,
            row.photo.name,
            row.state,
            row.label,
            (folders or {}).get(row.label, "") if row.trainable else "",
            row.split,
            row.who,
            "" if row.time is None else iso_time(row.time),
            row.how,
            *(("", "", "") if row.prediction is None else row.prediction),
        )
        for row in rows
    ]
    return _csv(_DECISION + _PREDICTION, lines)


def history_csv(project: Project) -> str:
    """Return all events as CSV text, oldest first: each label that was given, taken away, undone or redone."""
    names = {label.id: label.name for label in project.labels.list(retired=True)} | {CANT_TELL: "can't tell"}
    photos = {photo.sha256: photo.name for photo in project.photos}
    lines = [
        (
            event.id,
            iso_time(event.time),
            event.who,
            event.batch,
            event.photo,
            photos[event.photo],
            "" if event.label is None else names[event.label],
            event.how,
            event.space or "",
        )
        for event in project.events.history()
    ]
    return _csv(_EVENT, lines)


def iso_time(time: float) -> str:
    """Return a time in ISO 8601, UTC.

    >>> iso_time(0.25)
    '1970-01-01T00:00:00.250000+00:00'
    """
    return datetime.fromtimestamp(time, UTC).isoformat()


def _csv(columns: list[str], lines: Iterable[Sequence[object]]) -> str:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(lines)
    return file.getvalue()
