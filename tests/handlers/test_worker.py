"""handlers.worker: the start of a worker and its first request."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import handlers.sales
from handlers.batch import AnsweredBatch
from handlers.http import Request, Response
from handlers.readiness import ready_workers, withdraw
from handlers.worker import WarmUpError, Worker
from handlers.worker_paths import METRICS_FOLDER, READY_FOLDER
from runtime.bundle import MANIFEST
from runtime.folder import sha256
from tests.handlers.test_batch import Model, parse

# A worker that loads, fills the disk of its metrics, counts as many series as possible, and prints one of them.
WORKER = """
import contextlib, os, sys
from pathlib import Path
from types import SimpleNamespace
import handlers.sales
from handlers.telemetry import metrics
from handlers.telemetry.sales import INPUTS
from handlers.worker import Worker
model = SimpleNamespace(name="sales", version="1")
handlers.sales.HANDLER = lambda bundle, device, threads: SimpleNamespace(model=model, observer=None)
Worker(Path(sys.argv[1]), device="cpu")
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


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A folder with the part of a manifest that selects the handler."""
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / MANIFEST).write_text('{"kind": "sales"}')
    return folder


def work(*before: str, bundle: Path, metrics: Path) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, METRICS_FOLDER: str(metrics)}
    command = [*before, sys.executable, "-c", WORKER, str(bundle)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def metrics(tmp_path: Path) -> Path:
    folder = tmp_path / "metrics"
    folder.mkdir()
    return folder


def small_disk(folder: Path, size: str) -> list[str]:
    """Return the start of a command that runs with a small disk mounted at a folder."""
    mount = f"mount -t tmpfs -o size={size} tmpfs '{folder}'"
    before = ["unshare", "--mount", "--map-root-user", "sh", "-c", f'{mount} && exec "$@"', "sh"]
    if not shutil.which("unshare") or subprocess.run([*before, "true"], check=False).returncode != 0:
        pytest.skip("needs the right to mount, at least in a new namespace")
    return before


def test_a_full_disk_does_not_kill_a_worker_that_counts(bundle: Path, metrics: Path) -> None:
    done = work(*small_disk(metrics, "1m"), bundle=bundle, metrics=metrics)
    assert (done.returncode, done.stdout) == (0, "1.0\n"), done.stderr


def test_a_worker_without_disk_space_for_metrics_does_not_start(bundle: Path, metrics: Path) -> None:
    done = work(*small_disk(metrics, "64k"), bundle=bundle, metrics=metrics)
    assert done.returncode == 1
    assert done.stderr.endswith("OSError: [Errno 28] No space left on device\n")


class Doubling:
    """A kind of model that doubles numbers, and observes its answers itself."""

    def __init__(self, bundle: Path, *, device: str, threads: int) -> None:
        self.loaded = bundle, device
        self.observer = self
        self.model = SimpleNamespace(name="doubling", version="1", cutoff="2015-07-31")

    parse = staticmethod(parse)

    def predict(self, requests: Sequence[int]) -> Sequence[Any]:
        return Model().run(requests)

    def first_request(self) -> Request:
        return Request({"body": b"21"})

    def summarize(self, answers: object) -> None: ...


@pytest.fixture
def ready(tmp_path: Path) -> Path:
    folder = tmp_path / "ready"
    folder.mkdir()
    return folder


@pytest.fixture
def worker(bundle: Path, ready: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    """A worker in this process that doubles numbers."""
    monkeypatch.setattr(handlers.sales, "HANDLER", Doubling)
    monkeypatch.setattr("handlers.worker.log_lines", lambda _: None)  # pytest needs the root logger
    for change in ("gc.freeze", "gc.set_threshold", "handlers.worker.Telemetry.start"):  # they outlast the test
        monkeypatch.setattr(change, lambda *_: None)
    monkeypatch.setenv(READY_FOLDER, str(ready))
    yield Worker(bundle, device="cpu")
    withdraw()


def test_a_worker_loads_its_bundle_with_the_handler_of_the_kind(worker: Worker, bundle: Path) -> None:
    assert isinstance(worker.handler, Doubling)
    assert worker.handler.loaded == (bundle, "cpu")
    assert worker.handler.model.clock is worker.telemetry.clock  # so that the model's stages count


def test_a_worker_answers_batches(worker: Worker) -> None:
    responses, finish = worker.answer([Request({"body": body}) for body in (b"3", b"x")])
    finish()
    assert [response.status for response in responses] == [200, 400]
    assert responses[0].body == b"6"


def test_a_worker_is_ready_after_its_first_response(worker: Worker, bundle: Path, ready: Path) -> None:
    rehearsed: list[AnsweredBatch] = []

    def rehearse(request: Request) -> Response:
        assert ready_workers(ready) == []
        rehearsed.append(worker.answer([request]))
        return rehearsed[0].responses[0]

    worker.begin(rehearse)
    assert [response.body for response in rehearsed[0].responses] == [b"42"]
    (found,) = ready_workers(ready)
    assert (found.pid, found.model, found.version) == (os.getpid(), "doubling", "1")
    assert (found.cutoff, found.sha256) == ("2015-07-31", sha256(bundle / MANIFEST))


def test_a_worker_that_fails_its_first_request_does_not_get_ready(worker: Worker, ready: Path) -> None:
    with pytest.raises(WarmUpError, match="doubling 1 does not answer: a problem"):
        worker.begin(lambda _: Response(500, "application/problem+json", b"a problem"))
    assert ready_workers(ready) == []
