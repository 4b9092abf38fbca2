"""Tables of a project as CSV: decisions about photos, their history, and predictions.

No spreadsheet finds a formula in them; `runtime.csv_lines.original_text` reads a cell back exactly.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

from labelling.projects.exchange.decisions import Decision, Prediction
from labelling.projects.labels import CANT_TELL
from labelling.projects.store import Project
from runtime.csv_lines import csv_line

_DECISION = ["sha256", "name", "state", "label", "folder", "split", "who", "time", "how"]
_OWN = ["prediction", "probability", "model"]
_EVENT = ["event", "time", "who", "batch", "sha256", "name", "label", "how", "space"]
_PREDICTION = ["sha256", "name", "label", "probability", "model", "decision", "given"]


def decisions_csv(rows: Iterable[Decision], folders: Mapping[str, str] | None = None) -> Iterator[str]:
    """Yield a table of decisions as CSV, with a line for each photo.

    Args:
        rows: the decisions.
        folders: name of the folder of each label, if there are folders.
    """
    yield csv_line(_DECISION + _OWN)
    for row in rows:
        yield csv_line(
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
        )


def history_csv(project: Project) -> Iterator[str]:
    """Yield all events as CSV, oldest first: each label that was given, taken away, undone or redone."""
    events = project.events.history()  # first: names that these events need are not removed later
    names = {label.id: label.name for label in project.labels.list(retired=True)} | {CANT_TELL: "can't tell"}
    photos = {photo.sha256: photo.name for photo in project.photos}
    yield csv_line(_EVENT)
    for event in events:
        yield csv_line(
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
        )


def predictions_csv(rows: Iterable[Decision], models: Sequence[Mapping[str, Prediction]]) -> Iterator[str]:
    """Yield predictions as CSV, with a line for each photo and model.

    The column ``decision`` says what people decided: ``confirmed``, ``corrected``, ``can't tell`` or ``open``. Photos
    of the audit are left out while nobody has answered about them, so that the answers stay blind.

    Args:
        rows: the decisions.
        models: predictions of each model, by hash.
    """
    yield csv_line(_PREDICTION)
    for row in rows:
        if row.split == "valid" and row.state == "unlabelled":
            continue
        for predictions in models:
            found = predictions.get(row.photo.sha256)
            if found is not None:
                yield csv_line((row.photo.sha256, row.photo.name, *found, _decided(row, found.label), row.label))


def iso_time(time: float) -> str:
    """Return a time in ISO 8601, UTC.

    >>> iso_time(0.25)
    '1970-01-01T00:00:00.250000+00:00'
    """
    return datetime.fromtimestamp(time, UTC).isoformat()


def _decided(row: Decision, label: str) -> str:
    """Return what people decided about a predicted label."""
    if row.state == "label":
        return "confirmed" if row.label.casefold() == label.casefold() else "corrected"
    return row.state if row.state == "can't tell" else "open"
