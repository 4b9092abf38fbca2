"""serving.process: private folders with short paths, and processes that end with everything that they started."""

import errno
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from serving import process
from serving.output import ProcessOutput
from serving.process import ServerError, private_folder, running_process


@pytest.mark.parametrize("name", ["short", "a folder with a name that is very long indeed " * 4, "ü" * 60])
def test_paths_of_sockets_are_short_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    parent = tmp_path / name
    parent.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(parent))
    with private_folder() as folder, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "management.sock"))
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        (folder / "tmp").mkdir()
        assert len(os.fsencode(folder / "tmp" / ".ts.sock.65535")) <= 107  # a worker's
    assert not folder.exists()


@pytest.fixture
def parent(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The parent of private folders; its path is short enough to be used."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)


def test_folders_of_killed_processes_are_removed(parent: Path) -> None:
    prefix = process._PREFIX
    left, new, other = (parent / name for name in (f"{prefix}abcd_123", f"{prefix}abcd_124", f"{prefix}notes"))
    elsewhere = parent / "shopcat-0123ab-abcd_123"  # another host's on a shared disk, whose locks may be unknown here
    link = parent / f"{prefix}abcd_125"
    with private_folder() as used:
        for folder in (left, new, other, elsewhere):
            (folder / "models").mkdir(parents=True)
        link.symlink_to(other)
        for folder in (left, other, used, elsewhere):
            os.utime(folder, (0, 0))
        with private_folder():
            assert not left.exists()
            assert all(each.exists() for each in (new, used, link, other / "models", elsewhere))


STUBBORN = "trap 'echo asked' TERM; echo up; while :; do sleep 0.1; done"
PROGRAM = """
import logging, sys, threading, time
from serving import process
from serving.output import ProcessOutput
from serving.signals import stop_on_signal
logging.basicConfig(level=logging.INFO, format="%(message)s")
process._STOP_S = 1.0
threading.Thread(target=time.sleep, args=(60,), daemon=True).start()  # the system may deliver a signal to it
with stop_on_signal(), process.private_folder() as folder:
    (folder / "tmp").mkdir()
    with process.running_process(["sh", "-c", sys.argv[1]], folder, ProcessOutput("shopcat")) as running:
        print(running.pid, folder, flush=True)
        running.wait()
"""


def test_repeated_signals_during_a_stop_leave_nothing() -> None:
    """The process has a second thread, which may receive the signal in place of the main thread."""
    command = [sys.executable, "-c", PROGRAM, STUBBORN]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pid, folder = process.stdout.readline().split()
        assert process.stderr is not None
        assert process.stderr.readline() == "up\n"
        process.send_signal(signal.SIGINT)
        assert process.stderr.readline() == "asked\n"  # it is stopping, and its child ignores SIGTERM
        for _ in range(3):
            process.send_signal(signal.SIGINT)
            wait_for(lambda: not has_pending_signals(process.pid))
        process.communicate(timeout=30)
    assert not psutil.pid_exists(int(pid))
    assert not Path(folder).exists()


def has_pending_signals(pid: int) -> bool:
    """Return True if a signal has not been delivered yet; two of the same number would become one."""
    status = Path(f"/proc/{pid}/status")  # only Linux has it
    return status.exists() and "ShdPnd:\t0000000000000000" not in status.read_text()


def wait_for(done: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not done():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_folder_that_cannot_be_made_is_reported_with_its_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as parent:
        monkeypatch.setattr(tempfile, "tempdir", f"{parent}/missing")
        with pytest.raises(ServerError, match=r"can't be made \(.*missing.*\); set TMPDIR"), private_folder():
            pass


def test_a_tmpdir_with_a_long_path_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / ("long" * 20)
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    with private_folder() as used:
        assert used.parent == Path("/tmp")
    assert f"{folder}, is too long for sockets, and /tmp is used instead" in caplog.text


def test_a_file_system_without_locks_is_reported_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its workers would stay ready after their end."""

    def flock(_descriptor: int, _operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(process.fcntl, "flock", flock)
    with pytest.raises(ServerError, match=r"has no locks.*set TMPDIR to a folder on a local disk"), private_folder():
        pass


@pytest.mark.parametrize(
    ("name", "inherited"),
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", True),
        ("MALLOC_ARENA_MAX", True),
        ("SSL_CERT_FILE", True),
        ("TS_CONFIG_FILE", False),
        ("JAVA_TOOL_OPTIONS", False),
    ],
)
def test_few_environment_variables_are_inherited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str, inherited: bool
) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv(name, "passed")
    program = f"import os; print('value:', os.environ.get({name!r}))"
    caplog.set_level("INFO")
    with running_process([sys.executable, "-c", program], tmp_path, ProcessOutput("gateway")) as running:
        running.wait(30)
    assert f"value: {'passed' if inherited else None}" in caplog.messages
