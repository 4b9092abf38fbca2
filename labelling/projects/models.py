"""Models that were trained on a project's labels: the labels that each knew, and its figures."""

import hashlib
import json
import sqlite3
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from labelling.projects.audit import Audits
from labelling.projects.database import Database
from labelling.projects.rows import SeenRows


class Model(NamedTuple):
    """A trained model.

    Attributes:
        id: its number.
        time: seconds since 1970.
        labels_hash: hash of the photos and labels that it was trained on; see `labels_hash`.
        draw: number of the audit's draw that judged it.
        figures: its figures, as they were recorded.
    """

    id: int
    time: float
    labels_hash: str
    draw: int
    figures: dict[str, Any]


class Models:
    """Models of a project.

    Args:
        database: the project's database.
        audits: photos that are held back.
    """

    def __init__(self, database: Database, audits: Audits) -> None:
        self._database, self._audits = database, audits

    def record(self, rows: SeenRows, figures: Mapping[str, Any]) -> Model:
        """Record a model that was trained on these rows. Training again on the same labels gives the same record.

        Args:
            rows: the rows.
            figures: figures that JSON can write, such as the space.
        """
        with self._database.writing() as connection:
            known = self._key(connection, rows, figures)
            model = connection.execute(_KNOWN, known).fetchone()
            if model is None:
                model = connection.execute(_RECORD, (time.time(), *known)).fetchone()
        return Model(model["id"], model["time"], known[0], known[1], dict(figures))

    def judge(self, model: int) -> None:
        """Record that somebody has seen what the audit says of a model."""
        with self._database.writing() as connection:
            connection.execute("UPDATE models SET judged = 1 WHERE id = ?", (model,))

    def is_judged(self, model: int) -> bool:
        """Return True if somebody has seen what the audit says of a model."""
        with self._database.reading() as connection:
            return connection.execute("SELECT 1 FROM models WHERE id = ? AND judged", (model,)).fetchone() is not None

    def was_judged(self, rows: SeenRows, figures: Mapping[str, Any]) -> bool:
        """Return True if somebody has seen what the audit says of the model that was trained on these rows."""
        with self._database.reading() as connection:
            model = connection.execute(_KNOWN, self._key(connection, rows, figures)).fetchone()
        return model is not None and bool(model["judged"])

    def list(self) -> list[Model]:
        """Return all models, oldest first."""
        with self._database.reading() as connection:
            rows = connection.execute("SELECT id, time, labels_hash, draw, figures FROM models ORDER BY id")
            return [
                Model(row["id"], row["time"], row["labels_hash"], row["draw"], json.loads(row["figures"]))
                for row in rows
            ]

    def looks(self) -> int:
        """Return the number of models of which somebody has seen what the photos of the audit say, for `estimate`."""
        with self._database.reading() as connection:
            draw = self._audits.within(connection).draw
            return int(connection.execute(_LOOKS, (draw,)).fetchone()[0])

    def _key(self, connection: sqlite3.Connection, rows: SeenRows, figures: Mapping[str, Any]) -> tuple[str, int, str]:
        return labels_hash(rows), self._audits.within(connection).draw, json.dumps(dict(figures))


def labels_hash(rows: SeenRows) -> str:
    """Return a hash of the photos and their labels, which tells if a model knows all labels of now."""
    content = hashlib.sha256("".join(rows.photos).encode())
    content.update(rows.labels.astype("<i8").tobytes())
    return content.hexdigest()


_KNOWN = "SELECT id, time, judged FROM models WHERE (labels_hash, draw, figures) = (?, ?, ?) ORDER BY id DESC LIMIT 1"
_RECORD = "INSERT INTO models (time, labels_hash, draw, figures) VALUES (?, ?, ?, ?) RETURNING id, time"
_LOOKS = "SELECT COUNT(*) FROM models WHERE draw = ? AND judged"
