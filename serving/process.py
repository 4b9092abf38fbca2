"""A process of a server: started with a folder of its own, ended with all that it started."""

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

LOG_PREFIX = re.compile(r"^\S+ \[\w+ *\] \S+ MODEL_LOG - ")  # of what a worker prints, in TorchServe's log

_PREFIX, _SWEPT_S = "shopcat-", 60.0  # of private folders; since when nothing was done in one that is swept
_PARENT_BYTES = 60  # of the folder that private ones are made in: leaves 30 for a socket's name
_SHOWN_LINES = 40  # of the log, when a start fails
_STOP_S = 10.0  # to end by itself, before it is killed
# What of our environment a process gets. The rest could change it from afar: TorchServe reads many variables, and
# takes TS_CONFIG_FILE over the configuration that it is given.
_PASSED = re.compile(
    r"PATH|HOME|LANG|LC_\w+|TZ|LD_LIBRARY_PATH|(CUDA|NVIDIA|OMP|MKL|OPENBLAS|ORT|PROMETHEUS|SHOPCAT)_\w+"
)


class ServerError(UserError):
    """A server that can't be started or that ended by itself; the message has the cause."""


@contextlib.contextmanager
def private_folder() -> Iterator[Path]:
    """A folder that nobody else can enter; its path is short, because Unix sockets' paths are limited to 107 bytes.

    Raises:
        ServerError: if it can't be made.
    """
    try:
        parent = os.path.realpath(tempfile.gettempdir())
        if len(os.fsencode(parent)) >= _PARENT_BYTES:
            parent = "/tmp"  # noqa: S108
        _sweep(Path(parent))
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    except OSError as error:
        raise ServerError(
            f"a folder for the server's sockets can't be made ({error}); "
            f"set TMPDIR to a folder that can be written, of a path under {_PARENT_BYTES} bytes"
        ) from error
    # Locked, so that systemd, which empties /tmp of what is some days old, and `_sweep` let it be.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield folder
    finally:
        os.close(descriptor)
        shutil.rmtree(folder, ignore_errors=True)


def _sweep(parent: Path) -> None:
    """Remove the folders that processes of this user, which were killed, have left: archives and logs take room."""
    for folder in parent.glob(f"{_PREFIX}????????"):  # as tempfile names them
        with contextlib.suppress(OSError):
            state = folder.lstat()
            # One that was made just now may not be locked yet.
            if state.st_uid == os.getuid() and stat.S_ISDIR(state.st_mode) and time.time() - state.st_mtime > _SWEPT_S:
                with lock(folder) as dead:
                    if dead:
                        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def running_process(
    command: Sequence[str],
    folder: Path,
    log: Path,
    defaults: Mapping[str, str] = {},
    more: Mapping[str, str] = {},
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command in a session of its own; at the end no process of that session is left.

    Args:
        command: the program and its arguments.
        folder: where it runs.
        log: a file that gets all it writes, at the end.
        defaults: of its environment, of which it gets little from us.
        more: of its environment, whatever ours has.
    """
    passed = {name: value for name, value in os.environ.items() if _PASSED.fullmatch(name)}
    # The C library is opened here: between fork and exec there is no time for it.
    prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603
            command,
            cwd=folder,
            env={**defaults, **passed, "TMPDIR": str(folder / "tmp"), **more},
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


def read(log: Path, start: int) -> str:
    """What a log has from a place on."""
    with log.open("rb") as file:
        file.seek(start)
        return file.read().decode(errors="replace")


def tail(log: Path, start: int = 0) -> str:
    """The end of a log from a place on, without what each of its lines begins with."""
    lines = [LOG_PREFIX.sub("", line) for line in read(log, start).splitlines()]
    return "\n".join([f"The log, {log}, ends:", *(f"  {line}" for line in lines[-_SHOWN_LINES:])])


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End a process and those that it started, politely and then not."""
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
