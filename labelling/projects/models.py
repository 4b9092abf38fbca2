"""Models that were trained on a project's labels: the labels that each knew, and its figures."""

import hashlib
import json
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
        """Record a model that was trained on these rows, and judged by the audit of now.

        Args:
            rows: the rows.
            figures: figures that JSON can write.
        """
        with self._database.writing() as connection:
            draw = self._audits.within(connection).draw
            model = connection.execute(
                "INSERT INTO models (time, labels_hash, draw, figures) VALUES (?, ?, ?, ?) RETURNING id, time",
                (time.time(), labels_hash(rows), draw, json.dumps(dict(figures))),
            ).fetchone()
        return Model(model["id"], model["time"], labels_hash(rows), draw, dict(figures))

    def list(self) -> list[Model]:
        """Return all models, oldest first."""
        with self._database.reading() as connection:
            rows = connection.execute("SELECT id, time, labels_hash, draw, figures FROM models ORDER BY id")
            return [
                Model(row["id"], row["time"], row["labels_hash"], row["draw"], json.loads(row["figures"]))
                for row in rows
            ]

    def looks(self) -> int:
        """Return the number of models that the photos of the audit have judged so far, for `estimate`."""
        with self._database.reading() as connection:
            draw = self._audits.within(connection).draw
            return int(connection.execute("SELECT COUNT(*) FROM models WHERE draw = ?", (draw,)).fetchone()[0])


def labels_hash(rows: SeenRows) -> str:
    """Return a hash of the photos and their labels, which tells if a model knows all labels of now."""
    pairs = sorted(zip(rows.photos, rows.labels.tolist(), strict=True))
    return hashlib.sha256(json.dumps(pairs).encode()).hexdigest()
