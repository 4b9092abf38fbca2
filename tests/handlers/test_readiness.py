"""handlers.readiness: a worker is ready from its report until its process ends, however it ends."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from handlers.readiness import declare_ready, ready_workers

WORKER = """
import sys
from pathlib import Path
from handlers.readiness import declare_ready
declare_ready(Path(sys.argv[1]), model="pets", version="2", cutoff="", sha256="b")
print("ready", flush=True)
sys.stdin.read()
"""


def test_a_worker_that_reports_is_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOPCAT_INSTANCE", "3")
    declare_ready(tmp_path, model="sales", version="1", cutoff="2015-07-31", sha256="a")
    (ready,) = ready_workers(tmp_path)
    assert (ready.pid, ready.model, ready.version, ready.cutoff, ready.sha256, ready.instance) == (
        os.getpid(), "sales", "1", "2015-07-31", "a", 3,
    )  # fmt: skip


def test_a_killed_worker_is_not_ready_even_as_a_zombie(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WORKER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == b"ready\n"
        assert [ready.pid for ready in ready_workers(tmp_path)] == [worker.pid]
        worker.kill()
        os.waitid(os.P_PID, worker.pid, os.WEXITED | os.WNOWAIT)  # leaves the zombie
        assert psutil.Process(worker.pid).status() == psutil.STATUS_ZOMBIE
        assert ready_workers(tmp_path) == []
        assert list(tmp_path.iterdir()) == []


def test_an_ended_worker_is_not_ready_when_another_process_has_its_pid(tmp_path: Path) -> None:
    declare_ready(tmp_path, model="sales", version="1", cutoff="", sha256="a")
    (file,) = tmp_path.iterdir()
    (tmp_path / "copy").write_bytes(file.read_bytes())
    (tmp_path / "copy").replace(file)  # nobody holds the lock of the copy
    assert ready_workers(tmp_path) == []


def test_a_worker_stays_ready_when_the_wall_clock_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    declare_ready(tmp_path, model="sales", version="1", cutoff="", sha256="a")
    created = psutil.Process().create_time()
    monkeypatch.setattr(psutil.Process, "create_time", lambda process: created + 3600)
    (ready,) = ready_workers(tmp_path)
    assert ready.created == created


def test_a_file_removed_by_another_reader_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    declare_ready(tmp_path, model="sales", version="1", cutoff="", sha256="a")
    (file,) = tmp_path.iterdir()
    monkeypatch.setattr(Path, "glob", lambda folder, pattern: [file.with_name("pets.1.json"), file])
    assert [ready.model for ready in ready_workers(tmp_path)] == ["sales"]


def test_concurrent_readers_agree(tmp_path: Path) -> None:
    declare_ready(tmp_path, model="sales", version="1", cutoff="", sha256="a")
    (file,) = tmp_path.iterdir()
    with ThreadPoolExecutor(4) as pool:
        for _ in range(50):
            (tmp_path / "pets.1.json").write_bytes(file.read_bytes())  # of an ended worker
            for answer in pool.map(ready_workers, [tmp_path] * 4):
                assert len(answer) == 1


def test_no_worker_is_ready_without_a_folder(tmp_path: Path) -> None:
    assert ready_workers(tmp_path / "ready") == []
