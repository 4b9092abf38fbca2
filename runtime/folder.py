"""Folders and files that appear whole or not at all.

A process may be killed at any moment. What is written is therefore built under a temporary name beside its
target and renamed when it is complete: a reader sees the old, the new, or nothing, never a half. Who builds holds the
lock of what it builds, by which the next to write the target tells what the killed have left behind, and removes it.
"""

import ctypes
import errno
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from runtime.errors import UserError
from runtime.lock import lock

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2


class FolderError(UserError):
    """A target that can't be written; the message says which and what to do."""


@contextmanager
def new_folder(target: Path, *, replace: bool = False) -> Iterator[Path]:
    """Build a folder whole or not at all.

    Args:
        target: where the folder is to appear; its parents are made.
        replace: whether a folder that is there already may be replaced. An empty one always may.

    Yields:
        A temporary folder beside the target. It takes the target's name when the block ends without an error, and
        is removed otherwise.

    Raises:
        FolderError: if the target is a file, or a folder with something in it and ``replace`` is not given.
    """
    target = Path(os.path.abspath(target))
    check_target(target, replace=replace)
    target.parent.mkdir(parents=True, exist_ok=True)
    with _part(target, tempfile.mkdtemp) as part:
        yield part
        part.chmod(0o755)  # mkdtemp makes it private, safetensors its files; a served folder is read by other users
        for file in part.rglob("*"):
            if file.is_file():
                file.chmod(0o644)
                fsync(file)
        _swap(part, target)
        fsync(target.parent)


def check_target(target: Path, *, replace: bool = False, remedy: str = "") -> None:
    """Ask before long work whether ``new_folder`` would take the target. It leaves no trace.

    Args:
        target: where a folder is to appear.
        replace: as ``new_folder`` has it.
        remedy: what else can be done about a folder that is there already, such as an option to give.

    Raises:
        FolderError: if it would not.
    """
    if target.exists() and not target.is_dir():
        raise FolderError(f"{target} is a file; name a folder that does not exist yet")
    if not replace and target.is_dir() and any(target.iterdir()):
        raise FolderError(f"{target} is there already and not empty; name another folder{remedy}")
    _check_room_beside(target)


def check_file(target: Path) -> None:
    """Ask before long work whether ``write_file`` could write the target. It leaves no trace.

    Raises:
        FolderError: if it could not.
    """
    if target.is_dir():
        raise FolderError(f"{target} is a folder; name a file")
    _check_room_beside(target)


def _check_room_beside(target: Path) -> None:
    """Whether something can be written where the target is to appear, or where its first missing parent is."""
    parent = Path(os.path.abspath(target)).parent
    while not parent.exists():
        parent = parent.parent
    try:
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", suffix=".part", dir=parent):
            pass
    except OSError as error:
        raise FolderError(f"{target} can't be written: {parent}: {error.strerror}; name another place") from None


def write_file(target: Path, content: bytes) -> None:
    """Write a file whole or not at all; what was there is replaced."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with _part(target, _new_file) as part:
        part.write_bytes(content)
        fsync(part)
        part.chmod(0o644)
        part.replace(target)


def sha256(file: Path) -> str:
    """The hex digest of a file's content."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


@contextmanager
def _part(target: Path, make: Callable[..., str]) -> Iterator[Path]:
    """A temporary file or folder beside the target, locked, and removed in the end if it is still there."""
    _sweep(target)
    with ExitStack() as locked:
        while True:
            part = Path(make(prefix=f".{target.name}.", suffix=".part", dir=target.parent))
            with suppress(FileNotFoundError):  # another swept it before it was locked
                if locked.enter_context(lock(part, wait=True)) is not False:
                    break
        try:
            yield part
        finally:
            _remove(part)


def _new_file(prefix: str, suffix: str, dir: Path) -> str:
    """As ``tempfile.mkdtemp`` makes a folder."""
    handle, name = tempfile.mkstemp(suffix, prefix, dir)
    os.close(handle)
    return name


def _sweep(target: Path) -> None:
    """Remove what processes that are no more have left of a target."""
    ours = re.compile(rf"\.{re.escape(target.name)}\.\w{{8}}\.part")  # \w{8}: tempfile's
    for part in [each for each in target.parent.iterdir() if ours.fullmatch(each.name)]:
        with suppress(OSError), lock(part) as dead:
            if dead:
                _remove(part)


def _remove(part: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if part.is_dir():
        shutil.rmtree(part, ignore_errors=True)
    else:
        part.unlink(missing_ok=True)


def _swap(part: Path, target: Path) -> None:
    """Give ``part`` the name ``target``; an old folder of that name ends up under the name ``part``."""
    if not target.exists():
        part.rename(target)
        return
    if _exchange(part, target):
        return
    # No atomic exchange on this system: between the two renames the name is absent, never half-written.
    old = part.with_suffix(".old")
    target.rename(old)
    part.rename(target)
    old.rename(part)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two names in one step (Linux's renameat2); false where the system can't."""
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        return False
    if renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP):
        return False
    raise OSError(code, os.strerror(code), str(other))


def fsync(path: Path) -> None:
    """Flush a file or a folder's entries to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
