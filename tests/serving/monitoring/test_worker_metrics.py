"""serving.monitoring.worker_metrics: what workers counted stays counted, and their files do not stay."""

import os
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from prometheus_client.core import Metric
from prometheus_client.multiprocess import MultiProcessCollector

from handlers.worker_paths import METRICS_FOLDER
from serving.monitoring.worker_metrics import WorkersCollector

# Processes one after the other, each of which counts and ends.
MANY = """
import os, random, sys
from handlers.telemetry import metrics
for number in range(int(sys.argv[1])):
    if os.fork() == 0:
        random.seed(number)
        for model in ("sales", "pets")[: 1 + number % 2]:
            metrics.REQUESTS.labels(model, "200").inc(number)
            for _ in range(3):
                metrics.STAGE_SECONDS.labels(model, "total").observe_many([random.expovariate(1.0) for _ in range(9)])
        os._exit(0)
    os.wait()
"""
# A process that counts whenever it is told to.
ONE = """
import sys
from handlers.telemetry import metrics
for line in sys.stdin:
    metrics.REQUESTS.labels("sales", "200").inc(int(line))
    print("counted", flush=True)
"""


def run(folder: Path, code: str, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, METRICS_FOLDER: str(folder)}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def tell(worker: "subprocess.Popen[str]", count: int) -> None:
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
    return figures(collector.collect()).get(("shopcat_requests_total", "200", "sales"), 0.0)


def test_of_workers_that_have_ended_the_figures_stay_and_no_files(tmp_path: Path) -> None:
    with run(tmp_path, MANY, "40"):
        pass
    assert len(list(tmp_path.iterdir())) == 80
    before = figures(MultiProcessCollector(None, str(tmp_path)).collect())  # type: ignore[no-untyped-call]
    assert before["shopcat_requests_total", "200", "sales"] == sum(range(40))
    assert before["shopcat_stage_seconds_count", "pets", "total"] == 20 * 27
    collector = WorkersCollector(tmp_path)
    for _ in range(3):
        assert figures(collector.collect()) == before  # to the last digit: a sum that falls is a restart to Prometheus
    assert list(tmp_path.iterdir()) == []


def test_scrapes_while_workers_come_and_go_never_see_a_figure_fall(tmp_path: Path) -> None:
    collector, seen = WorkersCollector(tmp_path), [0.0]
    with run(tmp_path, MANY, "100") as workers, ThreadPoolExecutor(3) as pool:
        while workers.poll() is None:
            seen += sorted(pool.map(requests, [collector] * 3))
    assert requests(collector) == sum(range(100))
    assert seen == sorted(seen)
    assert len(set(seen)) > 5  # it looked while they worked


def test_one_that_runs_counts_on_in_its_file(tmp_path: Path) -> None:
    collector = WorkersCollector(tmp_path)
    with run(tmp_path, ONE) as worker:
        tell(worker, 2)
        assert requests(collector) == 2
        tell(worker, 3)
        assert requests(collector) == 5
        assert [file.name for file in tmp_path.iterdir()] == [f"counter_{worker.pid}.db"]
        worker.kill()
    assert requests(collector) == 5
    assert list(tmp_path.iterdir()) == []


def test_one_that_gets_the_number_of_one_that_ended_may_open_its_file_at_any_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collector, lives = WorkersCollector(tmp_path), psutil.pid_exists
    with run(tmp_path, ONE) as worker:
        tell(worker, 2)
        answers = [False]  # as if it had begun after that look, and opened the file before it was renamed
        monkeypatch.setattr(psutil, "pid_exists", lambda pid: answers.pop() if answers else lives(pid))
        assert requests(collector) == 2
        tell(worker, 3)
        assert requests(collector) == 5
        worker.kill()
    assert requests(collector) == 5
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_was_just_made_has_no_figures(tmp_path: Path) -> None:
    (tmp_path / f"counter_{os.getpid()}.db").touch()
    assert requests(WorkersCollector(tmp_path)) == 0
