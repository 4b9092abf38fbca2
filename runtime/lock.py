"""Locks on files and folders that go with the process that holds them, however it ends.

They stop only who asks for them (flock). They are of the file or folder itself: a new name does not free it.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def lock(path: Path, *, wait: bool = False, shared: bool = False) -> Iterator[bool | None]:
    """Hold the lock of a file or folder.

    Args:
        path: what is locked; it is there.
        wait: whether to wait while another holds it.
        shared: whether others may hold it too, if theirs are shared.

    Yields:
        Whether it is held: not if another holds it, or what was there has gone meanwhile; None if the file system has
        no locks.

    Raises:
        OSError: if it can't be opened.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield _take(descriptor, path, wait, shared)
    finally:
        os.close(descriptor)


def _take(descriptor: int, path: Path, wait: bool, shared: bool) -> bool | None:
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:  # as of NFS for a folder
        return None
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
