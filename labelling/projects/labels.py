"""Labels of a project: create, rename, colour, merge and retire. Label 0 says that somebody can't tell."""

import re
import sqlite3
from collections.abc import Iterable
from typing import NamedTuple

from labelling.projects.database import Database
from labelling.projects.errors import ProjectError, UnknownError
from labelling.projects.events import append, current_events, new_batch
from labelling.projects.texts import checked_text

CANT_TELL = 0
# Words that folders of photos use for something else; see training/pets/data/layouts.py.
RESERVED = frozenset(
    ["train", "valid", "val", "validation", "test", "images", "annotations", "oxford-iiit-pet", "__macosx"]
)
# Colours of Okabe and Ito (2008), which colour-blind people tell apart.
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#666666")


class Label(NamedTuple):
    """A label.

    Attributes:
        id: its number; CANT_TELL is 0.
        name: its name.
        colour: ``#RRGGBB``.
        retired: True if it can't be given any more; no photo has it.
    """

    id: int
    name: str
    colour: str
    retired: bool


class Labels:
    """Labels of a project.

    Args:
        database: the project's database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def list(self, *, retired: bool = False) -> list[Label]:
        """Return the labels, oldest first, without CANT_TELL.

        Args:
            retired: return retired labels too.
        """
        with self._database.reading() as connection:
            rows = connection.execute(f"{_SELECT} WHERE id > 0 AND retired <= ? ORDER BY id", (retired,))
            return [_label(row) for row in rows]

    def create(self, name: str, colour: str | None = None) -> Label:
        """Create a label, or bring a retired one of that name back.

        Args:
            name: name, at most 100 characters. Names that differ in case alone count as one.
            colour: ``#RRGGBB``; by default the next colour of the palette.

        Raises:
            ProjectError: if the name is empty, reserved or taken, or the colour is none.
        """
        with self._database.writing() as connection:
            return create_labels(connection, [(name, colour)])[0]

    def rename(self, label: int, name: str) -> Label:
        """Give a label another name.

        Raises:
            UnknownError: if there is no such label.
            ProjectError: if the name is empty, reserved or taken; merge the labels then.
        """
        name = checked_name(name)
        with self._database.writing() as connection:
            find_label(connection, label)
            other = connection.execute(f"{_SELECT} WHERE key = ? AND id != ?", (name.casefold(), label)).fetchone()
            if other is not None:
                raise ProjectError(f"name: {other['name']!r} is another label; merge the two, or choose another name")
            connection.execute("UPDATE labels SET name = ?, key = ? WHERE id = ?", (name, name.casefold(), label))
            return find_label(connection, label)

    def recolour(self, label: int, colour: str) -> Label:
        """Give a label another colour, ``#RRGGBB``.

        Raises:
            UnknownError: if there is no such label.
            ProjectError: if the colour is none.
        """
        with self._database.writing() as connection:
            find_label(connection, label)
            connection.execute("UPDATE labels SET colour = ? WHERE id = ?", (_checked_colour(colour), label))
            return find_label(connection, label)

    def merge(self, label: int, into: int, *, who: str) -> int:
        """Give the photos of a label another one, in one batch that can be undone, and retire the label.

        Args:
            label: label that ends.
            into: label that its photos get.
            who: name of the person.

        Returns:
            Number of photos.

        Raises:
            UnknownError: if there is no such label.
            ProjectError: if both are the same.
        """
        who = checked_text("who", who)
        with self._database.writing() as connection:
            if label == into:
                raise ProjectError(f"into: label {into} can't be merged into itself; choose another label")
            find_label(connection, label)
            if find_label(connection, into).retired:
                raise ProjectError(f"into: label {into} is retired; choose another label")
            current = current_events(connection)
            sources = {
                photo: connection.execute(_ORIGIN, (event.event,)).fetchone()[0]
                for photo, event in current.items()
                if event.label == label
            }
            batch = new_batch(connection, who, "merge")
            append(connection, batch, ((photo, into, source) for photo, source in sources.items()))
            connection.execute("UPDATE labels SET retired = 1 WHERE id = ?", (label,))
            return len(sources)

    def retire(self, label: int) -> Label:
        """Stop a label from being given.

        Raises:
            UnknownError: if there is no such label.
            ProjectError: if a photo has the label.
        """
        with self._database.writing() as connection:
            name = find_label(connection, label).name
            used = sum(event.label == label for event in current_events(connection).values())
            if used:
                raise ProjectError(f"label: {used} photos have {name!r}; merge it into another label first")
            connection.execute("UPDATE labels SET retired = 1 WHERE id = ?", (label,))
            return find_label(connection, label)


def create_labels(connection: sqlite3.Connection, names: Iterable[tuple[str, str | None]]) -> list[Label]:
    """Create labels by name and colour in a transaction; see `Labels.create`."""
    created = []
    for name, colour in names:
        name = checked_name(name)
        known = connection.execute(f"{_SELECT} WHERE key = ?", (name.casefold(),)).fetchone()
        if known is not None and not known["retired"]:
            raise ProjectError(f"name: there is a label {known['name']!r} already; use it, or choose another name")
        count = connection.execute("SELECT COUNT(*) FROM labels WHERE id > 0").fetchone()[0]
        colour = _checked_colour(colour or (known["colour"] if known else PALETTE[count % len(PALETTE)]))
        row = connection.execute(
            "INSERT INTO labels (name, key, colour, retired) VALUES (?, ?, ?, 0) ON CONFLICT (key) DO UPDATE "
            "SET name = excluded.name, colour = excluded.colour, retired = 0 RETURNING id, name, colour, retired",
            (name, name.casefold(), colour),
        ).fetchone()
        created.append(_label(row))
    return created


def find_label(connection: sqlite3.Connection, label: int) -> Label:
    """Return a label of a transaction that is not CANT_TELL.

    Raises:
        UnknownError: if there is none with this number.
    """
    row = connection.execute(f"{_SELECT} WHERE id = ? AND id > 0", (label,)).fetchone()
    if row is None:
        raise UnknownError(f"label: there is no label {label}; list the labels, or create one")
    return _label(row)


def checked_name(name: str) -> str:
    """Return the name of a label in its composed form.

    Raises:
        ProjectError: if it is empty, too long or reserved.
    """
    name = checked_text("name", name)
    if name.casefold() in RESERVED:
        raise ProjectError(f"name: {name!r} names a part of a folder of photos, so it can't be a label; choose another")
    return name


def _checked_colour(colour: str) -> str:
    if not re.fullmatch(r"#[0-9A-Fa-f]{6}", colour):
        raise ProjectError(f"colour: {colour!r} is no colour; write it as #RRGGBB, such as {PALETTE[0]}")
    return colour.upper()


def _label(row: sqlite3.Row) -> Label:
    return Label(row["id"], row["name"], row["colour"], bool(row["retired"]))


_SELECT = "SELECT id, name, colour, retired FROM labels"
# The event that gave a photo its label, before any merges.
_ORIGIN = """
SELECT CASE how WHEN 'merge' THEN source ELSE e.id END FROM events e JOIN batches b ON b.id = e.batch WHERE e.id = ?
"""
