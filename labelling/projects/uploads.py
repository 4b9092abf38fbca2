"""Uploads: bytes that become a photo of a project, named by their hash and verified while they are written."""

import hashlib
import os
import re
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from labelling.photos.files import PhotoFile
from labelling.projects.database import Database
from labelling.projects.errors import FullError, ProjectError, disk_errors
from labelling.projects.photos import (
    PHOTOS,
    Photos,
    StoredPhoto,
    changed_photos,
    insert_photo,
    make_inside,
    uploaded_path,
)
from labelling.projects.texts import checked_text
from runtime.folder import fsync

RESERVE = 64_000_000  # bytes that stay free on the disk; why: labels must be saved when photos no longer fit
_ABANDONED_S = 86_400.0  # age of a part that no upload writes to any more


class Upload:
    """An upload: write the bytes, then finish. Leaving the ``with`` block earlier removes them.

    Args:
        database: the project's database.
        folder: the project's folder.
        photos: the project's photos.
        name: name for people, such as that of the file.
        sha256: hash that the bytes must have, hexadecimal; None if the sender does not know it.
        size: number of bytes, if it is known.

    Attributes:
        is_new: True after `finish` if the project did not have the photo.

    Raises:
        ProjectError: if the name or the hash is none, or the photo is too large.
        FullError: if the disk or the project is full.
    """

    def __init__(
        self, database: Database, folder: Path, photos: Photos, name: str, *, sha256: str | None, size: int | None
    ) -> None:
        self._name = checked_text("name", name, most=1000)
        if sha256 is not None and not re.fullmatch(r"[0-9a-f]{64}", sha256):
            raise ProjectError(f"sha256: {sha256[:80]!r} is no hash; write 64 digits of 0 to 9 and a to f")
        self._database, self._folder, self._photos, self._expected = database, folder, photos, sha256
        self._hash, self._size = hashlib.sha256(), 0
        self.is_new = False
        self._check_size(size or 0)
        incoming = folder / PHOTOS / "incoming"
        with disk_errors(folder):
            make_inside(folder, incoming)
            self._check_room(size or 0)
            for part in incoming.iterdir():
                with suppress(FileNotFoundError):
                    if time.time() - part.stat().st_mtime > _ABANDONED_S:
                        part.unlink()
            self._descriptor, part_name = tempfile.mkstemp(dir=incoming)
        self._part = Path(part_name)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        self._part.unlink(missing_ok=True)

    def write(self, chunk: bytes) -> None:
        """Write the next bytes.

        Raises:
            ProjectError: if the photo gets too large.
            FullError: if the disk is full.
        """
        self._check_size(self._size + len(chunk))
        self._hash.update(chunk)
        self._size += len(chunk)
        rest = memoryview(chunk)
        with disk_errors(self._folder):
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]

    def finish(self) -> StoredPhoto:
        """Add the photo to the project; return it, or the one of this content that the project has already.

        Raises:
            ProjectError: if there are no bytes, or they have another hash.
            FullError: if the disk or the project is full.
        """
        sha256 = self._hash.hexdigest()
        if not self._size:
            raise ProjectError("photo: there are no bytes; send the photo again")
        if self._expected not in (None, sha256):
            raise ProjectError(f"sha256: the bytes have the hash {sha256}, not {self._expected}; send the photo again")
        target = uploaded_path(self._folder, sha256)
        with disk_errors(self._folder):
            os.fsync(self._descriptor)
            make_inside(self._folder, target.parent)
        with self._database.writing() as connection:
            known = connection.execute("SELECT path FROM photos WHERE sha256 = ?", (sha256,)).fetchone()
            if known is None:
                count, size = connection.execute(_USED).fetchone()
                self._check_limits(count + 1, size + self._size)
                modified = os.fstat(self._descriptor).st_mtime_ns
                insert_photo(connection, PhotoFile(target, sha256, self._size, modified), self._name, in_place=False)
                changed_photos(connection)
            if known is None or known["path"] is None:
                # The file is there before the row. If the transaction fails, the next upload replaces the file.
                with disk_errors(self._folder):
                    self._part.replace(target)
                    fsync(target.parent)
        self.is_new = known is None
        return self._photos[sha256]

    def _check_size(self, size: int) -> None:
        most = self._photos.limits.photo_bytes
        if size > most:
            raise ProjectError(
                f"photo: {self._name} has more than {most / 1e6:g} MB, which is the limit; save a smaller picture"
            )

    def _check_room(self, size: int) -> None:
        with disk_errors(self._folder):
            free = shutil.disk_usage(self._folder).free
        if free < size + RESERVE:
            raise FullError(f"the disk of {self._folder} has {free / 1e6:,.0f} MB left; free some space and try again")

    def _check_limits(self, photos: int, size: int) -> None:
        limits = self._photos.limits
        if photos > limits.photos:
            raise FullError(f"the project has {limits.photos:,} photos, which is the limit; begin another project")
        if size > limits.project_bytes:
            raise FullError(
                f"the project's photos have {limits.project_bytes / 1e9:g} GB, which is the limit; "
                "begin another project, or label a folder in place"
            )


_USED = "SELECT COUNT(*), IFNULL(SUM(size) FILTER (WHERE path IS NULL), 0) FROM photos"
