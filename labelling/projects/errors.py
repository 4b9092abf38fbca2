"""Errors of projects.

Errors::

    ProjectError
    ├── UnknownError        a project, photo or label that does not exist
    ├── ArchivedError       a change of an archived project
    ├── FullError           a full disk, or a limit of the project
    └── BrokenPhotoError    a photo that has vanished, has changed or can't be decoded
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runtime.errors import UserError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class ProjectError(UserError):
    """A labelling project can't be opened, changed or exported as requested; the message has the remedy."""


class UnknownError(ProjectError):
    """A labelling project, or its photo or label, does not exist."""


class ArchivedError(ProjectError):
    """An archived labelling project can't be changed before it is restored."""


class FullError(ProjectError):
    """The disk is full, or a labelling project has as many photos or bytes as it may have."""


class BrokenPhotoError(ProjectError):
    """A photo of a labelling project has vanished, has changed or can't be decoded; ``kind`` names the problem."""

    def __init__(self, name: str, kind: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.kind, self._parts = kind, (name, kind, reason)

    def __reduce__(self) -> tuple[type, tuple[str, str, str]]:
        """Let a process send the error to another one."""
        return type(self), self._parts


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn errors of the disk below a path into a `ProjectError`, and those of a full disk into a `FullError`."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise FullError(
                f"the disk of {path} is full; free some space and try again. What was confirmed is saved"
            ) from error
        raise ProjectError(
            f"{path} can't be used ({error.strerror or error}); check the folder's disk and rights"
        ) from error
