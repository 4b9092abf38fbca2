"""Projects in a folder: create, list, open, rename, archive, copy and delete.

::

    FOLDER/PROJECT/project.sqlite   photos, labels, events, audit and models
    FOLDER/PROJECT/photos/          uploaded photos, by hash
    FOLDER/PROJECT/thumbnails/      cache of small pictures
    FOLDER/PROJECT/features/        cache of features
    FOLDER/PROJECT/components/      cache of their principal components
    FOLDER/PROJECT/origin           folder in place, or "demonstration"; copies and projects of uploads have none

A project's folder is created whole by a rename, and only its owner may read it.
"""

import itertools
import os
import re
import secrets
import shutil
import time
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from labelling.projects.audit import Audits
from labelling.projects.database import Database, create
from labelling.projects.errors import ProjectError, UnknownError, disk_errors
from labelling.projects.events import Events
from labelling.projects.exchange.copies import copy_files, move_photos
from labelling.projects.labels import Labels
from labelling.projects.photos import Limits, Photos
from labelling.projects.previews.thumbnails import Thumbnails
from labelling.projects.texts import checked_text
from labelling.projects.uploads import Upload
from runtime.folder import make_private, new_folder
from runtime.lock import lock

LIMITS = Limits()
FILE = "project.sqlite"
DEMONSTRATION = "demonstration"  # origin of a project with drawn photos
_ORIGIN = "origin"
_DELETED = ".deleted-"


class Summary(NamedTuple):
    """A project in a list.

    Attributes:
        id: name of its folder.
        name: name for people.
        created: time, seconds since 1970.
        archived: True for a project that can't be changed until it is restored.
        photos: number of photos.
        labelled: number of photos with a label. "Can't tell" and blind answers of the audit are labels too.
        error: reason why the project can't be opened; the other fields are empty then.
    """

    id: str
    name: str
    created: float = 0.0
    archived: bool = False
    photos: int = 0
    labelled: int = 0
    error: str | None = None


class Project:
    """An open project. Several processes may open it at once.

    Args:
        folder: its folder.
        limits: limits of its photos.

    Attributes:
        folder: its folder.
        id: name of the folder.
        seed: text that the random orders of photos come from.
        database: the database.
        photos: the photos.
        thumbnails: small pictures of them.
        labels: the labels.
        audits: photos that are held back.
        events: labels that photos got, with undo and history.

    Raises:
        UnknownError: if the folder is no project.
        ProjectError: if the database belongs to another program or version, or is damaged.
    """

    def __init__(self, folder: Path, *, limits: Limits = LIMITS) -> None:
        self.folder = folder
        self.id = folder.name
        self.database = Database(folder / FILE)
        with self.database.reading() as connection:
            row = connection.execute("SELECT state, seed FROM project").fetchone()
        if row["state"] == "deleted":
            raise UnknownError(f"the project {self.id} has been deleted; open another one")
        self.seed: str = row["seed"]
        self.photos = Photos(self.database, folder, limits)
        self.thumbnails = Thumbnails(self.photos, folder / "thumbnails")
        self.labels = Labels(self.database)
        self.audits = Audits(self.database, self.seed)
        self.events = Events(self.database, self.audits)

    def upload(self, name: str, *, sha256: str | None = None, size: int | None = None) -> Upload:
        """Begin the upload of a photo; see `Upload`."""
        return Upload(self.database, self.folder, self.photos, name, sha256=sha256, size=size)

    @property
    def summary(self) -> Summary:
        """Return the project's name and numbers."""
        with self.database.reading() as connection:
            row = connection.execute(_SUMMARY).fetchone()
        return Summary(
            self.id, row["name"], row["created"], row["state"] == "archived", row["photos"], row["labelled"] or 0
        )

    def rename(self, name: str) -> None:
        """Give the project another name. Its id stays.

        Raises:
            ProjectError: if the name is empty or too long.
        """
        name = checked_text("name", name)
        with self.database.writing() as connection:
            connection.execute("UPDATE project SET name = ?", (name,))

    def archive(self) -> None:
        """Reject all changes from now on."""
        self._set_state("archived")

    def restore(self) -> None:
        """Allow changes again."""
        self._set_state("open")

    def _set_state(self, state: str) -> None:
        with self.database.managing() as connection:
            if not connection.execute("UPDATE project SET state = ? WHERE state != 'deleted'", (state,)).rowcount:
                raise UnknownError(f"the project {self.id} has been deleted; open another one")

    def close(self) -> None:
        """Close the database."""
        self.database.close()


def new_seed() -> str:
    """Return a text that the random orders of a project's photos come from."""
    return secrets.token_hex(16)


class ProjectStore:
    """Projects in a folder.

    Args:
        folder: the folder; it is created.
        limits: limits of each project.

    Raises:
        ProjectError: if it can't be created.
        FullError: if the disk is full.
    """

    def __init__(self, folder: Path, *, limits: Limits = LIMITS) -> None:
        self.folder, self._limits = folder, limits
        with disk_errors(folder):
            make_private(folder)

    def create(self, name: str, *, origin: str | None = None) -> Project:
        """Create a project. Two projects may have the same name; their ids differ.

        Args:
            name: name for people.
            origin: folder whose photos are labelled in place, or ``DEMONSTRATION``; `find` finds the project by it.

        Raises:
            ProjectError: if the name is empty or too long, or the folder can't be written.
            FullError: if the disk is full.
        """
        name = checked_text("name", name)
        with self._locked():
            folder = self._free_folder(name)
            with new_folder(folder, rights="private") as part:
                create(part / FILE, name, created=time.time(), seed=new_seed())
                if origin is not None:
                    (part / _ORIGIN).write_bytes(os.fsencode(origin))
        return Project(folder, limits=self._limits)

    def copy(self, project: str, name: str) -> Project:
        """Copy a project: photos, labels, history and audit, and the caches.

        Uploaded photos and thumbnails never change, so the two projects share their files as hard links.

        Args:
            project: id of the project, which may be archived.
            name: name of the copy.

        Raises:
            UnknownError: if there is no such project.
            ProjectError: if the name is empty or too long.
            FullError: if the disk is full.
        """
        name = checked_text("name", name)
        original = self.open(project)
        try:
            with self._locked():
                folder = self._free_folder(name)
                with new_folder(folder, rights="private") as part:
                    copy_files(original.folder, part)
                    original.database.copy(part / FILE)
                    copied = Database(part / FILE)
                    with copied.managing() as connection:
                        connection.execute(
                            "UPDATE project SET name = ?, created = ?, state = 'open'", (name, time.time())
                        )
                        move_photos(connection, original.folder, folder)
                    copied.close()
        finally:
            original.close()
        return Project(folder, limits=self._limits)

    def list(self) -> list[Summary]:
        """Return all projects, oldest first; then those that can't be opened, with the reason."""
        found = []
        with disk_errors(self.folder):
            folders = sorted(path for path in self.folder.iterdir() if path.is_dir() and not path.name.startswith("."))
        for folder in folders:
            try:
                project = Project(folder)
                found.append(project.summary)
                project.close()
            except ProjectError as error:
                found.append(Summary(folder.name, folder.name, error=str(error)))
        return sorted(found, key=lambda summary: (summary.error is not None, summary.created, summary.id))

    def find(self, origin: str) -> Project | None:
        """Return the project with an origin, the oldest if there are several; None without one.

        Raises:
            ProjectError: if it belongs to another version, or is damaged.
        """
        with disk_errors(self.folder):
            files = [
                path
                for path in self.folder.glob(f"*/{_ORIGIN}")
                if not path.parent.name.startswith(".") and path.read_bytes() == os.fsencode(origin)
            ]
            file = min(files, key=lambda path: path.stat().st_mtime_ns, default=None)
        return None if file is None else self.open(file.parent.name)

    def open(self, project: str) -> Project:
        """Open a project by its id.

        Raises:
            UnknownError: if there is no such project.
            ProjectError: if it belongs to another version, or is damaged.
        """
        return Project(self._path(project), limits=self._limits)

    def delete(self, project: str) -> None:
        """Delete a project with its data, even one that can't be opened. Photos of folders in place stay.

        Raises:
            UnknownError: if there is no such project.
            ProjectError: if the folder has no project's database, or can't be deleted.
        """
        folder = self._path(project)
        if not (folder / FILE).is_file():
            raise UnknownError(f"{folder} has no {FILE}, so it is no project; nothing was deleted")
        try:
            opened = Project(folder)
        except ProjectError:
            pass  # another version or damaged; other processes can't write to it either
        else:
            opened._set_state("deleted")  # other processes that have it open can't write any more
            opened.close()
        with self._locked():
            folder.rename(self.folder / f"{_DELETED}{secrets.token_hex(8)}")
            for gone in self.folder.glob(f"{_DELETED}*"):  # those of a killed process too
                shutil.rmtree(gone, ignore_errors=True)

    def _free_folder(self, name: str) -> Path:
        numbered = itertools.chain([_slug(name)], (f"{_slug(name)}-{number}" for number in itertools.count(2)))
        return next(path for path in map(self.folder.joinpath, numbered) if not path.exists())

    def _path(self, project: str) -> Path:
        folder = self.folder / project
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,99}", project) or not folder.is_dir():
            raise UnknownError(f"there is no project {project[:100]!r} in {self.folder}; list the projects")
        return folder

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with disk_errors(self.folder), lock(self.folder, wait=True):
            yield


def _slug(name: str) -> str:
    """Return a safe name of a folder from a project's name.

    >>> _slug("Pêches d'été, 2026!"), _slug("猫")
    ('peches-d-ete-2026', 'project')
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    plain = re.sub(r"[̀-ͯ]", "", plain)
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:40].rstrip("-") or "project"


_SUMMARY = """
SELECT name, created, state, (SELECT COUNT(*) FROM photos) AS photos,
    (SELECT SUM(label IS NOT NULL) FROM
        (SELECT label, MAX(id) FROM events GROUP BY photo)) AS labelled
FROM project
"""
