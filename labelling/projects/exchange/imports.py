"""Import of labels from a CSV file, from tasks of Label Studio, or from folders named after labels."""

import json
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from labelling.photos.files import list_photos
from labelling.projects.errors import ProjectError
from labelling.projects.events import Batch
from labelling.projects.exchange.export import TABLE
from labelling.projects.exchange.reading import photo_hashes, read_rows
from labelling.projects.labels import CANT_TELL, checked_name, create_labels
from labelling.projects.store import Project

_SPLITS = ("train", "valid", "val", "validation", "test")
_CANT_TELL = "can't tell"


class Imported(NamedTuple):
    """Labels that were imported.

    Attributes:
        batch: the batch of all labels that differ from those before, which can be undone; None if there were none.
        created: labels that the project did not have.
        unknown: hashes or names that no photo of the project has, or that several have.
        same: number of photos that had the same label already.
        blind: number of photos with another blind answer, which stays.
    """

    batch: Batch | None
    created: tuple[str, ...]
    unknown: tuple[str, ...]
    same: int
    blind: int

    @property
    def changed(self) -> int:
        """Return the number of photos that got another label."""
        return len(self.batch.labels) if self.batch else 0


def import_csv(project: Project, text: str, *, who: str) -> Imported:
    """Import labels from CSV text with the columns ``label``, and ``sha256`` or ``name``. Empty labels are left out.

    Args:
        project: the project.
        text: the text, such as that of `tables.decisions_csv`. A column ``state`` may say ``can't tell``.
        who: name of the person who imports.

    Raises:
        ProjectError: if a column is missing, or a label's name can't be used; nothing is imported then.
    """
    rows = []
    for _, row in read_rows(text, "label"):
        label = _CANT_TELL if row.get("state") == _CANT_TELL else row["label"]
        if label:
            rows.append((row.get("sha256") or row.get("name") or "", label))
    return _import(project, rows, who)


def import_label_studio(project: Project, text: str, *, who: str) -> Imported:
    """Import labels from tasks of Label Studio: the last annotation with one choice of each task counts.

    Photos are found by ``data.sha256``, or by the name in ``data.image``.

    Args:
        project: the project.
        text: JSON, as Label Studio exports it.
        who: name of the person who imports.

    Raises:
        ProjectError: if the text is none, or a label's name can't be used; nothing is imported then.
    """
    try:
        tasks = json.loads(text)
        if not isinstance(tasks, list):
            raise TypeError("it is no list")
        rows = [row for task in tasks for row in _task(task)]
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError) as error:
        raise ProjectError(f"tasks: Label Studio exports others ({error!r}); export them there as JSON") from error
    return _import(project, rows, who)


def import_folder(project: Project, folder: Path, *, who: str) -> Imported:
    """Import labels from folders with the photos of each label, such as those of `export_folder`.

    The folders may be below ``train`` and ``valid``. Photos are found by their content.
    If there is a ``labels.csv``, it has the label of each folder.

    Raises:
        NoPhotosError: if there are no photos.
        ProjectError: if a label's name can't be used; nothing is imported then.
    """
    listed = list_photos(folder)
    labels = {}
    if (folder / TABLE).is_file():
        with (folder / TABLE).open(encoding="utf-8", newline="") as file:
            labels = {row["folder"]: row["label"] for _, row in read_rows(file.read(), "label") if row.get("folder")}
    rows = []
    for photo in listed.photos:
        for path in (photo.path, *listed.copies.get(photo.sha256, ())):
            parts = path.relative_to(folder).parts[:-1]
            parts = parts[1:] if parts and parts[0].lower() in _SPLITS else parts
            if parts:
                rows.append((photo.sha256, labels.get(parts[0], parts[0])))
    return _import(project, rows, who)


def _task(task: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """Yield the photo and label of a task, if it has one."""
    for annotation in reversed(task.get("annotations") or task.get("completions") or []):
        choices = [result["value"]["choices"] for result in annotation["result"] if result.get("type") == "choices"]
        if not annotation.get("was_cancelled") and len(choices) == 1 and len(choices[0]) == 1:
            photo, label = task["data"].get("sha256") or task["data"]["image"], choices[0][0]
            for text in (photo, label):
                if not isinstance(text, str):
                    raise TypeError(f"{text!r} is no text")
                text.encode()  # half of a surrogate pair can't be stored
            yield photo, label
            return


def _import(project: Project, rows: Iterable[tuple[str, str]], who: str) -> Imported:
    """Label photos by hash or name; of several labels for one photo, the last counts. Blind answers stay."""
    hashes = photo_hashes(project)
    found: dict[str, str] = {}
    unknown = []
    for key, label in rows:
        photo_hash = hashes.get(key)
        if photo_hash is None:
            unknown.append(key)
        else:
            found[photo_hash] = unicodedata.normalize("NFC", label).strip()
    n_found, current = len(found), project.events.labels()
    before = {label.id: label.name.casefold() for label in project.labels.list(retired=True)} | {CANT_TELL: _CANT_TELL}
    given = {photo: (before[event.label], event.how) for photo, event in current.items() if event.label is not None}
    found = {photo: name for photo, name in found.items() if given.get(photo, ("",))[0] != name.casefold()}
    same = n_found - len(found)
    found = {photo: name for photo, name in found.items() if given.get(photo, ("", ""))[1] != "audit"}
    blind = n_found - same - len(found)
    names = {*found.values()} - {_CANT_TELL}
    for name in names:
        checked_name(name)
    known = {label.name.casefold() for label in project.labels.list()}
    created = sorted({name.casefold(): name for name in sorted(names) if name.casefold() not in known}.values())
    with project.database.writing() as connection:
        create_labels(connection, [(name, None) for name in created])
    numbers = {label.name.casefold(): label.id for label in project.labels.list()} | {_CANT_TELL: CANT_TELL}
    labels = {photo: numbers[name.casefold()] for photo, name in found.items()}
    batch = project.events.label(labels, who=who, how="import") if labels else None
    return Imported(batch, tuple(created), tuple(unknown), same, blind)
