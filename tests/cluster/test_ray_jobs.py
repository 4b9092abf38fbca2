"""A job is submitted to the head of a Ray cluster as the guide says: with a token, and not without."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import httpx
import pandas as pd
import psutil
import pytest

from tests.bulk.stores import free_ports
from tests.cluster.conftest import DEMO, check
from tests.integration.waiting import until

pytestmark = [pytest.mark.cluster, pytest.mark.integration]
BIN = Path(sys.executable).parent
TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0123456789abcdef" * 2}
START_S = 120


class Head(NamedTuple):
    """Address of a head's Jobs API, and of its check by KubeRay."""

    jobs: str
    agent: str


def status(url: str) -> int:
    """Return the status of an answer; 0 without one."""
    try:
        return httpx.get(url, timeout=5).status_code
    except httpx.HTTPError:
        return 0


@pytest.fixture(scope="module")
def head() -> Iterator[Head]:
    """A head with a core."""
    pytest.importorskip("ray", reason="needs Ray")
    names = ("port", "dashboard-port", "dashboard-agent-listen-port", "ray-client-server-port")
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    found = Head(*(f"http://127.0.0.1:{ports[name]}" for name in names[1:3]))
    with tempfile.TemporaryDirectory(prefix="ray", dir="/tmp") as folder:  # sockets have short names
        options = [f"--{name}={port}" for name, port in ports.items()] + [f"--temp-dir={folder}"]
        options += ["--num-cpus=1", "--min-worker-port=0", "--max-worker-port=0", "--disable-usage-stats", "--block"]
        with (Path(folder) / "output").open("w") as output:
            command = [BIN / "ray", "start", "--head", *options]
            process = psutil.Popen(command, env=os.environ | TOKEN, stdout=output, stderr=subprocess.STDOUT)
        try:
            assert until(lambda: status(f"{found.jobs}/api/version") == 401, START_S), (
                Path(folder) / "output"
            ).read_text()
            yield found
        finally:
            children = process.children(recursive=True)
            process.terminate()  # it ends the others
            _, left = psutil.wait_procs([process, *children], 30)
            for late in left:
                with suppress(psutil.NoSuchProcess):
                    late.kill()


def submit(head: Head, *command: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    submitted = [BIN / "ray", "job", "submit", "--address", head.jobs, "--", *command]
    return subprocess.run(submitted, env=os.environ | variables, capture_output=True, text=True, timeout=240)


def test_a_submitted_job_writes_its_forecasts(head: Head, rows: Path, forecasts: pd.DataFrame, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = submit(head, BIN / "shopcat", "forecast", DEMO, rows, "--out", f"{out}/", "--runner", "ray", **TOKEN)
    assert done.returncode == 0, done.stdout + done.stderr
    check(out, forecasts)


def test_nobody_submits_a_job_without_the_token(head: Head, tmp_path: Path) -> None:
    done = submit(head, "touch", tmp_path / "touched", RAY_AUTH_MODE="disabled")
    assert done.returncode != 0
    assert not (tmp_path / "touched").exists()


def test_kuberay_can_check_a_head(head: Head) -> None:
    """It asks the agent's port of a machine, without the token. The bare package does not open it."""
    assert until(lambda: status(f"{head.agent}/api/healthz") == 200, 30)
