"""serving.process: private folders with short paths, and processes that end with everything that they started."""

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

from serving.process import ServerError, private_folder


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
    left, new, other = (parent / name for name in ("shopcat-abcd_123", "shopcat-abcd_124", "shopcat-notes"))
    link = parent / "shopcat-abcd_125"
    with private_folder() as used:
        for folder in (left, new, other):
            (folder / "models").mkdir(parents=True)
        link.symlink_to(other)
        for folder in (left, other, used):
            os.utime(folder, (0, 0))
        with private_folder():
            assert not left.exists()
            assert all(each.exists() for each in (new, used, link, other / "models"))


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
