"""Running a process of the server in a private folder, and stopping it with all of its descendants."""

import contextlib
import ctypes
import fcntl
import hashlib
import itertools
import logging
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import psutil

from runtime.errors import UserError
from runtime.lock import lock
from serving.output import ProcessOutput
from serving.signals import postponed

logger = logging.getLogger(__name__)

# Beginning of private folders' names. It has the host, because locks of another host on NFS may be unknown here.
_PREFIX = f"shopcat-{hashlib.sha256(socket.gethostname().encode()).hexdigest()[:6]}-"
_SWEEP_S = 60.0  # an unlocked private folder that has not changed for this long is removed
_MAX_PARENT_BYTES = 60  # of the path of private folders' parent: leaves 30 for a socket's name
_STOP_S = 10.0  # a process that has not ended after this time is killed
_CRASH_LINES = 60  # of Java's report; the rest lists libraries and memory
# Environment variables that a process inherits. Others could change its settings unnoticed: TorchServe reads many
# variables, and TS_CONFIG_FILE replaces the configuration on its command line.
_INHERITED = re.compile(
    r"PATH|HOME|LANG|LC_\w+|TZ|LD_LIBRARY_PATH|LD_PRELOAD|SSL_CERT_(FILE|DIR)"
    r"|(CUDA|MALLOC|MKL|NVIDIA|OMP|OPENBLAS|ORT|OTEL|PROMETHEUS|SHOPCAT)_\w+"
)


class ServerError(UserError):
    """A server can't be started, or it ended unexpectedly; the message has the cause."""


@contextlib.contextmanager
def private_folder() -> Iterator[Path]:
    """Make a folder that no other user can enter, and remove it when the block ends.

    Its path is short, because the path of a Unix socket has at most 107 bytes.

    Raises:
        ServerError: if the folder can't be made, or its file system has no locks.
    """
    try:
        parent = os.path.realpath(tempfile.gettempdir())
        if len(os.fsencode(parent)) >= _MAX_PARENT_BYTES:
            logger.warning(
                "the path of TMPDIR, %s, is too long for sockets, and /tmp is used instead; set TMPDIR to a "
                "folder with a path of fewer than %d bytes",
                parent,
                _MAX_PARENT_BYTES,
            )
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
        _hold(descriptor, parent)
        yield folder
    finally:
        os.close(descriptor)
        shutil.rmtree(folder, ignore_errors=True)


def _hold(descriptor: int, parent: str) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
    except OSError as error:
        # Without locks, a worker that has ended would count as ready for ever.
        raise ServerError(
            f"the file system of {parent} has no locks, which show that a worker has ended ({error}); "
            "set TMPDIR to a folder on a local disk"
        ) from error


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
    output: ProcessOutput,
    defaults: Mapping[str, str] = {},
    overrides: Mapping[str, str] = {},
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command in a new process group; when the block ends, stop every process of that group.

    Args:
        command: program and arguments.
        folder: working directory, with a folder ``tmp`` for temporary files.
        output: reader of the process's output, in a thread of this process. If the process ends before the block does,
            the log has its exit status and its last lines.
        defaults: environment variables that are set unless the process inherits them; few variables are inherited.
        overrides: environment variables that are set even if the process would inherit others.
    """
    inherited = {name: value for name, value in os.environ.items() if _INHERITED.fullmatch(name)}
    # The C library is opened here, because between fork and exec it is not safe.
    prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None
    process = subprocess.Popen(  # noqa: S603
        command,
        cwd=folder,
        env={**defaults, **inherited, "TMPDIR": str(folder / "tmp"), **overrides},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        process_group=0,  # why: Linux may give each session the same share, whatever its priorities (autogroup)
        preexec_fn=(lambda: prctl(1, signal.SIGTERM)) if prctl else None,  # PR_SET_PDEATHSIG
    )
    output.pid = process.pid
    reader = threading.Thread(
        target=_follow, args=(process, output, folder), name=f"output of {process.pid}", daemon=True
    )
    reader.start()
    try:
        yield process
    finally:
        output.stopping = output.stopping or process.poll() is None
        _stop(process)
        reader.join(_STOP_S)


def _follow(process: subprocess.Popen[bytes], output: ProcessOutput, folder: Path) -> None:
    """Read a process's output to its end, and log the end if it is unexpected."""
    assert process.stdout is not None
    with process.stdout:
        output.read(process.stdout)
    status = process.wait()
    if not output.stopping:
        report = "".join(f"\n{_crash_report(file)}" for file in sorted(folder.glob("hs_err_pid*.log")))
        origin = {"source": output.source, "instance": output.instance, "pid": process.pid}
        logger.error(
            "the process ended unexpectedly, %s\n%s%s", describe_exit(status), output.tail(), report, extra=origin
        )


def describe_exit(status: int) -> str:
    """Return how a process ended, from its exit status as `subprocess` has it.

    >>> describe_exit(-9)
    'killed by SIGKILL, perhaps because memory ran out'
    >>> describe_exit(1)
    'with exit status 1'
    """
    if status >= 0:
        return f"with exit status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    return f"killed by {name}" + (", perhaps because memory ran out" if -status == signal.SIGKILL else "")


def has_ended(pid: int) -> bool:
    """Return True if a process has ended, whether or not its parent has noticed."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _crash_report(file: Path) -> str:
    """Return the beginning of Java's report of a crash: its cause, the native frame and the thread's stack."""
    with contextlib.suppress(OSError), file.open(errors="replace") as lines:
        return f"{file.name} begins:\n" + "".join(f"  {line}" for line in itertools.islice(lines, _CRASH_LINES))
    return f"{file.name} can't be read"


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End a process and its process group: first with SIGTERM, then with SIGKILL."""
    with postponed():
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            logger.warning("process %d did not end within %g s and is killed", process.pid, _STOP_S)
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
