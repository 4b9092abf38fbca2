"""serving.python.runner: processes of workers, most of them with a fake model that needs no bundle."""

import json
import os
import shutil
import stat
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from handlers.python.settings import Limit, Limits, Settings
from handlers.worker_paths import WorkerPaths
from serving.ports import Ports
from serving.process import ServerError, has_ended
from serving.python import runner
from serving.python.runner import PythonRunner, PythonServer
from tests.handlers.python.running import Client

ROOT = Path(__file__).parents[3]
CPU = PythonRunner(cpu=True)
CONFIG = """
batchSize: 4
responseTimeout: 7
max_concurrent: 9
max_request_bytes: 5000
admission_limits:
  explanations: {min_concurrent: 1, max_concurrent: 2, target_latency_ms: 100}
  predictions: {min_concurrent: 1, max_concurrent: 3, target_latency_ms: 100, min_body_bytes: 50}
"""


@pytest.fixture(autouse=True)
def parent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """The parent of private folders, which must be empty in the end."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)
        assert list(Path(folder).iterdir()) == []


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """An archive with an empty bundle."""
    folder = tmp_path / "pets"
    (folder / "bundle").mkdir(parents=True)
    (folder / "model-config.yaml").write_text(CONFIG)
    return folder


@pytest.fixture
def shared(tmp_path: Path) -> WorkerPaths:
    """The paths that workers write to."""
    return WorkerPaths.create(tmp_path / "shared")


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let workers have a fake model."""
    program = tmp_path / "python"
    program.write_text(f'#!/bin/sh\ncd "{ROOT}"\nexec "{sys.executable}" -m tests.handlers.python.fake_worker "$3"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(runner, "sys", SimpleNamespace(executable=str(program)))


def settings_of(server: PythonServer) -> Settings:
    """Return the settings that a worker was started with."""
    return Settings.read(Path(server.process.args[-1]))  # type: ignore[index,arg-type]


def environment_of(server: PythonServer) -> Mapping[str, str]:
    """Return the environment variables of a worker."""
    return dict(json.loads(server.ask("pets", b"environment", "text/plain")))


def with_gpus(monkeypatch: pytest.MonkeyPatch, count: int, listed: str | None) -> None:
    """Let the machine have some GPUs."""
    monkeypatch.setattr(runner, "count_gpus", lambda: count)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if listed is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", listed)


@pytest.mark.parametrize(
    ("workers", "cpu", "gpus", "count"), [(0, True, 4, 3), (0, False, 4, 4), (0, False, 0, 3), (2, False, 4, 2)]
)
def test_number_of_instances(
    monkeypatch: pytest.MonkeyPatch, archive: Path, workers: int, cpu: bool, gpus: int, count: int
) -> None:
    with_gpus(monkeypatch, gpus, None)
    monkeypatch.setattr(runner, "n_cores", lambda: 3)
    other = shutil.copytree(archive, archive.with_name("sales"))
    served = PythonRunner(workers=workers, cpu=cpu).archives_by_instance([archive, other])
    assert served == [[archive]] * count + [[other]] * count


@pytest.mark.usefixtures("fake")
def test_a_worker_behind_the_gateway(archive: Path, shared: WorkerPaths) -> None:
    with replace(CPU, environment={"SHOPCAT_MAX_PIXELS": "5"}).running([archive], number=3, shared=shared) as server:
        assert settings_of(server) == Settings(
            bundle=str(archive / "bundle"),
            model="pets",
            socket=str(server.address),
            host="127.0.0.1",
            batch_size=4,
            timeout=7,
            max_body=5000,
            heartbeat=str(Path(str(server.address)).with_name("heartbeat")),
        )
        environment = environment_of(server)
        expected = {
            **shared.environment(),
            "SHOPCAT_MAX_PIXELS": "5",
            "SHOPCAT_INSTANCE": "3",
            "SHOPCAT_BEHIND_GATEWAY": "1",
            "OMP_NUM_THREADS": os.environ["OMP_NUM_THREADS"],
        }
        assert {name: environment.get(name) for name in expected} == expected
        assert server.answers()
        assert server.metrics() == b""
        assert (server.workers("pets"), server.workers("sales")) == (1, 0)
        assert server.ask("pets", b"a", "text/plain") == b"a"
        with pytest.raises(OSError, match="404"):
            server.ask("sales", b"a", "text/plain")
        assert os.getpgid(server.process.pid) == server.process.pid  # so that Ctrl-C reaches `shopcat serve` only
    assert server.process.returncode == 0
    assert not server.answers()


@pytest.mark.usefixtures("fake")
def test_a_worker_without_a_gateway_has_the_limits_itself(archive: Path, shared: WorkerPaths) -> None:
    port = Ports.any_free().inference
    with replace(CPU, idle_at_stop=0.1).running([archive], number=0, shared=shared, port=port) as server:
        settings = settings_of(server)
        assert (settings.socket, settings.host, settings.port) == ("", "127.0.0.1", port)
        assert settings.limits == Limits(18, {"explanations": Limit(2), "predictions": Limit(3, 50)})
        assert settings.idle_at_stop == 0.1
        assert "SHOPCAT_BEHIND_GATEWAY" not in environment_of(server)
        assert server.answers()
    assert server.process.returncode == 0


@pytest.mark.usefixtures("fake")
def test_a_worker_that_computes_is_alive(archive: Path, shared: WorkerPaths) -> None:
    """It answers no ping meanwhile. A probe that failed would end the container of a busy service."""
    port = Ports.any_free().inference
    with replace(CPU, idle_at_stop=0.1).running([archive], number=0, shared=shared, port=port) as server:
        with Client(port) as client:
            client.post(b"endless")
            while "computing without end" not in server.output.tail():
                time.sleep(0.01)
            assert server.answers()
            server.process.kill()
            assert client.is_closed()
        server.process.wait()
        assert not server.answers()


@pytest.mark.usefixtures("fake")
@pytest.mark.parametrize(("listed", "visible"), [(None, ["0", "1"]), ("GPU-a,MIG-b", ["GPU-a", "MIG-b"]), ("3", ["3"])])
def test_a_worker_gets_the_gpu_that_the_fewest_use(
    monkeypatch: pytest.MonkeyPatch, archive: Path, shared: WorkerPaths, listed: str | None, visible: list[str]
) -> None:
    """A reload uses the numbers of ended workers again, in any order."""
    with_gpus(monkeypatch, 2, listed)
    runner = PythonRunner()
    with runner.running([archive], number=0, shared=shared) as first:
        with runner.running([archive], number=1, shared=shared) as second:
            assert [settings_of(server).gpu for server in (first, second)] == [0, len(visible) - 1]
        with runner.running([archive], number=2, shared=shared) as third:
            gpu = settings_of(third).gpu
            assert gpu == len(visible) - 1
            environment = environment_of(third)
            assert environment["SHOPCAT_GPUS"] == ",".join(visible)
            assert environment["CUDA_VISIBLE_DEVICES"] == visible[gpu]


def test_no_gpu_is_used_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpus(monkeypatch, 2, None)
    assert CPU._gpus() == []


def running(archive: Path, shared: WorkerPaths, cancelled: threading.Event | None = None) -> Any:
    """Start a worker; return what can't be started."""
    with CPU.running([archive], number=0, shared=shared, cancelled=cancelled) as server:
        return server


def test_a_model_that_cannot_be_loaded(archive: Path, shared: WorkerPaths) -> None:
    """The real worker finds no bundle."""
    with pytest.raises(ServerError, match=r"a model can't be loaded: .*BundleError: .*bundle\.json"):
        running(archive, shared)


def test_a_start_that_is_cancelled_ends_at_once(
    fake: None, monkeypatch: pytest.MonkeyPatch, archive: Path, shared: WorkerPaths
) -> None:
    """SIGTERM ends a worker that loads its model; no process is left."""
    (archive / "bundle" / "hangs").touch()
    started: list[PythonServer] = []
    wait = runner._wait_until_ready

    def noticed(server: PythonServer, *arguments: Any) -> None:
        started.append(server)
        wait(server, *arguments)

    monkeypatch.setattr(runner, "_wait_until_ready", noticed)
    cancelled = threading.Event()
    errors: list[ServerError] = []

    def start() -> None:
        try:
            running(archive, shared, cancelled)
        except ServerError as error:
            errors.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    while not started or "hangs" not in started[0].output.tail():
        time.sleep(0.01)
    cancelled.set()
    thread.join(30)
    assert "pets was stopped while it was starting" in str(errors[0])
    assert has_ended(started[0].process.pid)


def test_a_worker_that_is_not_ready_in_time(
    fake: None, monkeypatch: pytest.MonkeyPatch, archive: Path, shared: WorkerPaths
) -> None:
    monkeypatch.setattr(runner, "_START_S", 0.0)
    (archive / "bundle" / "hangs").touch()
    with pytest.raises(ServerError, match="pets is not ready after 0 s"):
        running(archive, shared)
