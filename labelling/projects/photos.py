"""Photos of a project: in folders in place, uploaded, or drawn. Nothing is decoded here."""

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from labelling.demonstration import write_demonstration
from labelling.demonstration.vehicles import TRUTH, Vehicle
from labelling.features.table import PhotoFacts
from labelling.photos.files import BrokenFile, FolderPhotos, NoPhotosError, PhotoFile, list_photos, read_content
from labelling.projects.database import Database
from labelling.projects.errors import BrokenPhotoError, FullError, UnknownError, disk_errors
from runtime.folder import make_private

PHOTOS = "photos"  # folder of the uploaded photos
DEMONSTRATION = "demonstration"  # folder of the drawn photos


class Limits(NamedTuple):
    """Limits of a project.

    Attributes:
        photo_bytes: size of an uploaded photo.
        photos: number of photos.
        project_bytes: size of all uploaded photos together.
    """

    photo_bytes: int = 10_000_000
    photos: int = 50_000
    project_bytes: int = 20_000_000_000


class StoredPhoto(NamedTuple):
    """A photo of a project.

    Attributes:
        file: path, hash, size and time of its file.
        name: name for people: the path within its folder, or the name that it was uploaded with.
        uploaded: True if the project has a copy of the file.
        state: ``new`` until it is decoded, then ``ok`` or ``broken``.
        kind: name of a broken photo's problem, such as ``damaged-image``.
        reason: cause and remedy of that problem.
        width: width of the upright photo, pixels; None until it is decoded.
        height: height of the upright photo, pixels; None until it is decoded.
        dhash: 64 bits that near duplicates share; None until it is decoded.
        twin: hash of the first photo of its group of near duplicates, which may be itself.
    """

    file: PhotoFile
    name: str
    uploaded: bool
    state: str
    kind: str | None
    reason: str | None
    width: int | None
    height: int | None
    dhash: int | None
    twin: str

    @property
    def sha256(self) -> str:
        """Return the hash of its file."""
        return self.file.sha256


class Added(NamedTuple):
    """Photos that a folder has added to a project.

    Attributes:
        new: hashes of the photos that the project did not have.
        known: hashes of those that it had.
        copies: further files with the content of a photo, by its hash.
        broken: files that can't be used, and why.
        vanished: photos that the project has from this folder, and that are gone or have changed.
    """

    new: tuple[str, ...]
    known: tuple[str, ...]
    copies: Mapping[str, tuple[Path, ...]]
    broken: tuple[BrokenFile, ...]
    vanished: tuple[BrokenFile, ...]


class Photos:
    """Photos of a project.

    Args:
        database: the project's database.
        folder: the project's folder.
        limits: limits of the project.
    """

    def __init__(self, database: Database, folder: Path, limits: Limits) -> None:
        self._database, self._folder, self.limits = database, folder, limits

    def __len__(self) -> int:
        with self._database.reading() as connection:
            return int(connection.execute("SELECT COUNT(*) FROM photos").fetchone()[0])

    def __contains__(self, sha256: str) -> bool:
        with self._database.reading() as connection:
            return connection.execute("SELECT 1 FROM photos WHERE sha256 = ?", (sha256,)).fetchone() is not None

    def __iter__(self) -> Iterator[StoredPhoto]:
        """Yield all photos, oldest first."""
        with self._database.reading() as connection:
            return iter(self.within(connection))

    def within(self, connection: sqlite3.Connection) -> list[StoredPhoto]:
        """Return all photos at the time of a transaction, oldest first."""
        return [self._stored(row) for row in connection.execute(f"{_SELECT} ORDER BY p.number")]

    def __getitem__(self, sha256: str) -> StoredPhoto:
        """Return a photo by its hash.

        Raises:
            UnknownError: if the project does not have it.
        """
        with self._database.reading() as connection:
            row = connection.execute(f"{_SELECT} WHERE p.sha256 = ?", (sha256,)).fetchone()
        if row is None:
            raise UnknownError(f"photo: there is no photo {sha256} in the project; list the photos")
        return self._stored(row)

    def add_folder(self, folder: Path) -> Added:
        """Add the photos of a folder and its sub-folders in place, or look for changes since the last time.

        Photos whose files were moved within the folder keep their labels.

        Raises:
            NoPhotosError: if the folder has no photos, and the project has none from it.
            FullError: if the project would have too many photos; none is added then.
        """
        folder = Path(os.path.abspath(folder))
        earlier = [photo.file for photo in self if not photo.uploaded and photo.file.path.is_relative_to(folder)]
        try:
            listed = list_photos(folder, known=earlier)
        except NoPhotosError:
            if not earlier:
                raise
            listed = FolderPhotos((), {}, ())
        with self._database.writing() as connection:
            files = {row["sha256"]: self._stored(row) for row in connection.execute(_SELECT)}
            new = [photo for photo in listed.photos if photo.sha256 not in files]
            self._check_count(len(files) + len(new))
            for photo in listed.photos:
                known = files.get(photo.sha256)
                if known is None:
                    insert_photo(connection, photo, _name(photo.path, folder), in_place=True)
                elif not known.uploaded and (known.kind == "unreadable" or not is_unchanged(known.file)):
                    _move(connection, photo, _name(photo.path, folder))
            if new:
                changed_photos(connection)
        found = {photo.sha256 for photo in listed.photos}
        vanished = (photo for photo in earlier if photo.sha256 not in found)
        return Added(
            tuple(photo.sha256 for photo in new),
            tuple(photo.sha256 for photo in listed.photos if photo.sha256 in files),
            listed.copies,
            listed.broken,
            tuple(BrokenFile(photo.path, "unreadable", _gone(photo)) for photo in vanished),
        )

    def add_demonstration(
        self, photos: int = 600, *, seed: int = 0, drawn: Callable[[Vehicle], object] = lambda _: None
    ) -> Added:
        """Draw vehicles whose kind, colour and angle are known, and add them; see `labelling.demonstration`.

        The truth lies beside them, in ``demonstration/truth.csv``.

        Args:
            photos: number of photos.
            seed: seed of everything.
            drawn: called after each photo that is drawn.

        Raises:
            FullError: if the disk is full, or the project would have too many photos.
        """
        folder = self._folder / DEMONSTRATION
        self._check_count(photos)
        with disk_errors(folder):
            if not (folder / TRUTH).exists():
                write_demonstration(folder, photos, seed=seed, drawn=drawn)
            for file in folder.iterdir():
                file.chmod(0o600)
            folder.chmod(0o700)
        return self.add_folder(folder)

    def read(self, sha256: str) -> bytes:
        """Return the content of a photo's file.

        Raises:
            UnknownError: if the project does not have it.
            BrokenPhotoError: if the file is gone, has changed or can't be read.
        """
        photo = self[sha256]
        try:
            return read_content(photo.file)
        except OSError as error:
            broken = BrokenFile.of(photo.file.path, error)
            raise BrokenPhotoError(photo.name, broken.kind, broken.reason) from error

    def counts(self) -> dict[str, int]:
        """Return the number of photos by state: ``new``, ``ok`` and ``broken``."""
        with self._database.reading() as connection:
            found = dict(connection.execute("SELECT state, COUNT(*) FROM photos GROUP BY state").fetchall())
        return {state: found.get(state, 0) for state in ("new", "ok", "broken")}

    def record(self, facts: Iterable[PhotoFacts] = (), broken: Mapping[str, BrokenFile] = MappingProxyType({})) -> None:
        """Record photos that were decoded, and those that could not be.

        Args:
            facts: facts of decoded photos of the project.
            broken: problem of each photo that can't be decoded, by its hash.
        """
        with self._database.writing() as connection:
            before = connection.execute(_COUNT_BROKEN).fetchone()[0]
            connection.executemany(
                "UPDATE photos SET width = ?, height = ?, dhash = ?, state = 'ok', kind = NULL, reason = NULL "
                "WHERE sha256 = ?",
                ((fact.width, fact.height, _signed(fact.dhash), fact.sha256) for fact in facts),
            )
            connection.executemany(
                "UPDATE photos SET state = 'broken', kind = ?, reason = ? WHERE sha256 = ?",
                ((file.kind, file.reason, photo) for photo, file in broken.items()),
            )
            if broken or connection.execute(_COUNT_BROKEN).fetchone()[0] != before:
                changed_photos(connection)

    def group(self, twins: Mapping[str, str]) -> None:
        """Record groups of near duplicates.

        Args:
            twins: hash of the first photo of its group, by the hash of each photo. Others keep their group.
        """
        with self._database.writing() as connection:
            numbers = dict(connection.execute("SELECT sha256, number FROM photos").fetchall())
            connection.executemany(
                "UPDATE photos SET twin = ? WHERE number = ?",
                ((numbers[first], numbers[photo]) for photo, first in twins.items()),
            )
            changed_photos(connection)

    def _check_count(self, photos: int) -> None:
        if photos > self.limits.photos:
            raise FullError(
                f"the project would have {photos:,} photos; {self.limits.photos:,} are allowed: begin another project, "
                "or choose a smaller folder"
            )

    def _stored(self, row: sqlite3.Row) -> StoredPhoto:
        uploaded = row["path"] is None
        path = uploaded_path(self._folder, row["sha256"]) if uploaded else Path(os.fsdecode(row["path"]))
        return StoredPhoto(
            PhotoFile(path, row["sha256"], row["size"], row["modified"]),
            row["name"],
            uploaded,
            row["state"],
            row["kind"],
            row["reason"],
            row["width"],
            row["height"],
            None if row["dhash"] is None else row["dhash"] % (1 << 64),
            row["twin_sha256"],
        )


def make_inside(project: Path, folder: Path) -> None:
    """Make a private folder within a project's folder, unless the project has been deleted.

    Raises:
        UnknownError: if it has.
    """
    if not project.is_dir():
        raise UnknownError(f"the project in {project} has been deleted; open another one")
    make_private(folder)


def uploaded_path(folder: Path, sha256: str) -> Path:
    """Return the path of an uploaded photo in a project's folder."""
    return folder / PHOTOS / sha256[:2] / sha256


def insert_photo(connection: sqlite3.Connection, photo: PhotoFile, name: str, *, in_place: bool) -> None:
    """Insert a photo that the project does not have."""
    path = os.fsencode(photo.path) if in_place else None
    connection.execute(
        "INSERT INTO photos (sha256, name, path, size, modified, state) VALUES (?, ?, ?, ?, ?, 'new')",
        (photo.sha256, name, path, photo.size, photo.modified),
    )


def changed_photos(connection: sqlite3.Connection) -> None:
    """Count a change of photos, their states or groups, so that what was derived from them is derived anew."""
    connection.execute("UPDATE project SET photos_version = photos_version + 1")


def is_unchanged(photo: PhotoFile) -> bool:
    """Return True if a photo's file has the size and time that it had."""
    try:
        status = photo.path.stat()
    except OSError:
        return False
    return (status.st_size, status.st_mtime_ns) == (photo.size, photo.modified)


def _move(connection: sqlite3.Connection, photo: PhotoFile, name: str) -> None:
    """Record the new place of a known photo; one that could not be read is tried again."""
    connection.execute(
        "UPDATE photos SET path = ?, name = ?, size = ?, modified = ? WHERE sha256 = ?",
        (os.fsencode(photo.path), name, photo.size, photo.modified, photo.sha256),
    )
    connection.execute(
        "UPDATE photos SET state = 'new', kind = NULL, reason = NULL WHERE sha256 = ? AND kind = 'unreadable'",
        (photo.sha256,),
    )


def _gone(photo: PhotoFile) -> str:
    verb = "has changed" if photo.path.exists() else "is gone"
    return f"the file {verb} since it was added; put it back, or add its folder again"


def _name(path: Path, folder: Path) -> str:
    """Return the path within a folder as text; bytes that are no UTF-8 become replacement characters."""
    return os.fsencode(path.relative_to(folder)).decode("utf-8", "replace")


def _signed(dhash: int) -> int:
    """Return 64 bits as the signed number that SQLite stores."""
    return dhash - (1 << 64) if dhash >> 63 else dhash


_SELECT = "SELECT p.*, IFNULL(t.sha256, p.sha256) AS twin_sha256 FROM photos p LEFT JOIN photos t ON t.number = p.twin"
_COUNT_BROKEN = "SELECT COUNT(*) FROM photos WHERE state = 'broken'"
