"""handlers.worker: the start of a worker."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from handlers.worker_paths import METRICS_FOLDER

# A worker that loads, fills the disk of its metrics, counts as many series as possible, and prints one of them.
WORKER = """
import contextlib, os, sys
from pathlib import Path
from types import SimpleNamespace
from handlers.telemetry import metrics
from handlers.telemetry.sales import INPUTS
from handlers.worker import load_model
context = SimpleNamespace(system_properties={"model_dir": "."})
model = SimpleNamespace(name="sales", version="1")
load_model(context, lambda folder, device: model, None)
with contextlib.suppress(OSError), open(Path(os.environ["PROMETHEUS_MULTIPROC_DIR"], "ballast"), "wb", 0) as file:
    while True:
        file.write(bytes(4096))
for kind in range(8):
    for field in range(25):
        INPUTS.labels("sales", str(kind), f"a_rather_long_name_{field}").inc()
for stage in metrics.STAGES:
    metrics.STAGE_SECONDS.labels("sales", stage).observe_many([0.1])
print(INPUTS.labels("sales", "7", "a_rather_long_name_24")._value.get())
"""


def work(*before: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, METRICS_FOLDER: str(folder)}
    command = [*before, sys.executable, "-c", WORKER]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def small_disk(folder: Path, size: str) -> list[str]:
    """Return the start of a command that runs with a small disk mounted at a folder."""
    mount = f"mount -t tmpfs -o size={size} tmpfs '{folder}'"
    before = ["unshare", "--mount", "--map-root-user", "sh", "-c", f'{mount} && exec "$@"', "sh"]
    if not shutil.which("unshare") or subprocess.run([*before, "true"], check=False).returncode != 0:
        pytest.skip("needs the right to mount, at least in a new namespace")
    return before


def test_a_full_disk_does_not_kill_a_worker_that_counts(tmp_path: Path) -> None:
    done = work(*small_disk(tmp_path, "1m"), folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, "1.0\n"), done.stderr


def test_a_worker_without_disk_space_for_metrics_does_not_start(tmp_path: Path) -> None:
    done = work(*small_disk(tmp_path, "64k"), folder=tmp_path)
    assert done.returncode == 1
    assert done.stderr.endswith("OSError: [Errno 28] No space left on device\n")
