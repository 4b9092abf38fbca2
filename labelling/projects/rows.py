"""Photos that may be seen, answers of the audit, and second opinions.

These are the only source of what is shown, searched and trained on.
"""

import hashlib
import json
from dataclasses import dataclass

import numpy as np

from labelling.learning.arrays import CANT_TELL, UNLABELLED, Bools, Ints
from labelling.projects import labels as project_labels
from labelling.projects.audit import AuditSet
from labelling.projects.events import Current, current_events
from labelling.projects.store import Project


@dataclass(frozen=True)
class SeenRows:
    """Photos that may be seen: those with features that are not held back for the audit.

    Maps, search, suggestions and training read these and no others.

    Attributes:
        photos: their hashes, oldest first.
        labels: ``[photo]``, number of the label, or UNLABELLED, or CANT_TELL.
        groups: ``[photo]``, number of each photo's group of near duplicates.
    """

    photos: tuple[str, ...]
    labels: Ints
    groups: Ints

    @property
    def audit(self) -> Bools:
        """Return the mark of photos that are held back, which is false for all, as functions of learning take it."""
        return np.zeros(len(self.photos), np.bool_)


@dataclass(frozen=True)
class AuditRows:
    """Photos of the audit, in the order to ask.

    Attributes:
        photos: their hashes.
        answers: ``[photo]``, number of the label that was answered blind, or UNLABELLED, or CANT_TELL.
    """

    photos: tuple[str, ...]
    answers: Ints

    @property
    def open(self) -> tuple[str, ...]:
        """Return the photos without an answer, in the order to ask."""
        return tuple(
            photo for photo, answer in zip(self.photos, self.answers.tolist(), strict=True) if answer == UNLABELLED
        )


@dataclass(frozen=True)
class AuditCounts:
    """Counts of the photos that are held back for the audit.

    Attributes:
        asked: number of photos to ask about.
        answered: number of those that were answered blind.
        draw: number of the draw, from 1.
        held: number of photos that are held back: those to ask about, and their near duplicates.
        labelled: number of those with a label: a blind answer, or one that was imported.
    """

    asked: int
    answered: int
    draw: int
    held: int
    labelled: int


SECOND_SHARE = 0.1  # of the labelled photos that a second person labels too


@dataclass(frozen=True)
class SecondOpinions:
    """Labels that a second person gives without seeing the first.

    Attributes:
        pairs: first and second label of each photo that has both, as they were when the second was given.
        waiting: hashes of the photos that wait for this person, in the order to ask.
    """

    pairs: tuple[tuple[int, int], ...]
    waiting: tuple[str, ...]


def seen_rows(project: Project) -> SeenRows:
    """Return the photos that may be seen."""
    with project.database.reading() as connection:
        held = project.audits.within(connection).held
        photos = [row for row in connection.execute(_DECODED) if row["sha256"] not in held]
        current = current_events(connection)
    places = {row["number"]: place for place, row in enumerate(photos)}
    return SeenRows(
        tuple(row["sha256"] for row in photos),
        np.array([_label(current.get(number)) for number in places], np.int64),
        np.array([places.get(row["first"], place) for place, row in enumerate(photos)], np.int64),
    )


def seen_labels(project: Project) -> dict[str, int]:
    """Return the labels of photos that may be seen, by hash; of photos with a label alone."""
    with project.database.reading() as connection:
        held = project.audits.within(connection).held
        current = current_events(connection)
        photos = connection.execute(_WITH_EVENTS).fetchall()
    labels = {row["sha256"]: _label(current.get(row["number"])) for row in photos if row["sha256"] not in held}
    return {photo: label for photo, label in labels.items() if label != UNLABELLED}


def audit_rows(project: Project) -> AuditRows:
    """Return the photos of the audit with their blind answers. Labels that they got otherwise don't count."""
    audit, current = _held_labels(project)
    blind = {photo: event for photo, event in current.items() if event.how == "audit"}
    return AuditRows(audit.asked, np.array([_label(blind.get(photo)) for photo in audit.asked], np.int64))


def audit_counts(project: Project) -> AuditCounts:
    """Return the counts of the photos that are held back."""
    audit, current = _held_labels(project)
    answered = sum(photo in current and current[photo].how == "audit" for photo in audit.asked)
    return AuditCounts(len(audit.asked), answered, audit.draw, len(audit.held), len(current))


def _held_labels(project: Project) -> tuple[AuditSet, dict[str, Current]]:
    """Return the photos that are held back, and the label of each of them that has one."""
    with project.database.reading() as connection:
        audit = project.audits.within(connection)
        hashes = dict(connection.execute(_NUMBERS, (json.dumps(sorted(audit.held)),)).fetchall())
        current = current_events(connection, photos=hashes)
    return audit, {hashes[photo]: event for photo, event in current.items() if event.label is not None}


def second_opinions(project: Project, who: str) -> SecondOpinions:
    """Return the second opinions so far, and those that a person can give.

    A tenth of the photos, which their hashes choose, waits for a second person once somebody has labelled them.

    Args:
        project: the project.
        who: name of the person.
    """
    with project.database.reading() as connection:
        held = project.audits.within(connection).held
        events = connection.execute(_OPINIONS).fetchall()
    people: dict[str, dict[str, int]] = {}  # label by person, by photo
    pairs: dict[str, tuple[int, int]] = {}
    for photo, person, how, label in events:
        labels = people.setdefault(photo, {})
        labels.pop(person, None)
        others = list(labels.values())
        if how == "second" and others and label is not None:
            pairs[photo] = others[-1], label
        if label is not None:
            labels[person] = label
    waiting = {
        photo: key
        for photo, labels in people.items()
        if labels and who not in labels and photo not in pairs and photo not in held
        if (key := _second_key(project.seed, photo)) < SECOND_SHARE
    }
    return SecondOpinions(tuple(pairs.values()), tuple(sorted(waiting, key=waiting.__getitem__)))


def _second_key(seed: str, photo: str) -> float:
    """Return the place of a photo in the random order of second opinions, 0 to 1."""
    digest = hashlib.sha256(f"second opinion {seed} {photo}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _label(current: Current | None) -> int:
    """Return a label as the functions of learning take it."""
    if current is None or current.label is None:
        return UNLABELLED
    return CANT_TELL if current.label == project_labels.CANT_TELL else current.label


_DECODED = "SELECT number, sha256, IFNULL(twin, number) AS first FROM photos WHERE state = 'ok' ORDER BY number"
_NUMBERS = "SELECT number, sha256 FROM photos WHERE sha256 IN (SELECT value FROM json_each(?))"
_WITH_EVENTS = "SELECT number, sha256 FROM photos WHERE EXISTS (SELECT 1 FROM events WHERE photo = number)"
_OPINIONS = """
SELECT p.sha256, b.who, b.how, e.label FROM events e JOIN live b ON b.id = e.batch JOIN photos p ON p.number = e.photo
WHERE b.how NOT IN ('audit', 'merge') AND p.state = 'ok' ORDER BY e.id
"""
