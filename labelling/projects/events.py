"""Append-only events: labels that photos get and lose, by batches, with undo and redo for several people.

A photo's label is that of its last event. An undo or redo is a batch of new events, so that no history is lost. A batch
is *live* unless it is undone. Undo and redo give each photo of the batch the label of its last event in a live batch;
what another person has decided since therefore stays. Everyone undoes their own batches, the last one first. A new
batch ends the redos of its author.
"""

import json
import sqlite3
import time
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from labelling.projects.audit import Audits
from labelling.projects.database import Database
from labelling.projects.errors import ProjectError, UnknownError
from labelling.projects.texts import checked_text

_GIVEN = ("lasso", "click", "similar", "suggestion", "confirm", "second", "audit", "import")


class Batch(NamedTuple):
    """A batch of events that was saved.

    Attributes:
        id: its number.
        how: how the labels were given, or ``undo`` or ``redo``.
        labels: the new label of each photo that has changed, by hash; None for a photo without a label.
        last_event: number of the last event of the project, for `Events.history`.
    """

    id: int
    how: str
    labels: dict[str, int | None]
    last_event: int


class Event(NamedTuple):
    """An event of the history.

    Attributes:
        id: its number; later events have larger ones.
        time: seconds since 1970.
        who: name of the person.
        batch: number of its batch.
        photo: hash of the photo.
        label: number of its label from then on; None for none.
        how: how the label was given, or ``undo`` or ``redo``.
        space: name of the space that the person looked at, if any.
        source: for an undo or redo, number of the event whose label came back; None if there was none. For a merge of
            labels, number of the event that gave the photo its label.
    """

    id: int
    time: float
    who: str
    batch: int
    photo: str
    label: int | None
    how: str
    space: str | None
    source: int | None


class Current(NamedTuple):
    """The label that a photo has now.

    Attributes:
        label: its number; None for none.
        event: number of the event that gave it, never that of an undo or redo; None if there was none.
        how: how that event gave it. A merge of labels does not count: an answer of the audit stays one.
    """

    label: int | None
    event: int | None
    how: str | None


class Events:
    """Events of a project.

    Args:
        database: the project's database.
        audits: photos that are held back.
    """

    def __init__(self, database: Database, audits: Audits) -> None:
        self._database, self._audits = database, audits

    def label(
        self,
        labels: Mapping[str, int | None],
        *,
        who: str,
        how: str,
        space: str | None = None,
        refused: Mapping[str, int] = MappingProxyType({}),
    ) -> Batch:
        """Give photos labels, in one batch. When the call returns, the batch is on the disk.

        Args:
            labels: number of the new label of each photo, by hash; None takes the label away.
            who: name of the person, at most 100 characters.
            how: ``lasso``, ``click``, ``similar``, ``suggestion``, ``confirm``, ``second``, ``audit`` or ``import``.
            space: name of the space that the person looked at.
            refused: the label that the person has deselected each of some photos from, by hash.

        Raises:
            UnknownError: if there is no such photo or label.
            ProjectError: if there are no photos, one is broken, a label is retired, ``how`` is another word, or
                it is ``audit`` for other photos than those of the audit, or these are labelled otherwise.
        """
        who = checked_text("who", who)
        if how not in _GIVEN:
            raise ProjectError(f"how: {how!r} is none of {', '.join(_GIVEN)}")
        if not labels and not refused:
            raise ProjectError("labels: there are no photos; choose one at least")
        with self._database.writing() as connection:
            _check_labels(connection, {*labels.values(), *refused.values()})
            photos = _numbers(connection, {**labels, **refused})
            self._audits.check(connection, photos, how)
            batch = new_batch(connection, who, how, space=space)
            connection.executemany(
                "INSERT INTO refusals (batch, photo, label) VALUES (?, ?, ?)",
                ((batch, photos[photo], label) for photo, label in refused.items()),
            )
            append(connection, batch, ((photos[photo], label, None) for photo, label in labels.items()))
            return Batch(batch, how, dict(labels), _last_event(connection))

    def undo(self, who: str) -> Batch | None:
        """Undo the last live batch of a person; return None if there is none.

        Photos that have got another label since keep it.
        """
        return self._toggle(checked_text("who", who), "undo", _UNDOABLE)

    def redo(self, who: str) -> Batch | None:
        """Redo the batch that a person undid last, unless they have labelled since; return None if there is none."""
        return self._toggle(checked_text("who", who), "redo", _REDOABLE)

    def labels(self) -> dict[str, Current]:
        """Return the label of each photo that has one, by hash."""
        with self._database.reading() as connection:
            hashes = dict(connection.execute("SELECT number, sha256 FROM photos").fetchall())
            current = current_events(connection)
        return {hashes[photo]: event for photo, event in current.items() if event.label is not None}

    def history(self, *, photo: str | None = None, after: int = 0, most: int | None = None) -> list[Event]:
        """Return events, oldest first.

        Args:
            photo: hash of a photo, for its events alone.
            after: return events with larger numbers only.
            most: number of events at most.
        """
        with self._database.reading() as connection:
            query = _HISTORY.format(of_photo="" if photo is None else "AND p.sha256 = :photo")
            rows = connection.execute(query, {"photo": photo, "after": after, "most": -1 if most is None else most})
            return [Event(*row) for row in rows]

    def refused(self) -> set[tuple[str, int]]:
        """Return the photos, by hash, and the labels that somebody has deselected them from, unless it is undone."""
        with self._database.reading() as connection:
            return {(row["sha256"], row["label"]) for row in connection.execute(_REFUSED)}

    def disagreements(self) -> dict[str, dict[str, int]]:
        """Return the photos to which several people have given different labels: the last label by person, by hash."""
        found: dict[str, dict[str, int]] = {}
        with self._database.reading() as connection:
            for row in connection.execute(_BY_PERSON):
                if row["label"] is not None:
                    found.setdefault(row["sha256"], {})[row["who"]] = row["label"]
        return {photo: by_person for photo, by_person in found.items() if len(set(by_person.values())) > 1}

    def _toggle(self, who: str, how: str, query: str) -> Batch | None:
        with self._database.writing() as connection:
            found = connection.execute(query, {"who": who}).fetchone()
            if found is None:
                return None
            batch = new_batch(connection, who, how, target=found["id"])
            now = current_events(connection, found["id"])
            changed = [
                row for row in connection.execute(_LIVE, (found["id"],)) if row["source"] != now[row["photo"]].event
            ]
            append(connection, batch, ((row["photo"], row["label"], row["source"]) for row in changed))
            restored = {row["label"] for row in changed}
            connection.executemany("UPDATE labels SET retired = 0 WHERE id = ?", [(label,) for label in restored])
            labels = {row["sha256"]: row["label"] for row in changed}
            return Batch(batch, how, labels, _last_event(connection))


def new_batch(
    connection: sqlite3.Connection, who: str, how: str, *, space: str | None = None, target: int | None = None
) -> int:
    """Begin a batch in a transaction; return its number."""
    cursor = connection.execute(
        "INSERT INTO batches (time, who, how, space, target) VALUES (?, ?, ?, ?, ?)",
        (time.time(), who, how, space, target),
    )
    return int(cursor.lastrowid or 0)


def append(connection: sqlite3.Connection, batch: int, events: Iterable[tuple[int, int | None, int | None]]) -> None:
    """Append events to a batch: number of the photo, its new label, and source; see `Event`."""
    connection.executemany(
        "INSERT INTO events (batch, photo, label, source) VALUES (?, ?, ?, ?)",
        ((batch, *event) for event in events),
    )


def current_events(
    connection: sqlite3.Connection, batch: int | None = None, *, photos: Iterable[int] | None = None
) -> dict[int, Current]:
    """Return the last event of each photo that has one, by the photo's number.

    Args:
        connection: a transaction.
        batch: return those of the photos of this batch alone.
        photos: return those of these photos alone, by their numbers.
    """
    some, values = "", list[int | str]()
    if batch is not None:
        some, values = "WHERE photo IN (SELECT photo FROM events WHERE batch = ?)", [batch]
    elif photos is not None:
        some, values = "WHERE photo IN (SELECT value FROM json_each(?))", [json.dumps([*photos])]
    rows = connection.execute(_CURRENT.format(some=some), values)
    return {row["photo"]: Current(row["label"], row["event"], row["how"]) for row in rows}


def _check_labels(connection: sqlite3.Connection, labels: set[int | None]) -> None:
    known = dict(connection.execute("SELECT id, retired FROM labels").fetchall())
    for label in labels - {None}:
        if label not in known:
            raise UnknownError(f"labels: there is no label {label}; list the labels, or create one")
        if known[label]:
            raise ProjectError(f"labels: label {label} is retired; create it again, or choose another")


def _numbers(connection: sqlite3.Connection, photos: Iterable[str]) -> dict[str, int]:
    """Return the number of each photo."""
    numbers = {}
    for photo in photos:
        row = connection.execute("SELECT number, name, reason FROM photos WHERE sha256 = ?", (photo,)).fetchone()
        if row is None:
            raise UnknownError(f"labels: there is no photo {photo}; add it to the project first")
        if row["reason"] is not None:
            raise ProjectError(f"labels: {row['name']} can't be labelled, because {row['reason']}")
        numbers[photo] = row["number"]
    return numbers


def _last_event(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT IFNULL(MAX(id), 0) FROM events").fetchone()[0])


_UNDOABLE = "SELECT id FROM live WHERE who = :who ORDER BY id DESC LIMIT 1"
_REDOABLE = """
SELECT b.id FROM batches b JOIN batches t ON t.target = b.id AND t.how = 'undo'
WHERE b.who = :who AND b.id NOT IN (SELECT id FROM live)
    AND t.id > (SELECT MAX(id) FROM batches WHERE who = :who AND target IS NULL)
ORDER BY t.id DESC LIMIT 1
"""
# The last event of each photo of a batch that is in a live batch, if any.
_LIVE = """
SELECT f.photo, f.sha256, f.source, (SELECT label FROM events WHERE id = f.source) AS label FROM (
    SELECT e.photo, p.sha256, (
        SELECT o.id FROM events o JOIN live ON live.id = o.batch WHERE o.photo = e.photo ORDER BY o.id DESC LIMIT 1
    ) AS source
    FROM events e JOIN photos p ON p.number = e.photo WHERE e.batch = ?
) f
"""
# SQLite takes the other columns from the row of the maximum.
_CURRENT = """
SELECT last.photo, last.label, last.event, CASE s.how WHEN 'merge' THEN
    (SELECT how FROM events first JOIN batches ON batches.id = first.batch WHERE first.id = o.source)
    ELSE s.how END AS how FROM (
    SELECT e.photo, e.label, CASE WHEN b.target IS NULL THEN e.id ELSE e.source END AS event
    FROM (SELECT photo, label, batch, source, MAX(id) AS id FROM events {some} GROUP BY photo) e
    JOIN batches b ON b.id = e.batch
) last
LEFT JOIN events o ON o.id = last.event LEFT JOIN batches s ON s.id = o.batch
"""
_HISTORY = """
SELECT e.id, b.time, b.who, b.id, p.sha256, e.label, b.how, b.space, e.source
FROM events e JOIN batches b ON b.id = e.batch JOIN photos p ON p.number = e.photo
WHERE e.id > :after {of_photo} ORDER BY e.id LIMIT :most
"""
_REFUSED = """
SELECT DISTINCT p.sha256, r.label FROM refusals r JOIN live b ON b.id = r.batch JOIN photos p ON p.number = r.photo
"""
_BY_PERSON = """
SELECT p.sha256, b.who, e.label, MAX(e.id) FROM events e JOIN live b ON b.id = e.batch
JOIN photos p ON p.number = e.photo WHERE b.how != 'merge' GROUP BY p.number, b.who
"""
