"""The start and the end of a real TorchServe: bundles, logs, signals, and processes that die."""

import contextlib
import hashlib
import json
import os
import pickle
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import pytest

from runtime.memory import memory_limit
from serving.ports import HOST, PortError, Ports
from serving.torchserve.archive import ArchiveError, archive
from serving.torchserve.runner import TorchServeRunner
from serving.torchserve.server import Server, ServerError, running_server
from serving.without_gateway import serve_without_gateway
from tests.integration.client import ask, manage
from tests.integration.waiting import until

pytestmark = pytest.mark.integration

DAY = {"store": 1, "date": "2015-08-05"}


def is_replaced(server: Server, pid: int) -> bool:
    """Return True if another worker is ready in place of a dead one."""
    (worker,) = manage(server, "/models/sales")[0]["workers"]
    return worker["pid"] not in (pid, -1) and worker["status"] == "READY"


def processes(server: Server) -> list[psutil.Process]:
    """Return the front end and its descendants."""
    front_end = psutil.Process(server.process.pid)
    return [front_end, *front_end.children(recursive=True)]


def have_ended(processes: list[psutil.Process]) -> bool:
    """Return True if no process runs; a zombie has ended."""
    return not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes)


def test_a_server_keeps_the_bundle_it_started_with(
    demo_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A restarted worker finds the same bundle, whatever the store has now. Only the named bundles are served.

    The log has the end of the worker.
    """
    store = tmp_path / "store"
    made = archive(demo_bundle, store)
    shutil.copytree(made, store / "stale.archive")
    newer = tmp_path / "newer"
    shutil.copytree(demo_bundle, newer)
    manifest = json.loads((newer / "bundle.json").read_text())
    (newer / "bundle.json").write_text(json.dumps(manifest | {"version": "newer"}))
    with tempfile.TemporaryDirectory(prefix="ä, b ", dir="/tmp") as private:
        monkeypatch.setattr(tempfile, "tempdir", private)
        with running_server([made], port=Ports.any_free().inference, workers=1) as server:
            monkeypatch.undo()
            before = ask(server, DAY).content
            assert list(server.models) == ["sales"]
            assert Path(private) in server.models["sales"].parents
            assert [model["modelName"] for model in manage(server, "/models")["models"]] == ["sales"]
            assert archive(newer, store) == made
            (worker,) = manage(server, "/models/sales")[0]["workers"]
            psutil.Process(worker["pid"]).send_signal(signal.SIGSEGV)
            assert until(lambda: is_replaced(server, worker["pid"]), 60)
            ended = [record.__dict__ for record in caplog.records if "a worker of sales ended" in record.getMessage()]
            assert [(e["source"], e["model"], e["instance"], e["pid"]) for e in ended] == [
                ("worker", "sales", 0, worker["pid"])
            ]
            (crash,) = (record for record in caplog.records if record.exc_text)
            assert crash.getMessage() == "Fatal Python error: Segmentation fault"
            assert "model_service_worker.py" in str(crash.exc_text)
            assert ask(server, DAY).content == before
            assert before["version"] == manifest["version"]
        assert not any(Path(private).iterdir())


def test_a_folder_that_is_no_archive_is_rejected(demo_bundle: Path) -> None:
    with (
        pytest.raises(ArchiveError, match="shopcat archive BUNDLE"),
        running_server([demo_bundle], port=Ports.any_free().inference),
    ):
        pass


@pytest.fixture
def noexec() -> Iterator[Path]:
    """A folder whose file system forbids the execution of programs."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        command = ["mount", "-t", "tmpfs", "-o", "noexec,size=256m", "tmpfs", folder]
        if os.getuid() != 0 or subprocess.run(command, check=False).returncode != 0:
            pytest.skip("needs the right to mount file systems")
        yield Path(folder)
        subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_noexec_folder_is_reported_with_its_remedy(
    noexec: Path, archived: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(noexec))
    reported = pytest.raises(ServerError, match=f"{noexec} does not allow .*TMPDIR.*LD_LIBRARY_PATH")
    with reported, running_server([archived], port=Ports.any_free().inference, workers=1):
        pass
    spec = find_spec("ts")
    assert spec is not None
    assert spec.origin is not None
    with zipfile.ZipFile(Path(spec.origin).parent / "frontend" / "model-server.jar") as jar:
        for name in jar.namelist():
            if "/libnetty_transport_native_epoll" in name:
                (tmp_path / Path(name).name).write_bytes(jar.read(name))
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    with running_server([archived], port=Ports.any_free().inference, workers=1) as server:
        assert ask(server, DAY).status == 200


class Trap:
    """Make a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


def test_an_archive_that_torchserve_cannot_read_is_reported_with_the_cause(demo_bundle: Path, tmp_path: Path) -> None:
    made = archive(demo_bundle, tmp_path / "store")
    (made / "MAR-INF" / "MANIFEST.json").write_text("{")
    with (
        pytest.raises(ServerError, match=r"can't read the archive of sales\n.*(\n.*)*JsonSyntaxException"),
        running_server([made], port=Ports.any_free().inference, workers=1),
    ):
        pass


def test_a_bundle_that_contains_a_pickle_is_rejected_with_the_cause(demo_bundle: Path, tmp_path: Path) -> None:
    """The hash is right, so that only loading can detect the pickle; and nothing unpickles it."""
    trap = tmp_path / "sprung"
    bundle = tmp_path / "bundle"
    shutil.copytree(demo_bundle, bundle)
    content = pickle.dumps(Trap(trap))
    (bundle / "tables.safetensors").write_bytes(content)
    manifest = json.loads((bundle / "bundle.json").read_text())
    manifest["files"]["tables.safetensors"] = hashlib.sha256(content).hexdigest()
    (bundle / "bundle.json").write_text(json.dumps(manifest))
    folder = archive(bundle, tmp_path / "store")
    with (
        pytest.raises(ServerError, match=r"can't be loaded: .*BundleError: .*bundle can't be read") as raised,
        running_server([folder], port=Ports.any_free().inference, workers=1, timeout=60),
    ):
        pass
    assert "Traceback" in str(raised.value)
    assert not trap.exists()


def test_a_server_that_ends_unexpectedly_raises_an_error(
    archived: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The test also covers environment variables that do not reach TorchServe."""
    # TorchServe would use this file in place of its configuration.
    (tmp_path / "other.properties").write_text("inference_address=http://127.0.0.1:1\n")
    monkeypatch.setenv("TS_CONFIG_FILE", str(tmp_path / "other.properties"))
    monkeypatch.setenv("SHOPCAT_INHERITED", "yes")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-8a2fc3d1-5a7e-4f0b-9c3d-2b1e6f7a8c9d")  # TorchServe reads numbers
    environment: dict[str, str] = {}

    def inspect_and_kill(server: Server) -> None:
        assert ask(server, DAY).status == 200
        front_end = psutil.Process(server.process.pid)
        environment.update(front_end.environ())
        assert f"-Xmx{min(max(memory_limit() >> 22, 256), 8192)}m" in front_end.cmdline()
        assert Path(environment["TMPDIR"]).parent == Path(front_end.cwd())
        server.process.kill()

    runner = TorchServeRunner(workers=1, cpu=True)
    with pytest.raises(ServerError, match="ended unexpectedly, killed by SIGKILL"):
        serve_without_gateway(lambda: [archived], runner, inspect_and_kill, ports=Ports.any_free())
    (end,) = (record for record in caplog.records if "the process ended unexpectedly" in record.getMessage())
    assert "killed by SIGKILL, perhaps because memory ran out" in end.getMessage()
    assert (end.__dict__["source"], end.__dict__["instance"]) == ("torchserve", 0)
    assert "TS_CONFIG_FILE" not in environment
    assert environment["SHOPCAT_INHERITED"] == "yes"


@pytest.fixture
def foreground(archived: Path) -> Iterator[Callable[[], tuple[subprocess.Popen[str], list[psutil.Process]]]]:
    """A function that serves in a new process, and returns it with the processes of TorchServe."""
    program = (
        "import sys\nfrom pathlib import Path\nfrom serving.ports import Ports\n"
        "from serving.torchserve.runner import TorchServeRunner\n"
        "from serving.without_gateway import serve_without_gateway\n"
        "serve_without_gateway(lambda: [Path(sys.argv[1])], TorchServeRunner(workers=1),"
        " lambda server: print(server.process.pid, flush=True), ports=Ports.any_free())"
    )
    started: list[subprocess.Popen[str]] = []
    seen: list[psutil.Process] = []

    def start() -> tuple[subprocess.Popen[str], list[psutil.Process]]:
        command = [sys.executable, "-c", program, str(archived)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        front_end = psutil.Process(int(process.stdout.readline()))
        seen.extend([front_end, *front_end.children(recursive=True)])
        return process, list(seen)

    yield start
    for one in seen:
        if one.is_running():
            one.kill()
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_server_and_leaves_nothing(foreground: Any, number: signal.Signals) -> None:
    process, running = foreground()
    private = Path(running[0].cwd())
    assert len(running) >= 2
    process.send_signal(number)
    _, stderr = process.communicate(timeout=30)
    assert (process.returncode, stderr) == (0, "")
    assert until(lambda: have_ended(running), 0.5)
    assert not private.exists()


def test_sighup_without_a_gateway_is_reported_and_changes_nothing(foreground: Any) -> None:
    process, running = foreground()
    process.send_signal(signal.SIGHUP)
    assert "SIGHUP has no effect without the gateway" in process.stderr.readline()
    assert all(child.is_running() for child in running)
    process.terminate()
    process.communicate(timeout=30)
    assert (process.returncode, until(lambda: have_ended(running), 0.5)) == (0, True)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux signals a process when its parent dies")
def test_a_killed_parent_takes_the_server_with_it(foreground: Any) -> None:
    process, running = foreground()
    private = Path(running[0].cwd())
    process.kill()
    assert until(lambda: have_ended(running))
    shutil.rmtree(private, ignore_errors=True)  # the only remainder; the next server would remove it


def test_a_signal_during_the_start_leaves_no_process(archived: Path) -> None:
    program = (
        "import sys\nfrom pathlib import Path\nfrom serving.ports import Ports\n"
        "from serving.torchserve.runner import TorchServeRunner\n"
        "from serving.without_gateway import serve_without_gateway\n"
        "print(flush=True)\n"
        "serve_without_gateway(lambda: [Path(sys.argv[1])], TorchServeRunner(workers=1), print, ports=Ports.any_free())"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(archived)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        running: list[psutil.Process] = []

        def is_starting() -> bool:
            """Return True once Java runs; TorchServe needs some seconds from then on."""
            running[:] = psutil.Process(process.pid).children(recursive=True)
            with contextlib.suppress(psutil.Error):  # a child that ended just now
                return any("org.pytorch.serve.ModelServer" in child.cmdline() for child in running)
            return False

        assert until(is_starting)
        process.terminate()
        assert process.wait(30) == 0
    assert running
    assert until(lambda: have_ended(running), 0.5)


def test_any_free_returns_two_free_ports() -> None:
    ports = Ports.any_free()
    assert ports.inference != ports.metrics
    ports.check_free()
    with socket.create_server((HOST, ports.metrics)), pytest.raises(PortError, match="--metrics-port"):
        ports.check_free()
