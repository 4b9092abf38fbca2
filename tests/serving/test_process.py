"""serving.process: a folder that nobody else enters and whose sockets can be reached."""

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
def test_its_sockets_paths_are_short_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
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
    """Where private folders are made; of a short path, or they would be made elsewhere."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)


def test_what_a_killed_one_has_left_is_removed(parent: Path) -> None:
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
import sys, threading, time
from serving import process
from serving.signals import stop_on_signal
process._STOP_S = 1.0
threading.Thread(target=time.sleep, args=(60,), daemon=True).start()  # to which the system may give a signal
with stop_on_signal(), process.private_folder() as folder:
    (folder / "tmp").mkdir()
    with process.running_process(["sh", "-c", sys.argv[1]], folder, folder / "log") as running:
        print(running.pid, folder, flush=True)
        running.wait()
"""


def test_told_to_stop_again_while_it_stops_it_leaves_nothing() -> None:
    """Here by a process with another thread, which may get the signal in place of the main one."""
    command = [sys.executable, "-c", PROGRAM, STUBBORN]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pid, folder = process.stdout.readline().split()
        log = Path(folder, "log")
        wait_for(lambda: "up" in log.read_text())
        process.send_signal(signal.SIGINT)
        wait_for(lambda: "asked" in log.read_text())  # it stops, and what it runs does not
        for _ in range(3):
            process.send_signal(signal.SIGINT)
            time.sleep(0.1)
        process.communicate(timeout=30)
    assert not psutil.pid_exists(int(pid))
    assert not Path(folder).exists()


def wait_for(done: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not done():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_one_that_cannot_be_made_says_what_to_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as parent:
        monkeypatch.setattr(tempfile, "tempdir", f"{parent}/missing")
        with pytest.raises(ServerError, match=r"can't be made \(.*missing.*\); set TMPDIR"), private_folder():
            pass
