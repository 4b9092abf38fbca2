"""Predictions of other models: imported from a CSV file, kept in the project, and shown beside the project's own."""

import math
import unicodedata
from collections.abc import Mapping
from typing import NamedTuple

from labelling.projects.errors import ProjectError, UnknownError
from labelling.projects.exchange.decisions import Prediction
from labelling.projects.exchange.reading import photo_hashes, read_rows
from labelling.projects.store import Project
from labelling.projects.texts import checked_text

DEFAULT = "imported"  # name of a model whose file does not name it


class ImportedPredictions(NamedTuple):
    """Predictions that were imported.

    Attributes:
        models: number of predictions of each model.
        unknown: hashes or names that no photo of the project has, or that several have.
    """

    models: dict[str, int]
    unknown: tuple[str, ...]


def import_predictions(project: Project, text: str, *, model: str = "") -> ImportedPredictions:
    """Import predictions from CSV text with the columns ``label``, ``probability``, and ``sha256`` or ``name``.

    They replace those of an earlier import under the same name of the model. They label no photo.

    Args:
        project: the project.
        text: the text, such as that of `predictions_csv`. A column ``model`` may name the model of each line.
        model: name of the model, for lines that name none.

    Raises:
        ProjectError: if a column is missing or a value can't be used; nothing is imported then.
    """
    default = checked_text("model", model or DEFAULT)
    hashes = photo_hashes(project)
    found: dict[str, dict[str, tuple[str, float]]] = {}
    unknown = []
    for number, row in read_rows(text, "label", "probability"):
        key = row.get("sha256") or row.get("name") or ""
        label = unicodedata.normalize("NFC", row["label"]).strip()
        if not label:
            continue
        probability = _probability(number, row["probability"])
        photo = hashes.get(key)
        if photo is None:
            unknown.append(key)
            continue
        name = checked_text("model", row["model"]) if row.get("model") else default
        found.setdefault(name, {})[photo] = (checked_text("label", label, most=200), probability)
    if found:
        with project.database.writing() as connection:
            numbers = dict(connection.execute("SELECT sha256, number FROM photos").fetchall())
            for name, predictions in found.items():
                connection.execute("DELETE FROM predictions WHERE model = ?", (name,))
                connection.executemany(
                    "INSERT INTO predictions (model, photo, label, probability) VALUES (?, ?, ?, ?)",
                    ((name, numbers[photo], *prediction) for photo, prediction in predictions.items()),
                )
    return ImportedPredictions({name: len(predictions) for name, predictions in found.items()}, tuple(unknown))


def imported_predictions(project: Project) -> dict[str, Mapping[str, Prediction]]:
    """Return the imported predictions by hash, by the name of their model."""
    found: dict[str, dict[str, Prediction]] = {}
    with project.database.reading() as connection:
        for row in connection.execute(_ALL):
            prediction = Prediction(row["label"], row["probability"], row["model"])
            found.setdefault(row["model"], {})[row["sha256"]] = prediction
    return dict(found)


def forget_predictions(project: Project, model: str) -> None:
    """Delete the imported predictions of a model.

    Raises:
        UnknownError: if there are none.
    """
    with project.database.writing() as connection:
        if not connection.execute("DELETE FROM predictions WHERE model = ?", (model,)).rowcount:
            raise UnknownError(f"model: there are no predictions of {model!r} in the project; list the models")


def _probability(line: int, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number <= 1:
        raise ProjectError(f"probability: line {line} has {text[:40]!r}; write a number from 0 to 1")
    return number


_ALL = """
SELECT model, sha256, label, probability FROM predictions JOIN photos ON number = photo ORDER BY model, number
"""
