"""Audit set of a project: photos that are held back, in an order that is fixed before anybody has labelled one.

The set follows from the hashes of the photos and the project's seed; see `labelling.learning.audit`. It is computed
anew when photos, their states or their groups have changed, and stays a random sample. Held-back photos are labelled by
blind answers alone.
"""

import sqlite3
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from labelling.learning.audit import audit_size, draw_audit
from labelling.projects.database import Database
from labelling.projects.errors import ProjectError


class AuditSet(NamedTuple):
    """Photos that are held back.

    Attributes:
        asked: hashes of the photos to ask about, in the order to ask.
        held: hashes of these and their near duplicates: not on the map, not in searches, never trained on.
        draw: number of the draw, from 1.
    """

    asked: tuple[str, ...]
    held: frozenset[str]
    draw: int


class Audits:
    """Audit set of a project, and further draws.

    Args:
        database: the project's database.
        seed: the project's seed.
    """

    def __init__(self, database: Database, seed: str) -> None:
        self._database, self._seed = database, seed
        self._cached: tuple[int, AuditSet] = (-1, AuditSet((), frozenset(), 1))

    def current(self) -> AuditSet:
        """Return the photos that are held back now."""
        with self._database.reading() as connection:
            return self.within(connection)

    def within(self, connection: sqlite3.Connection) -> AuditSet:
        """Return the photos that are held back at the time of a transaction."""
        version = int(connection.execute("SELECT photos_version FROM project").fetchone()[0])
        if self._cached[0] != version:
            self._cached = version, self._drawn(connection)
        return self._cached[1]

    def check(self, connection: sqlite3.Connection, photos: Iterable[str], how: str) -> None:
        """Check that photos may be labelled in this way: held-back ones by blind answers, and no others.

        Labels that are imported count for the export, but are no blind answers.

        Raises:
            ProjectError: if a photo may not.
        """
        if how == "import":
            return
        current = self.within(connection)
        if how == "audit":
            other = [photo for photo in photos if photo not in current.asked]
            if other:
                raise ProjectError(f"labels: {other[0]} is no photo of the audit; label it on the map or in the grid")
        else:
            held = [photo for photo in photos if photo in current.held]
            if held:
                raise ProjectError(
                    f"labels: {held[0]} is held back for the audit, with {len(held) - 1} others; leave them out, and "
                    "answer the audit"
                )

    def draw_fresh(self) -> AuditSet:
        """Hold back other photos, and give those that were asked about back to the map and the training.

        Raises:
            ProjectError: if all photos were asked about already.
        """
        with self._database.writing() as connection:
            old = self.within(connection)
            connection.executemany(
                "INSERT INTO audit (photo, draw) SELECT number, ? FROM photos WHERE sha256 = ?",
                ((old.draw, photo) for photo in old.asked),
            )
            connection.execute("UPDATE project SET photos_version = photos_version + 1")
            fresh = self._drawn(connection)
            if not fresh.asked:
                raise ProjectError("audit: all photos were asked about already; add photos first")
        return self.current()

    def _drawn(self, connection: sqlite3.Connection) -> AuditSet:
        rows = connection.execute(_PHOTOS).fetchall()
        retired = [row["sha256"] for row in connection.execute(_RETIRED)]
        draw = int(connection.execute("SELECT IFNULL(MAX(draw), 0) + 1 FROM audit").fetchone()[0])
        hashes = [row["sha256"] for row in rows]
        groups = np.array([row["first"] for row in rows], np.int64)
        # A group counts as one photo, so that half of the groups stay, even where near duplicates are many.
        size = audit_size(len(np.unique(groups)))
        audit = draw_audit(hashes, self._seed, size=size, retired=retired, groups=groups)
        held = frozenset(hashes[row] for row in np.flatnonzero(audit.held).tolist())
        return AuditSet(tuple(hashes[row] for row in audit.asked.tolist()), held, draw)


_PHOTOS = "SELECT sha256, IFNULL(twin, number) AS first FROM photos WHERE state != 'broken' ORDER BY number"
_RETIRED = "SELECT sha256 FROM audit JOIN photos ON number = photo"
