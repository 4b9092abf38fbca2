"""Locks on files and folders that end with the process that holds them, however it ends.

The locks are advisory (flock): they stop only processes that ask for them. They belong to the file or folder itself, so
a rename does not release them.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROBES_S = 2.0  # time to wait for those who take a shared lock for a moment, to see if another process holds the lock
_POLL_S = 0.01


@contextmanager
def lock(path: Path, *, wait: bool | float = False, shared: bool = False) -> Iterator[bool | None]:
    """Hold the lock of an existing file or folder.

    Args:
        path: the file or folder.
        wait: wait while another process holds the lock; a number is the longest time in seconds.
        shared: allow other shared locks at the same time.

    Yields:
        True if the lock is held. False if another process holds it, or the file was removed or renamed meanwhile. None
        if the file system has no locks.

    Raises:
        OSError: if the file or folder can't be opened.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield _take(descriptor, path, wait, shared)
    finally:
        os.close(descriptor)


def _take(descriptor: int, path: Path, wait: bool | float, shared: bool) -> bool | None:
    operation = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait is True else fcntl.LOCK_NB)
    until = time.monotonic() + wait
    try:
        while not _try(descriptor, operation):
            if time.monotonic() >= until:
                return False
            time.sleep(_POLL_S)
    except OSError:  # for example a folder on NFS
        return None
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _try(descriptor: int, operation: int) -> bool:
    try:
        fcntl.flock(descriptor, operation)
    except BlockingIOError:
        return False
    return True
