"""Files of folders and object stores, as jobs use them.

A place is a path, or an address such as ``s3://bucket/folder``. All names below a place use ``/``.
"""

from collections.abc import Callable
from pathlib import Path
from typing import IO, NamedTuple, Protocol

from runtime.errors import UserError


class UnavailableError(Exception):
    """A place can't be read or written for now; another try may help."""


class PlaceError(UserError):
    """A place that does not exist, or that this installation can't reach."""


class File(NamedTuple):
    """A file of the input.

    Attributes:
        place: path or address.
        name: name below the folder that was given, or the file's own.
        size: bytes.
        stamp: time of the last change, or the store's tag: another content has another stamp.
    """

    place: str
    name: str
    size: int
    stamp: str


class Storage(Protocol):
    """Files of a folder or of an object store. Every method raises `UnavailableError` if another try may help."""

    def files(self, place: str) -> list[File]:
        """Return a file, or all files below a folder in the order of their names; nothing if there is none."""
        ...

    def names(self, folder: str) -> list[str]:
        """Return the names of the files in a folder, which may not exist yet."""
        ...

    def open(self, place: str) -> IO[bytes]:
        """Open a file to read any part of it.

        Raises:
            PlaceError: if it does not exist.
        """
        ...

    def create(self, place: str, write: Callable[[Path], object]) -> bool:
        """Create a file if there is none, whole or not at all.

        Args:
            place: path or address of the file.
            write: function that writes the content to a file of this machine.

        Returns:
            False if there was a file already, which stays as it is.
        """
        ...

    def sweep(self, folder: str) -> None:
        """Remove temporary files of killed writers in a folder, which exists."""
        ...


def is_shown(name: str) -> bool:
    """Return True if a file is read with its folder: no part of its name is hidden, and no folder is a program's own.

    >>> [is_shown(name) for name in ("a.csv", "b/_DSC1.jpg", ".hidden.csv", "b/_temporary/c.csv")]
    [True, True, False, False]
    """
    *folders, _ = names = name.split("/")
    return not any(part.startswith(".") for part in names) and not any(folder.startswith("_") for folder in folders)


def below(folder: str, name: str) -> str:
    """Return the place of a name in a folder."""
    return f"{folder.rstrip('/')}/{name}"
