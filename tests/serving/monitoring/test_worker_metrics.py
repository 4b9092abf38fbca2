"""serving.monitoring.worker_metrics: counts of ended workers are kept, and their files are removed."""

import os
import subprocess
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from prometheus_client.core import Metric
from prometheus_client.multiprocess import MultiProcessCollector

from handlers.worker_paths import METRICS_FOLDER
from serving.monitoring.worker_metrics import WorkersCollector

# For each line of its input, this program starts that number of workers, one after the other, which count and end.
MANY_WORKERS = """
import os, random, sys
from handlers.telemetry import metrics
number = 0
for line in sys.stdin:
    for _ in range(int(line)):
        if os.fork() == 0:
            random.seed(number)
            for model in ("sales", "pets")[: 1 + number % 2]:
                metrics.REQUESTS.labels(model, "200", "").inc(number)
                for _ in range(3):
                    durations = [random.expovariate(1.0) for _ in range(9)]
                    metrics.STAGE_SECONDS.labels(model, "total").observe_many(durations)
            os._exit(0)
        os.wait()
        number += 1
"""
# A worker that counts the number on each line of its input.
ONE_WORKER = """
import sys
from handlers.telemetry import metrics
for line in sys.stdin:
    metrics.REQUESTS.labels("sales", "200", "").inc(int(line))
    print("counted", flush=True)
"""


def run(folder: Path, code: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, METRICS_FOLDER: str(folder)}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def let_count(worker: "subprocess.Popen[str]", count: int) -> None:
    assert worker.stdin is not None
    assert worker.stdout is not None
    worker.stdin.write(f"{count}\n")
    worker.stdin.flush()
    assert worker.stdout.readline() == "counted\n"


def figures(families: Iterable[Metric]) -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value for family in families for sample in family.samples
    }


def requests(collector: WorkersCollector) -> float:
    return figures(collector.collect()).get(("shopcat_requests_total", "", "200", "sales"), 0.0)


def test_metrics_of_ended_workers_are_kept_without_files(tmp_path: Path) -> None:
    with run(tmp_path, MANY_WORKERS) as workers:
        workers.communicate("40\n")
    assert len(list(tmp_path.iterdir())) == 80
    before = figures(MultiProcessCollector(None, str(tmp_path)).collect())  # type: ignore[no-untyped-call]
    assert before["shopcat_requests_total", "", "200", "sales"] == sum(range(40))
    assert before["shopcat_stage_seconds_count", "pets", "total"] == 20 * 27
    collector = WorkersCollector(tmp_path)
    for _ in range(3):
        assert figures(collector.collect()) == before  # exactly, because Prometheus takes a lower sum for a restart
    assert list(tmp_path.iterdir()) == []


def test_no_counter_falls_while_workers_start_and_end(tmp_path: Path) -> None:
    """Collect in three threads while groups of ten workers run; the next group starts when the count has grown."""
    collector, counts = WorkersCollector(tmp_path), [0.0]
    deadline = time.monotonic() + 60
    with run(tmp_path, MANY_WORKERS) as workers, ThreadPoolExecutor(3) as pool:
        assert workers.stdin is not None
        for _ in range(10):
            workers.stdin.write("10\n")
            workers.stdin.flush()
            before = counts[-1]
            while counts[-1] == before:
                counts += sorted(pool.map(requests, [collector] * 3))
                assert time.monotonic() < deadline
        workers.stdin.close()
        while workers.poll() is None:
            counts += sorted(pool.map(requests, [collector] * 3))
    assert requests(collector) == sum(range(100))
    assert counts == sorted(counts)
    assert len(set(counts)) > 10


def test_a_running_worker_keeps_its_file(tmp_path: Path) -> None:
    collector = WorkersCollector(tmp_path)
    with run(tmp_path, ONE_WORKER) as worker:
        let_count(worker, 2)
        assert requests(collector) == 2
        let_count(worker, 3)
        assert requests(collector) == 5
        assert [file.name for file in tmp_path.iterdir()] == [f"counter_{worker.pid}.db"]
        worker.kill()
    assert requests(collector) == 5
    assert list(tmp_path.iterdir()) == []


def test_a_worker_with_the_reused_pid_of_an_ended_one_loses_no_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collector, pid_exists = WorkersCollector(tmp_path), psutil.pid_exists
    with run(tmp_path, ONE_WORKER) as worker:
        let_count(worker, 2)
        answers = [False]  # as if a new worker with this PID opened the file between the check and the rename
        monkeypatch.setattr(psutil, "pid_exists", lambda pid: answers.pop() if answers else pid_exists(pid))
        assert requests(collector) == 2
        let_count(worker, 3)
        assert requests(collector) == 5
        worker.kill()
    assert requests(collector) == 5
    assert list(tmp_path.iterdir()) == []


def test_an_empty_file_has_no_metrics(tmp_path: Path) -> None:
    (tmp_path / f"counter_{os.getpid()}.db").touch()
    assert requests(WorkersCollector(tmp_path)) == 0


def test_an_unreadable_file_is_set_aside_and_the_others_are_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broken = b"\x10\0\0\0\0\0\0\0\xff\xff\xff\x7f"
    with run(tmp_path, ONE_WORKER) as worker:
        let_count(worker, 3)
        for number, content in enumerate((broken, b"\x10\0\0\0", b"{")):
            (tmp_path / f"counter_{worker.pid}{number}000.db").write_bytes(content)
        (tmp_path / f"histogram_{os.getpid()}.db").write_bytes(broken)  # of a worker that runs
        collector = WorkersCollector(tmp_path)
        for _ in range(2):
            assert requests(collector) == 3
    assert len([record for record in caplog.records if "can't be read" in record.getMessage()]) == 4
    assert len(list(tmp_path.glob("*.unreadable"))) == 4
