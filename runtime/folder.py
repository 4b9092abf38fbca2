"""Atomic writes of folders and files.

A process can be killed at any moment. A writer therefore builds a file or folder under a temporary name beside its
target, and renames it when it is complete. Readers see the old content, the new content or nothing, never a part.

A writer holds a lock on its temporary file or folder. The next writer of the same target removes temporary files
without a lock: their writers have been killed.
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
from typing import Literal

from runtime.errors import UserError
from runtime.lock import lock

Rights = Literal["shared", "private", "kept"]

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2


class FolderError(UserError):
    """A file or folder can't be written; the message names it and the remedy."""


@contextmanager
def new_folder(
    target: Path, *, replace: bool = False, rights: Rights = "shared", staging: Path | None = None
) -> Iterator[Path]:
    """Write a folder atomically.

    Args:
        target: path of the new folder; missing parents are created.
        replace: replace an existing folder. An empty folder is always replaced.
        rights: everyone may read a shared folder and its files, and only the owner private ones. Files whose rights are
            kept are not changed at all, since they may be hard links to others; their folder is the owner's.
        staging: folder for the temporary folder, on the target's file system; None for the target's parent.

    Yields:
        A temporary folder in ``staging``. If the block ends without an error, it is renamed to the target, otherwise
        it is removed.

    Raises:
        FolderError: if the target is a file, or a non-empty folder that may not be replaced.
    """
    target = Path(os.path.abspath(target))
    check_target(target, replace=replace)
    target.parent.mkdir(parents=True, exist_ok=True)
    with _part(target, tempfile.mkdtemp, staging) as part:
        yield part
        # mkdtemp and safetensors create private files; other users read a served folder
        part.chmod(0o755 if rights == "shared" else 0o700)
        for file in part.rglob("*"):
            if file.is_file():
                if rights != "kept":
                    file.chmod(0o644 if rights == "shared" else 0o600)
                fsync(file)
        _swap(part, target)
        fsync(target.parent)


def check_target(target: Path, *, replace: bool = False, remedy: str = "") -> None:
    """Check before long work that `new_folder` can write the target. The check leaves no trace.

    Args:
        target: path of the folder.
        replace: an existing folder may be replaced.
        remedy: further remedy for an existing folder, for the message, such as an option of the command.

    Raises:
        FolderError: if it can't.
    """
    if target.exists() and not target.is_dir():
        raise FolderError(f"{target} is a file; name a folder that does not exist yet")
    if not replace and target.is_dir() and any(target.iterdir()):
        raise FolderError(f"{target} is there already and not empty; name another folder{remedy}")
    _check_parent(target)


def check_file(target: Path) -> None:
    """Check before long work that `write_file` can write the target. The check leaves no trace.

    Raises:
        FolderError: if it can't.
    """
    if target.is_dir():
        raise FolderError(f"{target} is a folder; name a file")
    _check_parent(target)


def _check_parent(target: Path) -> None:
    """Check that the nearest existing parent of the target is writable."""
    parent = Path(os.path.abspath(target)).parent
    while not parent.exists():
        parent = parent.parent
    try:
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", suffix=".part", dir=parent):
            pass
    except OSError as error:
        raise FolderError(f"{target} can't be written: {parent}: {error.strerror}; name another place") from None


def make_private(folder: Path) -> None:
    """Make a folder and its missing parents, for this user alone; `Path.mkdir` lets others read the parents."""
    for path in (*reversed(folder.parents), folder):
        if not path.exists():
            path.mkdir(mode=0o700, exist_ok=True)


def write_file(target: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Write a file atomically; replace an existing one."""
    with new_file(target, mode=mode) as part:
        part.write_bytes(content)


@contextmanager
def new_file(target: Path, *, mode: int = 0o644, replace: bool = True, tidy: bool = True) -> Iterator[Path]:
    """Write a file atomically.

    Args:
        target: path of the file; missing parents are created.
        mode: rights of the file. Until it is complete, only its owner has any.
        replace: replace an existing file.
        tidy: remove temporary files of killed writers of the target. Writers of very many files in one folder call
            `sweep` once instead, because a list of the folder for each file takes time in the square of their number.

    Yields:
        An empty temporary file beside the target. If the block ends without an error, it is renamed to the target,
        otherwise it is removed.

    Raises:
        FileExistsError: at the end, if there is a file that may not be replaced. Of several writers at once, the first
            one wins.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with _part(target, _new_file, tidy=tidy) as part:
        yield part
        fsync(part)
        part.chmod(mode)
        if replace:
            part.replace(target)
        else:
            os.link(part, target)  # fails if the name exists; a rename would not


def sha256(file: Path) -> str:
    """Return the hexadecimal SHA-256 of a file's content."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


@contextmanager
def _part(target: Path, make: Callable[..., str], staging: Path | None = None, *, tidy: bool = True) -> Iterator[Path]:
    """Yield a locked temporary file or folder of the target. Remove it at the end if it has not been renamed."""
    staging = staging or target.parent
    if tidy:
        sweep(staging, target.name)
    with ExitStack() as locked:
        while True:
            part = Path(make(prefix=f".{target.name}.", suffix=".part", dir=staging))
            with suppress(FileNotFoundError):  # another process removed it before it was locked
                if locked.enter_context(lock(part, wait=True)) is not False:
                    break
        try:
            yield part
        finally:
            _remove(part)


def _new_file(prefix: str, suffix: str, dir: Path) -> str:
    """Create a file as ``tempfile.mkdtemp`` creates a folder."""
    handle, name = tempfile.mkstemp(suffix, prefix, dir)
    os.close(handle)
    return name


def sweep(staging: Path, name: str | None = None) -> None:
    """Remove temporary files and folders whose processes have ended.

    Args:
        staging: folder that they are in.
        name: name of their target; None for any.
    """
    ours = re.compile(rf"\.{'.+' if name is None else re.escape(name)}\.\w{{8}}\.part")  # \w{8}: tempfile's
    for part in [path for path in staging.iterdir() if ours.fullmatch(path.name)]:
        with suppress(OSError), lock(part) as ended:
            if ended:
                _remove(part)


def _remove(part: Path) -> None:
    """Remove a file or folder, if it exists."""
    if part.is_dir():
        shutil.rmtree(part, ignore_errors=True)
    else:
        part.unlink(missing_ok=True)


def _swap(part: Path, target: Path) -> None:
    """Rename ``part`` to ``target``; an old folder of that name is renamed to ``part``."""
    if not target.exists():
        part.rename(target)
        return
    if _exchange(part, target):
        return
    # No atomic exchange on this system: between the two renames the target does not exist, but it is never incomplete.
    old = part.with_suffix(".old")
    target.rename(old)
    part.rename(target)
    old.rename(part)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two names atomically with Linux's renameat2. Return False if the system can't."""
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
    """Flush a file, or the entries of a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
