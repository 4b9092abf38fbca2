"""List the photos of a folder in place, by the hash of their content. Nothing is copied, and nothing is decoded yet."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from pets.image_files import SUFFIXES
from runtime.errors import UserError
from runtime.folder import sha256
from schemas.problems import ProblemError

MAX_BYTES = 50_000_000  # of a file; why: cameras write JPEG files of up to 30 MB
_UNSUPPORTED = frozenset({".heic", ".heif", ".avif"})  # names of photos that are reported, since no decoder reads them


class NoPhotosError(UserError):
    """A folder has no photos that can be labelled."""


class PhotoFile(NamedTuple):
    """A file that may be a photo.

    Attributes:
        path: path of the file.
        sha256: SHA-256 of its content, hexadecimal.
        size: size in bytes.
        modified: time of the last change, nanoseconds.
    """

    path: Path
    sha256: str
    size: int
    modified: int


class BrokenFile(NamedTuple):
    """A file that can't be labelled.

    Attributes:
        path: path of the file.
        kind: name of the problem, such as ``damaged-image``; ``unreadable`` if the file can't be read.
        reason: cause and remedy.
    """

    path: Path
    kind: str
    reason: str

    @classmethod
    def of(cls, path: Path, error: ProblemError | OSError) -> "BrokenFile":
        """Return the broken file of an error that reading or decoding it has raised."""
        if isinstance(error, ProblemError):
            return cls(path, error.problem.type.rpartition(":")[2], error.problem.detail)
        return cls(
            path,
            "unreadable",
            f"the file can't be read: {error.strerror or error}; check its permissions, or list the folder again",
        )


class FolderPhotos(NamedTuple):
    """Photos of a folder.

    Attributes:
        photos: one file for each content, sorted by path.
        copies: further files with the content of a photo, by its hash.
        broken: files that can't be read, are empty or are too large, sorted by path.
    """

    photos: tuple[PhotoFile, ...]
    copies: dict[str, tuple[Path, ...]]
    broken: tuple[BrokenFile, ...]


def list_photos(folder: Path, *, known: Iterable[PhotoFile] = (), max_bytes: int = MAX_BYTES) -> FolderPhotos:
    """List the photos of a folder and its sub-folders, by the suffixes of their names.

    Hidden files and folders are left out, as are linked folders.

    Args:
        folder: the folder.
        known: photos of an earlier call. Those of the same path, size and time are not read again.
        max_bytes: size of the largest file.

    Raises:
        NoPhotosError: if the folder can't be read, or has no file with the name of a photo.
    """
    if not folder.is_dir():
        raise NoPhotosError(f"{folder} is no folder that can be read; name a folder of photos")
    earlier = {photo.path: photo for photo in known}
    photos: dict[str, PhotoFile] = {}
    copies: dict[str, list[Path]] = {}
    broken: list[BrokenFile] = []
    for path in sorted(_files(folder, broken)):
        try:
            photo = _photo(path, earlier.get(path), max_bytes)
        except OSError as error:
            broken.append(BrokenFile.of(path, error))
            continue
        if isinstance(photo, BrokenFile):
            broken.append(photo)
        elif photo.sha256 in photos:
            copies.setdefault(photo.sha256, []).append(path)
        else:
            photos[photo.sha256] = photo
    if not photos and not broken:
        raise NoPhotosError(f"{folder} has no photos; their names end with {', '.join(sorted(SUFFIXES))}")
    found = {content: tuple(paths) for content, paths in copies.items()}
    return FolderPhotos(tuple(photos.values()), found, tuple(sorted(broken)))


def read_content(file: PhotoFile) -> bytes:
    """Return the content of a photo, which must be the content that was listed.

    Raises:
        OSError: if the file can't be read, or has changed since it was listed.
    """
    if file.path.stat().st_size != file.size:
        raise OSError(0, _CHANGED)
    content = file.path.read_bytes()
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise OSError(0, _CHANGED)
    return content


_CHANGED = "it has changed since the folder was listed"


def _files(folder: Path, broken: list[BrokenFile]) -> Iterator[Path]:
    """Yield the files of a folder whose names are those of photos; add folders that can't be read to ``broken``."""

    def record(error: OSError) -> None:
        broken.append(BrokenFile.of(Path(str(error.filename)), error))

    for parent, folders, names in os.walk(folder, onerror=record):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__MACOSX")))
        for name in names:
            if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES | _UNSUPPORTED:
                yield Path(parent, name)


def _photo(path: Path, earlier: PhotoFile | None, max_bytes: int) -> PhotoFile | BrokenFile:
    """Return the photo of a path; a broken file if it is none.

    Raises:
        OSError: if the file can't be read.
    """
    status = path.stat()
    if not path.is_file():
        return BrokenFile(path, "unreadable", "it is no file, although its name is that of a photo; remove it")
    if not status.st_size:
        return BrokenFile(path, "not-an-image", "the file is empty; copy the photo again")
    if status.st_size > max_bytes:
        size = f"the file has {status.st_size / 1e6:,.0f} MB; {max_bytes / 1e6:,.0f} MB are allowed"
        return BrokenFile(path, "image-too-large", f"{size}: save a smaller picture")
    if earlier is not None and (earlier.size, earlier.modified) == (status.st_size, status.st_mtime_ns):
        return earlier
    return PhotoFile(path, sha256(path), status.st_size, status.st_mtime_ns)
