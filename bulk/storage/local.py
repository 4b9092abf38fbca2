"""Folders of this machine, or of a file system that several machines share."""

import errno
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from bulk.storage.storage import File, PlaceError, UnavailableError, is_shown
from runtime.folder import new_file, sweep

_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS)


class LocalStorage:
    """Files and folders. A file is created by a hard link, which fails if its name exists already."""

    def files(self, place: str) -> list[File]:
        """Return a file, or all files below a folder that `is_shown`; links to folders are followed."""
        path = Path(place)
        if path.is_file():
            return [_file(path, path.name)]
        if not path.exists():
            return []
        found = [(file, file.relative_to(path).as_posix()) for file in _walk(path)]
        return sorted((_file(file, name) for file, name in found if is_shown(name)), key=lambda file: file.name)

    def names(self, folder: str) -> list[str]:
        """Return the names of the files in a folder, which may not exist yet."""
        with _translated(folder):
            return sorted(os.listdir(folder)) if os.path.isdir(folder) else []

    def open(self, place: str) -> IO[bytes]:
        """Open a file to read any part of it."""
        try:
            return io.BufferedReader(_Reader(place))
        except FileNotFoundError:
            raise PlaceError(f"{place} does not exist") from None
        except (PermissionError, IsADirectoryError) as error:
            raise PlaceError(f"{place} can't be read: {error.strerror}") from error
        except OSError as error:
            raise UnavailableError(f"{place}: {error.strerror}") from error

    def create(self, place: str, write: Callable[[Path], object]) -> bool:
        """Create a file if there is none, whole or not at all."""
        folder = Path(place).parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError, PermissionError) as error:
            raise PlaceError(f"{folder} is no folder that you may write; name another one") from error
        try:
            with new_file(Path(place), replace=False, tidy=False) as part:
                write(part)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EROFS):
                raise PlaceError(f"{folder} is no folder that you may write; name another one") from error
            if error.errno in _NO_LINKS:
                raise PlaceError(
                    f"{folder} is on a file system without hard links, so nothing can be created once there; name a "
                    "folder on another one, or the address of the store behind it"
                ) from error
            raise UnavailableError(f"{place} can't be written: {error.strerror or error}") from error
        return True

    def sweep(self, folder: str) -> None:
        """Remove temporary files of killed writers in a folder."""
        with _translated(folder):
            sweep(Path(folder))


class _Reader(io.FileIO):
    """A file whose errors are ours, also in the middle: a shared file system fails like a store."""

    def readinto(self, buffer: Any) -> int | None:
        with _translated(str(self.name)):
            return super().readinto(buffer)

    def readall(self) -> bytes:
        with _translated(str(self.name)):
            return super().readall()


@contextmanager
def _translated(place: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UnavailableError(f"{place} can't be read: {error.strerror}") from error


def _walk(path: Path) -> Iterator[Path]:
    """Yield all files below a folder, each folder once, though links lead to it again.

    Raises:
        PlaceError: if a folder can't be read.
    """

    def refuse(error: OSError) -> None:
        raise PlaceError(f"{error.filename} can't be read: {error.strerror}") from error

    seen: set[str] = set()
    for folder, folders, names in os.walk(path, onerror=refuse, followlinks=True):
        seen.add(os.path.realpath(folder))
        folders[:] = [name for name in folders if os.path.realpath(os.path.join(folder, name)) not in seen]
        yield from (Path(folder) / name for name in names)


def _file(path: Path, name: str) -> File:
    found = path.stat()
    return File(str(path), name, found.st_size, str(found.st_mtime_ns))
