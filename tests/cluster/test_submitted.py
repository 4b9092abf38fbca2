"""Jobs that are sent to a cluster, as the guide has it: by ``ray job submit``, and by ``spark-submit``."""

import importlib.util
import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import pytest

from serving.ports import HOST
from tests.bulk.stores import free_ports
from tests.cluster.conftest import DEMO, PARTS
from tests.cluster.engines import ROOT
from tests.integration.waiting import until

pytestmark = [pytest.mark.cluster, pytest.mark.integration]


def test_ray_job_submit_runs_a_job_on_a_cluster_that_asks_for_a_token(
    rows: Path, forecasts: pd.DataFrame, tmp_path: Path
) -> None:
    pytest.importorskip("ray", reason="needs Ray")
    dashboard, *others = free_ports(5)
    names = ("port", "ray-client-server-port", "dashboard-agent-listen-port", "dashboard-agent-grpc-port")
    ports = [f"--{name}={port}" for name, port in zip(names, others, strict=True)]
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32), "RAY_USAGE_STATS_ENABLED": "0"}
    variables = os.environ | token | {"PYTHONPATH": str(ROOT)}
    head = ["--head", "--block", "--num-cpus=2", f"--node-ip-address={HOST}", f"--dashboard-host={HOST}"]
    start = [program("ray"), "start", *head, f"--dashboard-port={dashboard}", *ports]
    with (
        TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as sockets,  # whose paths have to be short
        running([*start, f"--temp-dir={sockets}"], variables, tmp_path / "log", listening=dashboard),
    ):
        submit = [program("ray"), "job", "submit", f"--address=http://{HOST}:{dashboard}", "--"]
        job = [sys.executable, "-m", "shopcat", "forecast", DEMO, rows, "--out", f"{tmp_path}/out/", "--runner", "ray"]
        ended = run([*submit, *map(str, job)], variables, tmp_path)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert "with 2 cores" in ended.stdout
        check(tmp_path / "out", forecasts)
        del variables["RAY_AUTH_TOKEN"]
        refused = run([*submit, *map(str, job)], variables | {"RAY_AUTH_TOKEN": secrets.token_hex(32)}, tmp_path)
        assert refused.returncode != 0


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
        running(master, variables, tmp_path / "master-log", listening=port),
        running([*worker, "--work-dir", f"{tmp_path}/work", address], variables, tmp_path / "worker-log"),
    ):
        job = ["forecast", str(DEMO), str(rows), "--out", f"{tmp_path}/out/", "--runner", "spark"]
        ended = run([str(programs / "spark-submit"), f"--master={address}", str(script), *job], variables, tmp_path)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert f"Spark at {address}" in ended.stdout + ended.stderr
    check(tmp_path / "out", forecasts)


def check(out: Path, forecasts: pd.DataFrame) -> None:
    """Compare the sum of an output's forecasts with that of one file."""
    assert (out / "_SUCCESS").exists()
    assert len([*out.glob("part-*.parquet")]) == PARTS
    written = pd.read_parquet(out)
    assert len(written) == len(forecasts)
    assert written["sales"].sum() == pytest.approx(forecasts["sales"].sum(), rel=1e-5)


def program(name: str) -> str:
    """Return the path of a program beside this Python."""
    return str(Path(sys.executable).with_name(name))


def run(command: list[str], variables: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, env=variables, cwd=folder, capture_output=True, text=True, timeout=600)


@contextmanager
def running(command: list[str], variables: dict[str, str], log: Path, listening: int | None = None) -> Iterator[None]:
    """Run a server and all that it starts until the block ends, from when it listens on a port."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=variables, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        if listening is not None:
            assert until(lambda: answers(listening) or process.poll() is not None, 180), log.read_text(errors="replace")
            assert process.poll() is None, log.read_text(errors="replace")
        yield
    finally:
        process.terminate()
        try:
            process.wait(60)
        finally:
            end_group(process.pid)


def end_group(group: int) -> None:
    """Kill what is left of a process group."""
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return


def answers(port: int) -> bool:
    with closing(socket.socket()) as client:
        return client.connect_ex((HOST, port)) == 0
