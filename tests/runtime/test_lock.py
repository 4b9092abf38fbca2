"""runtime.lock: locks that end with their process."""

import errno
import fcntl
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import pytest

from runtime.lock import lock

HOLD = """
import sys
from pathlib import Path
from runtime.lock import lock

with lock(Path(sys.argv[1])) as held:
    print(held, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(params=["file", "folder"])
def path(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    path = tmp_path / "locked"
    path.touch() if request.param == "file" else path.mkdir()
    return path


def test_one_holder_at_a_time(path: Path) -> None:
    with lock(path) as first, lock(path) as second:
        assert (first, second) == (True, False)
    with lock(path) as again:
        assert again


def test_shared_locks_exclude_only_exclusive_ones(path: Path) -> None:
    with lock(path, shared=True) as first, lock(path, shared=True) as second, lock(path) as alone:
        assert (first, second, alone) == (True, True, False)
    with lock(path), lock(path, shared=True) as held:
        assert held is False


def test_a_look_at_a_lock_keeps_nobody_from_it_who_waits_a_moment(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ExitStack() as look:
        assert look.enter_context(lock(path, shared=True))
        clock = SimpleNamespace(monotonic=lambda: 0.0, sleep=lambda _: look.close())
        monkeypatch.setattr("runtime.lock.time", clock)
        with lock(path, wait=60.0) as held:
            assert held
    with lock(path), lock(path, wait=0.0) as held:
        assert held is False


def test_a_wait_for_a_lock_that_stays_held_ends(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    clock = SimpleNamespace(monotonic=lambda: now[0], sleep=lambda seconds: now.append(now.pop() + seconds))
    monkeypatch.setattr("runtime.lock.time", clock)
    with lock(path), lock(path, wait=2.0) as held:
        assert held is False
    assert now[0] == pytest.approx(2.0, abs=0.02)


def test_a_killed_process_holds_no_lock(path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "True\n"
        with lock(path) as held:
            assert held is False
        process.kill()
        process.wait(timeout=10)
        with lock(path) as held:
            assert held


def test_a_rename_does_not_release_the_lock(path: Path) -> None:
    with lock(path):
        moved = path.rename(path.with_name("moved"))
        with lock(moved) as held:
            assert held is False


def test_a_file_renamed_meanwhile_is_not_held(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcntl, "flock", lambda *arguments: path.rename(path.with_name("gone")))
    with lock(path) as held:
        assert held is False


def test_a_file_system_without_locks_gives_none(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: int) -> None:
        raise OSError(errno.EBADF, "Bad file descriptor")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with lock(path) as held:
        assert held is None
