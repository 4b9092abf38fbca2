"""Export of a project: a folder that `shopcat train pets --labels folders` reads, or tasks of Label Studio.

::

    FOLDER/train/LABEL/HASH.jpg   labelled photos, as hard links where the disk allows it
    FOLDER/valid/LABEL/HASH.jpg   labelled photos of the audit set, so that the figures of the training are honest
    FOLDER/labels.csv             all photos, those without a label too; the folder of each label

Near duplicates are on one side of the split, because the audit set holds them back together. The originals stay as they
are.
"""

import errno
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import quoteattr

from labelling.projects.errors import ProjectError, disk_errors
from labelling.projects.exchange.decisions import Decision, Prediction, decisions, decisions_csv, iso_time
from labelling.projects.labels import RESERVED
from labelling.projects.photos import StoredPhoto, is_unchanged
from labelling.projects.store import Project
from pets.image_files import SUFFIXES
from runtime.folder import new_folder, sha256

TABLE = "labels.csv"
_SHOWN = 5  # names in a message


class Exported(NamedTuple):
    """A folder that was written.

    Attributes:
        folder: the folder.
        train: number of photos to train on.
        valid: number of photos to judge by.
        folders: name of the folder of each label, by the label's name.
        warnings: photos that were left out, and labels without a photo to judge by.
    """

    folder: Path
    train: int
    valid: int
    folders: dict[str, str]
    warnings: list[str]


class ExportError(ProjectError):
    """A labelling project lacks labels that the training needs. ``missing`` has a line for each."""

    def __init__(self, missing: list[str]) -> None:
        self.missing = missing
        super().__init__("the labels are not enough to train on:\n" + "\n".join(f"  {line}" for line in missing))


def missing_labels(project: Project) -> list[str]:
    """Return what a project lacks before one can train on it, a line for each; nothing if it is ready."""
    return _missing([row for row in decisions(project) if row.trainable])


def export_folder(project: Project, target: Path, *, predictions: Mapping[str, Prediction] | None = None) -> Exported:
    """Write the labelled photos into a new folder, atomically.

    Args:
        project: the project.
        target: the new folder.
        predictions: predictions of a model for the table, by hash.

    Raises:
        ExportError: if labels are missing.
        FolderError: if the target exists and is not empty, or can't be written.
        FullError: if the disk is full.
    """
    rows = decisions(project, predictions)
    gone = {row.photo.sha256 for row in rows if row.trainable and not _is_whole(row.photo)}
    rows = [row._replace(trainable=row.trainable and row.photo.sha256 not in gone) for row in rows]
    chosen = [row for row in rows if row.trainable]
    missing = _missing(chosen)
    if missing:
        raise ExportError(missing)
    folders = folder_names(row.label for row in chosen)
    with disk_errors(target), new_folder(target, rights="kept") as part:
        for row in chosen:
            place = part / row.split / folders[row.label]
            place.mkdir(parents=True, exist_ok=True)
            _link(row.photo.file.path.resolve(), place / f"{row.photo.sha256[:16]}{_suffix(row.photo)}")
        (part / TABLE).write_text(decisions_csv(rows, folders), encoding="utf-8")
    sides = Counter(row.split for row in chosen)
    return Exported(target, sides["train"], sides["valid"], folders, _warnings(rows, gone))


def label_studio_tasks(project: Project, *, predictions: Mapping[str, Prediction] | None = None) -> list[object]:
    """Return the labelled photos as tasks of Label Studio, to be written as JSON; see `label_studio_config`."""
    tasks: list[object] = []
    for row in decisions(project, predictions):
        if row.state != "label":
            continue
        task: dict[str, object] = {
            "data": {"image": row.photo.name, "sha256": row.photo.sha256, "who": row.who, "how": row.how},
            "annotations": [{"created_at": iso_time(row.time or 0), "result": [_choice(row.label)]}],
        }
        if row.prediction is not None:
            model, score = row.prediction.model, row.prediction.probability
            guess = {"model_version": model, "score": score, "result": [_choice(row.prediction.label)]}
            task["predictions"] = [guess]
        tasks.append(task)
    return tasks


def label_studio_config(labels: Iterable[str]) -> str:
    """Return the labelling interface of Label Studio for these labels, XML."""
    choices = "".join(f"<Choice value={quoteattr(label)}/>" for label in labels)
    return (
        '<View><Image name="image" value="$image"/>'
        f'<Choices name="label" toName="image" choice="single">{choices}</Choices></View>'
    )


def folder_names(labels: Iterable[str]) -> dict[str, str]:
    """Return a safe name of a folder for each label. No two differ in case alone, as some disks can't tell them apart.

    >>> folder_names(["Maine Coon", "a/b", "a:b", ".hidden", "..", "train."])
    {'..': '_', '.hidden': 'hidden', 'Maine Coon': 'Maine Coon', 'a/b': 'a_b', 'a:b': 'a_b-2', 'train.': 'train_'}
    """
    names: dict[str, str] = {}
    taken: set[str] = set()
    for label in sorted(set(labels)):
        plain = re.sub(r"[^\w \-+().,']", "_", label).strip(" .")[:80].rstrip(" .") or "_"
        plain = plain.lstrip("_") or "_" if plain.casefold().startswith("__macosx") else plain
        plain = f"{plain}_" if plain.casefold() in RESERVED else plain
        name, number = plain, 2
        while name.casefold() in taken:
            name, number = f"{plain}-{number}", number + 1
        taken.add(name.casefold())
        names[label] = name
    return names


def _missing(chosen: list[Decision]) -> list[str]:
    """Return what the photos to export lack; see `missing_labels`."""
    train = Counter(row.label for row in chosen if row.split == "train")
    valid = Counter(row.label for row in chosen if row.split == "valid")
    lines = []
    if len(train) < 2:
        lines.append(f"{len(train)} labels have photos to train on; give at least two labels")
    only_valid = sorted(valid.keys() - train.keys())
    if only_valid:
        lines.append(f"labels with photos of the audit alone: {_some(only_valid)}; label photos outside the audit too")
    if not valid:
        lines.append("there is no photo to judge by; answer questions of the audit")
    return lines


def _warnings(rows: list[Decision], gone: set[str]) -> list[str]:
    chosen = [row for row in rows if row.trainable]
    unjudged = sorted({row.label for row in chosen} - {row.label for row in chosen if row.split == "valid"})
    names = sorted(row.photo.name for row in rows if row.photo.sha256 in gone)
    left_out = [row.photo for row in rows if row.state == "label" and not row.trainable]
    informed = [photo.name for photo in left_out if photo.sha256 not in gone]
    lines = []
    if names:
        lines.append(f"{len(names)} photos are gone or have changed, and were left out: {_some(names)}")
    if informed:
        lines.append(f"{len(informed)} photos of the audit have no blind answer, and were left out: {_some(informed)}")
    if unjudged:
        lines.append(f"labels without a photo to judge by: {_some(unjudged)}; answer more of the audit")
    return lines


def _some(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")


def _is_whole(photo: StoredPhoto) -> bool:
    """Return True if a photo's file has the content that it had. It is read only if its size or time has changed."""
    if is_unchanged(photo.file):
        return True
    try:
        return photo.file.path.is_file() and sha256(photo.file.path) == photo.sha256
    except OSError:
        return False


def _suffix(photo: StoredPhoto) -> str:
    suffix = Path(photo.name).suffix.lower()
    return suffix if suffix in SUFFIXES else ".jpg"


def _link(source: Path, target: Path) -> None:
    """Link a file, or copy it to another disk."""
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP, errno.EACCES):
            raise
        shutil.copyfile(source, target)


def _choice(label: str) -> dict[str, object]:
    return {"from_name": "label", "to_name": "image", "type": "choices", "value": {"choices": [label]}}
