"""handlers.worker: what a worker does before it is ready."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from handlers.worker_paths import METRICS_FOLDER

# A worker that loads, fills the disk of its figures, counts as many as there may be, and says what it ended up with.
WORKER = """
import contextlib, os, sys
from pathlib import Path
from types import SimpleNamespace
from handlers.telemetry import metrics
from handlers.worker import load_model
context = SimpleNamespace(system_properties={"model_dir": "."})
model = SimpleNamespace(name="sales", version="1")
load_model(context, lambda folder, device: model, gist=None, count=None, describe=None)
with contextlib.suppress(OSError), open(Path(os.environ["PROMETHEUS_MULTIPROC_DIR"], "ballast"), "wb", 0) as file:
    while True:
        file.write(bytes(4096))
for kind in range(8):
    for field in range(25):
        metrics.INPUTS.labels("sales", str(kind), f"a_rather_long_name_{field}").inc()
for stage in metrics.STAGES:
    metrics.STAGE_SECONDS.labels("sales", stage).observe_many([0.1])
print(metrics.INPUTS.labels("sales", "7", "a_rather_long_name_24")._value.get())
"""


def work(*before: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, METRICS_FOLDER: str(folder)}
    command = [*before, sys.executable, "-c", WORKER]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def small_disk(folder: Path, size: str) -> list[str]:
    """What to put before a command that is to find a small disk in a folder."""
    mount = f"mount -t tmpfs -o size={size} tmpfs '{folder}'"
    before = ["unshare", "--mount", "--map-root-user", "sh", "-c", f'{mount} && exec "$@"', "sh"]
    if not shutil.which("unshare") or subprocess.run([*before, "true"], check=False).returncode != 0:
        pytest.skip("it takes the right to mount, if only in a name space of one's own")
    return before


def test_a_disk_that_is_full_does_not_kill_a_worker_that_counts(tmp_path: Path) -> None:
    done = work(*small_disk(tmp_path, "1m"), folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, "1.0\n"), done.stderr


def test_one_for_which_the_disk_has_no_room_does_not_load_and_says_why(tmp_path: Path) -> None:
    done = work(*small_disk(tmp_path, "64k"), folder=tmp_path)
    assert done.returncode == 1
    assert done.stderr.endswith("OSError: [Errno 28] No space left on device\n")
