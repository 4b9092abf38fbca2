"""Running a process of the server in a private folder, and stopping it with all of its descendants."""

import contextlib
import ctypes
import fcntl
import logging
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from runtime.errors import UserError
from runtime.lock import lock
from serving.signals import postponed

logger = logging.getLogger(__name__)

_PREFIX = "shopcat-"  # of the names of private folders
_SWEEP_S = 60.0  # an unlocked private folder that has not changed for this long is removed
_MAX_PARENT_BYTES = 60  # of the path of private folders' parent: leaves 30 for a socket's name
_STOP_S = 10.0  # a process that has not ended after this time is killed
# Environment variables that a process inherits. Others could change its settings unnoticed: TorchServe reads many
# variables, and TS_CONFIG_FILE replaces the configuration on its command line.
_INHERITED = re.compile(
    r"PATH|HOME|LANG|LC_\w+|TZ|LD_LIBRARY_PATH|(CUDA|NVIDIA|OMP|MKL|OPENBLAS|ORT|PROMETHEUS|SHOPCAT)_\w+"
)


class ServerError(UserError):
    """A server can't be started, or it ended unexpectedly; the message has the cause."""


@contextlib.contextmanager
def private_folder() -> Iterator[Path]:
    """Make a folder that no other user can enter, and remove it when the block ends.

    Its path is short, because the path of a Unix socket has at most 107 bytes.

    Raises:
        ServerError: if the folder can't be made.
    """
    try:
        parent = os.path.realpath(tempfile.gettempdir())
        if len(os.fsencode(parent)) >= _MAX_PARENT_BYTES:
            parent = "/tmp"  # noqa: S108
        _sweep(Path(parent))
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    except OSError as error:
        raise ServerError(
            f"a folder for the server's sockets can't be made ({error}); "
            f"set TMPDIR to a writable folder with a path of fewer than {_MAX_PARENT_BYTES} bytes"
        ) from error
    # The lock keeps the folder from `_sweep`, and from systemd, which removes old files from /tmp.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield folder
    finally:
        os.close(descriptor)
        shutil.rmtree(folder, ignore_errors=True)


def _sweep(parent: Path) -> None:
    """Remove private folders that killed processes of this user left behind: archives and logs fill the disk."""
    for folder in parent.glob(f"{_PREFIX}????????"):  # tempfile's names
        with contextlib.suppress(OSError):
            state = folder.lstat()
            # A folder that was just made may not be locked yet.
            if state.st_uid == os.getuid() and stat.S_ISDIR(state.st_mode) and time.time() - state.st_mtime > _SWEEP_S:
                with lock(folder) as unused:
                    if unused:
                        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def running_process(
    command: Sequence[str],
    folder: Path,
    log: Path,
    defaults: Mapping[str, str] = {},
    overrides: Mapping[str, str] = {},
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command in a new session; when the block ends, stop every process of that session.

    Args:
        command: program and arguments.
        folder: working directory, with a folder ``tmp`` for temporary files.
        log: file to append the output to.
        defaults: environment variables that are set unless the process inherits them; few variables are inherited.
        overrides: environment variables that are set even if the process would inherit others.
    """
    inherited = {name: value for name, value in os.environ.items() if _INHERITED.fullmatch(name)}
    # The C library is opened here, because between fork and exec it is not safe.
    prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603
            command,
            cwd=folder,
            env={**defaults, **inherited, "TMPDIR": str(folder / "tmp"), **overrides},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=(lambda: prctl(1, signal.SIGTERM)) if prctl else None,  # PR_SET_PDEATHSIG
        )
    try:
        yield process
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End a process and its process group: first with SIGTERM, then with SIGKILL."""
    with postponed():
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            logger.warning("process %d did not end within %s s and is killed", process.pid, _STOP_S)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        until = time.monotonic() + _STOP_S
        while _group_exists(process.pid) and time.monotonic() < until:
            time.sleep(0.01)


def _group_exists(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
