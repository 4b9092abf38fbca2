"""Copies of a project's files. Files that never change are shared as hard links; those that grow are copied."""

import os
import shutil
import sqlite3
from pathlib import Path

from labelling.projects.photos import DEMONSTRATION, PHOTOS

_LINKED = (PHOTOS, "thumbnails", DEMONSTRATION)
# A table's entries count only with their rows. So entries are copied first, while another process appends rows.
_GROWING = ("photos.bin", "rows.f16", "components.safetensors")


def copy_files(project: Path, copied: Path) -> None:
    """Copy the files of a project's folder but the database, while other processes may add to them.

    Args:
        project: folder of the project.
        copied: folder of the copy, which nobody uses yet.
    """
    for name in _LINKED:
        for file in _files(project / name):
            if "incoming" not in file.parts:
                _link(file, copied / file.relative_to(project))
    for name in ("features", "components"):
        for last in _GROWING:
            for file in _files(project / name):
                if file.name == last:
                    target = copied / file.relative_to(project)
                    _make(target.parent)
                    shutil.copyfile(file, target)
                    target.chmod(0o600)


def move_photos(connection: sqlite3.Connection, project: Path, copied: Path) -> None:
    """Let drawn photos, which lie in the project's folder, be found in that of the copy."""
    before, after = (os.fsencode(folder.absolute()) + b"/" for folder in (project, copied))
    rows = connection.execute("SELECT number, path FROM photos WHERE path IS NOT NULL").fetchall()
    connection.executemany(
        "UPDATE photos SET path = ? WHERE number = ?",
        [(after + row["path"].removeprefix(before), row["number"]) for row in rows if row["path"].startswith(before)],
    )


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _link(file: Path, target: Path) -> None:
    _make(target.parent)
    try:
        os.link(file, target)
    except OSError:  # another file system, or one without hard links
        shutil.copy2(file, target)


def _make(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
