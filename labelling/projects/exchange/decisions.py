"""Decisions about the photos of a project, as they leave it: label, who and how, side of the split, and prediction."""

from collections.abc import Mapping
from typing import NamedTuple

from labelling.projects.events import current_events
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
    """Return the decision about each photo, oldest photo first, all at one moment.

    Args:
        project: the project.
        predictions: predictions of a model, by hash.
    """
    with project.database.reading() as connection:  # one transaction: labels may change meanwhile
        names = dict(connection.execute("SELECT id, name FROM labels").fetchall())
        events = {row["id"]: row for row in connection.execute(_EVENTS)}
        numbers = dict(connection.execute("SELECT sha256, number FROM photos").fetchall())
        current = current_events(connection)
        photos = project.photos.within(connection)
        held = project.audits.within(connection).held
    found = []
    for photo in photos:
        now = current.get(numbers[photo.sha256])
        if now is not None and now.label is None:
            now = None
        event = None if now is None or now.event is None else events[now.event]
        split = "valid" if photo.sha256 in held else "train"
        label = "" if now is None or now.label in (None, CANT_TELL) else names[now.label]
        state = "label" if label else "unlabelled" if event is None else "can't tell"
        how = "" if now is None or now.how is None else now.how
        found.append(
            Decision(
                photo,
                "broken" if photo.state == "broken" else state,
                label,
                "" if event is None else event["who"],
                None if event is None else event["time"],
                how,
                split,
                bool(label) and photo.state != "broken" and (split == "train" or how in ("audit", "import")),
                (predictions or {}).get(photo.sha256),
            )
        )
    return found


_EVENTS = "SELECT e.id, b.who, b.time FROM events e JOIN batches b ON b.id = e.batch"
