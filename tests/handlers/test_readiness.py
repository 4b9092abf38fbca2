"""handlers.readiness: a worker is ready from when it says so until its process ends, however it ends."""

import os
import subprocess
import sys
from pathlib import Path

import psutil

from handlers.readiness import declare_ready, ready_workers

WORKER = """
import sys
from pathlib import Path
from handlers.readiness import declare_ready
declare_ready(Path(sys.argv[1]), model="pets", version="2", cutoff="", sha256="b")
print("ready", flush=True)
sys.stdin.read()
"""


def test_a_worker_that_says_so_is_ready(tmp_path: Path) -> None:
    declare_ready(tmp_path, model="sales", version="1", cutoff="2015-07-31", sha256="a")
    (ready,) = ready_workers(tmp_path)
    assert (ready.pid, ready.model, ready.version, ready.cutoff, ready.sha256) == (
        os.getpid(), "sales", "1", "2015-07-31", "a",
    )  # fmt: skip


def test_one_that_was_killed_is_not_even_before_its_parent_looked(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WORKER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == b"ready\n"
        assert [ready.pid for ready in ready_workers(tmp_path)] == [worker.pid]
        worker.kill()
        while psutil.Process(worker.pid).status() != psutil.STATUS_ZOMBIE:
            pass
        assert ready_workers(tmp_path) == []
        assert list(tmp_path.iterdir()) == []


def test_another_process_of_the_same_number_is_not_it(tmp_path: Path) -> None:
    declare_ready(tmp_path, model="sales", version="1", cutoff="", sha256="a")
    (file,) = tmp_path.iterdir()
    created = psutil.Process().create_time()
    file.write_text(file.read_text().replace(str(created), str(created - 60)))
    assert ready_workers(tmp_path) == []


def test_nobody_is_ready_before_there_is_a_folder(tmp_path: Path) -> None:
    assert ready_workers(tmp_path / "ready") == []
