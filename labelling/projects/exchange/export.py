"""Export of a project: a folder that `shopcat train pets --labels folders` reads.

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
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from labelling.projects.errors import ProjectError, disk_errors
from labelling.projects.exchange.decisions import Decision, Prediction, decisions
from labelling.projects.exchange.tables import decisions_csv
from labelling.projects.labels import RESERVED
from labelling.projects.photos import StoredPhoto, is_unchanged
from labelling.projects.store import Project
from pets.image_files import SUFFIXES
from runtime.folder import new_folder, sha256
from schemas.pets.request import class_key

TABLE = "labels.csv"
_SHOWN = 5  # names in a message


class Exported(NamedTuple):
    """A folder that was written.

    Attributes:
        folder: the folder.
        train: number of photos to train on.
        valid: number of photos to judge by.
        blind: number of these whose label is a blind answer.
        folders: name of the folder of each label, by the label's name.
        warnings: photos that were left out, and labels without a photo to judge by.
    """

    folder: Path
    train: int
    valid: int
    blind: int
    folders: dict[str, str]
    warnings: list[str]


class ExportError(ProjectError):
    """A labelling project lacks labels that the training needs. ``missing`` has a line for each."""

    def __init__(self, missing: list[str]) -> None:
        self.missing = missing
        super().__init__("the labels are not enough to train on:\n" + "\n".join(f"  {line}" for line in missing))


@dataclass(frozen=True)
class Plan:
    """Content of an export, decided at one moment; labels that change later do not count.

    Attributes:
        rows: decisions about all photos.
        folders: name of the folder of each label, by the label's name.
        missing: what the project lacks before one can train on it, a line for each; empty if it is ready.
        warnings: photos that are left out, and labels without a photo to judge by.
    """

    rows: list[Decision]
    folders: dict[str, str]
    missing: list[str]
    warnings: list[str]

    @property
    def chosen(self) -> list[Decision]:
        """Return the decisions about the photos to train on and to judge by."""
        return [row for row in self.rows if row.trainable]

    def count(self, split: str) -> int:
        """Return the number of photos of a side of the split, ``train`` or ``valid``."""
        return sum(row.split == split for row in self.chosen)

    @property
    def blind(self) -> int:
        """Return the number of photos to judge by whose label is a blind answer."""
        return sum(row.how == "audit" for row in self.chosen)

    def place(self, row: Decision) -> str:
        """Return the path of a chosen photo in the exported folder."""
        return f"{row.split}/{self.folders[row.label]}/{row.photo.sha256[:16]}{_suffix(row.photo)}"

    def table(self) -> Iterator[str]:
        """Yield the table of all decisions."""
        return decisions_csv(self.rows, self.folders)

    def check(self) -> None:
        """Raise `ExportError` if labels are missing."""
        if self.missing:
            raise ExportError(self.missing)


def plan_export(project: Project, predictions: Mapping[str, Prediction] | None = None) -> Plan:
    """Return the content that an export of a project would have.

    Args:
        project: the project.
        predictions: predictions of a model for the table, by hash.
    """
    rows = decisions(project, predictions)
    gone = {row.photo.sha256 for row in rows if row.trainable and not _is_whole(row.photo)}
    rows = [row._replace(trainable=row.trainable and row.photo.sha256 not in gone) for row in rows]
    chosen = [row for row in rows if row.trainable]
    return Plan(rows, folder_names(row.label for row in chosen), _missing(chosen), _warnings(rows, gone))


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
    plan = plan_export(project, predictions)
    plan.check()
    with disk_errors(target), new_folder(target, rights="kept") as part:
        for row in plan.chosen:
            place = part / plan.place(row)
            place.parent.mkdir(parents=True, exist_ok=True)
            _link(row.photo.file.path.resolve(), place)
        with (part / TABLE).open("w", encoding="utf-8", newline="") as table:
            table.writelines(plan.table())
    return Exported(target, plan.count("train"), plan.count("valid"), plan.blind, plan.folders, plan.warnings)


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
    elif max(train.values()) < 2:
        lines.append("no label has two photos to train on; label more photos")
    names: dict[str, list[str]] = {}
    for label, folder in folder_names(row.label for row in chosen).items():
        names.setdefault(class_key(folder), []).append(label)
    alike = [label for labels in names.values() if len(labels) > 1 for label in labels]
    if alike:
        lines.append(f"labels that a request to the model can't tell apart: {_some(alike)}; rename or merge them")
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
    if imported := sum(row.split == "valid" and row.how != "audit" for row in chosen):
        lines.append(f"{imported} photos to judge by have imported labels, which are no blind answers")
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
