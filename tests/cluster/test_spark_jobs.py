"""A job is sent to a master and a worker of Spark as the guide says: by ``spark-submit``."""

import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pandas as pd
import pytest

from serving.ports import HOST
from tests.bulk.stores import free_ports
from tests.cluster.conftest import DEMO, check
from tests.cluster.engines import ROOT
from tests.integration.waiting import until

pytestmark = [pytest.mark.cluster, pytest.mark.integration]


def test_spark_submit_runs_a_job_on_a_master_and_a_worker(rows: Path, forecasts: pd.DataFrame, tmp_path: Path) -> None:
    found = importlib.util.find_spec("pyspark")
    if found is None or found.origin is None:
        pytest.skip("needs Spark")
    programs = Path(found.origin).parent / "bin"
    variables = os.environ | {
        "PYTHONPATH": str(ROOT),
        "PYSPARK_PYTHON": sys.executable,
        "SPARK_LOCAL_IP": HOST,
        "SPARK_LOCAL_DIRS": str(tmp_path),
    }
    (port,) = free_ports(1)
    address = f"spark://{HOST}:{port}"
    start, package = str(programs / "spark-class"), "org.apache.spark.deploy"
    master = [start, f"{package}.master.Master", "--host", HOST, "--port", str(port), "--webui-port", "0"]
    worker = [start, f"{package}.worker.Worker", "--cores", "2", "--memory", "2g", "--webui-port", "0"]
    script = tmp_path / "job.py"
    script.write_text("from cli import main\nmain()\n", encoding="utf-8")
    with (
        running(master, variables, tmp_path / "master", "I have been elected leader"),
        running([*worker, "--work-dir", f"{tmp_path}/work", address], variables, tmp_path / "worker", "registered"),
    ):
        submit = [str(programs / "spark-submit"), f"--master={address}", str(script)]
        job = ["forecast", str(DEMO), str(rows), "--out", f"{tmp_path}/out/", "--runner", "spark"]
        ended = subprocess.run([*submit, *job], env=variables, capture_output=True, text=True, timeout=600)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert f"Spark at {address}" in ended.stdout + ended.stderr
    check(tmp_path / "out", forecasts)


@contextmanager
def running(command: list[str], variables: dict[str, str], log: Path, ready: str) -> Iterator[None]:
    """Run a part of Spark and all that it starts until the block ends, from when its log has some words."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=variables, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        assert until(lambda: ready in log.read_text(errors="replace"), 180), log.read_text(errors="replace")
        yield
    finally:
        process.terminate()
        try:
            process.wait(60)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
