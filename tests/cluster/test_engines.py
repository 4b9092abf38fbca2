"""Errors and interruptions of jobs, which are the same on every engine."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster.conftest import DEMO, Jobs, gone, kill
from tests.cluster.engines import ROOT

pytestmark = [pytest.mark.cluster, pytest.mark.integration]


def test_a_row_that_cannot_be_answered_ends_the_job_with_its_place(jobs: Jobs, rows: Path) -> None:
    text = (rows / "11.csv").read_text(encoding="utf-8").splitlines()
    (rows / "11.csv").write_text("\n".join([*text[:3], text[3].replace(text[3].split(",")[0], "999", 1)]) + "\n")
    with jobs.driver() as driver:
        assert driver.wait(300) == 2
    log = jobs.log.read_text(errors="replace")
    assert "11.csv: 1 row can't be forecast" in log
    assert "line 4: store 999 is not known" in log
    assert "Traceback" not in log
    assert jobs.published() == set()


def test_a_part_that_kills_its_workers_ends_the_job_which_goes_on_later(jobs: Jobs) -> None:
    with jobs.driver() as driver:
        for _ in range(3):
            jobs.hold("before-5")
            kill(jobs.held("before-5"))
            (jobs.watched / "held-before-5").unlink()
        assert driver.wait(300) == 75, jobs.log.read_text(errors="replace")[-3000:]
    assert "The same command continues from here" in jobs.log.read_text(errors="replace")
    with jobs.driver() as driver:
        assert driver.wait(300) == 0
    assert jobs.published() == {*range(40)}


def test_ctrl_c_ends_the_job_and_its_workers(jobs: Jobs) -> None:
    jobs.hold("before-3", "before-4")
    with jobs.driver() as driver:
        workers = [jobs.held("before-3"), jobs.held("before-4")]
        driver.send_signal(signal.SIGINT)
        assert driver.wait(120) == 130, jobs.log.read_text(errors="replace")[-3000:]
        for worker in workers:
            gone(worker)
    assert "Interrupted. The same command continues from here" in jobs.log.read_text(errors="replace")
    assert not {3, 4} & jobs.published()


@pytest.mark.parametrize(
    ("runner", "variable", "message"),
    [("ray", "RAY_ADDRESS", "Ray at 127.0.0.1:9 does not answer"), ("spark", "SPARK_MASTER", "Spark does not start")],
)
def test_a_cluster_that_is_not_there_is_named(runner: str, variable: str, message: str, tmp_path: Path) -> None:
    pytest.importorskip({"ray": "ray", "spark": "pyspark"}[runner])
    (tmp_path / "rows.csv").write_text("store,date\n1,2015-08-01\n")
    command = [sys.executable, "-m", "shopcat", "forecast", DEMO, tmp_path / "rows.csv", "--out", f"{tmp_path}/out/"]
    variables = os.environ | {
        variable: {"ray": "127.0.0.1:9", "spark": "nowhere"}[runner],
        "SPARK_LOCAL_IP": "127.0.0.1",
    }
    ended = subprocess.run(
        [*map(str, command), "--runner", runner], env=variables, cwd=ROOT, capture_output=True, text=True, timeout=180
    )
    assert ended.returncode == 2, ended.stderr
    assert message in ended.stderr
    assert "Traceback (most recent call last)" not in ended.stderr
