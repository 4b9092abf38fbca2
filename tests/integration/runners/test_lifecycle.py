"""The start and the end of real workers without a gateway: bundles, logs, signals, and processes that die."""

import contextlib
import hashlib
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from serving import local_http
from serving.archives.archive import archive
from serving.ports import Ports
from serving.process import ServerError
from tests.integration.client import ask
from tests.integration.runners.direct import running_directly
from tests.integration.runners.kinds import RunnerKind
from tests.integration.waiting import until

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[3]
DAY = {"store": 1, "date": "2015-08-05"}


def test_a_server_keeps_the_bundle_it_started_with(
    runner: RunnerKind,
    demo_bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A restarted worker finds the same bundle, whatever the store has now. The log has the end of the worker."""
    store, newer = tmp_path / "store", tmp_path / "newer"
    made = archive(demo_bundle, store)
    shutil.copytree(demo_bundle, newer)
    manifest = json.loads((newer / "bundle.json").read_text())
    (newer / "bundle.json").write_text(json.dumps(manifest | {"version": "newer"}))
    with tempfile.TemporaryDirectory(prefix="ä, b ", dir="/tmp") as private:
        monkeypatch.setattr(tempfile, "tempdir", private)
        with running_directly(runner, [made], workers=1) as server:
            before = ask(server, DAY).content
            assert archive(newer, store) == made
            (pid,) = server.workers()
            os.kill(pid, signal.SIGSEGV)
            assert until(lambda: len(server.workers() - {pid}) == 1, 60)
            ended = [record for record in caplog.records if getattr(record, "pid", None) == pid]
            ended = [record for record in ended if " ended" in record.getMessage()]
            assert [(vars(record)["source"], vars(record)["instance"]) for record in ended] == [("worker", 0)]
            assert "Fatal Python error: Segmentation fault" in caplog.text
            assert until(lambda: is_answered(server.port("")))
            assert ask(server, DAY).content == before
            assert before["version"] == manifest["version"]
        assert not any(Path(private).iterdir())


def is_answered(port: int) -> bool:
    """Return True if a forecast gets a 200."""
    with contextlib.suppress(OSError):
        return bool(local_http.ask(port, "/predictions/sales", method="POST", body=json.dumps(DAY).encode()))
    return False


class Trap:
    """Make a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


def test_a_bundle_that_contains_a_pickle_is_rejected_with_the_cause(
    runner: RunnerKind, demo_bundle: Path, tmp_path: Path
) -> None:
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
        running_directly(runner, [folder], workers=1),
    ):
        pass
    assert "Traceback" in str(raised.value)
    assert not trap.exists()


PROGRAM = """
import sys
from pathlib import Path
from serving.ports import Ports
from serving.without_gateway import serve_without_gateway
from tests.integration.runners.kinds import KINDS

(runner,) = (kind.make(1) for kind in KINDS if kind.name == sys.argv[1])
ports = Ports(int(sys.argv[3]), int(sys.argv[4]))
print("starting", flush=True)
serve_without_gateway(lambda: [Path(sys.argv[2])], runner, lambda server: print("ready", flush=True), ports=ports)
"""


@dataclass
class Foreground:
    """A process that serves a model.

    Attributes:
        process: the process.
        port: port for requests.
        seen: its descendants when it was ready.
    """

    process: "subprocess.Popen[str]"
    port: int
    seen: list[psutil.Process]

    def descendants(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def wait_for(self, line: str) -> None:
        """Wait until it prints a line."""
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == f"{line}\n"


@pytest.fixture
def start(runner: RunnerKind, archived: Path) -> Iterator[Callable[[], Foreground]]:
    """A function that begins to serve in a new process."""
    started: list[Foreground] = []

    def start() -> Foreground:
        ports = Ports.any_free()
        command = [sys.executable, "-c", PROGRAM, runner.name, str(archived), str(ports.inference), str(ports.metrics)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
        started.append(Foreground(process, ports.inference, []))
        started[-1].wait_for("starting")
        return started[-1]

    yield start
    for foreground in started:
        for process in foreground.seen:
            if process.is_running():
                process.kill()
        foreground.process.kill()
        foreground.process.communicate()


@pytest.fixture
def foreground(start: Callable[[], Foreground]) -> Foreground:
    """A new process that serves a model with one worker."""
    running = start()
    running.wait_for("ready")
    running.seen = running.descendants()
    return running


def have_ended(processes: list[psutil.Process]) -> bool:
    """Return True if no process runs; a zombie has ended."""
    return not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_server_and_leaves_nothing(foreground: Foreground, number: signal.Signals) -> None:
    private = Path(foreground.seen[0].cwd())
    foreground.process.send_signal(number)
    _, stderr = foreground.process.communicate(timeout=30)
    assert (foreground.process.returncode, stderr) == (0, "")
    assert until(lambda: have_ended(foreground.seen), 0.5)
    assert not private.exists()


def test_sighup_without_a_gateway_is_reported_and_changes_nothing(foreground: Foreground) -> None:
    foreground.process.send_signal(signal.SIGHUP)
    assert foreground.process.stderr is not None
    assert "SIGHUP has no effect without the gateway" in foreground.process.stderr.readline()
    assert all(child.is_running() for child in foreground.seen)
    foreground.process.terminate()
    foreground.process.communicate(timeout=30)
    assert (foreground.process.returncode, until(lambda: have_ended(foreground.seen), 0.5)) == (0, True)


def test_an_instance_that_ends_unexpectedly_is_started_again(foreground: Foreground, runner: RunnerKind) -> None:
    first = next(process for process in foreground.seen if runner.first in process.cmdline())
    first.kill()
    assert foreground.process.stderr is not None
    assert "the process ended unexpectedly, killed by SIGKILL" in foreground.process.stderr.readline()
    assert until(lambda: is_answered(foreground.port), 60)
    foreground.process.terminate()
    _, stderr = foreground.process.communicate(timeout=30)
    assert f"{runner.title} 0 ended unexpectedly, killed by SIGKILL" in stderr
    assert foreground.process.returncode == 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux signals a process when its parent dies")
def test_a_killed_parent_takes_the_server_with_it(foreground: Foreground) -> None:
    private = Path(foreground.seen[0].cwd())
    foreground.process.kill()
    assert until(lambda: have_ended(foreground.seen))
    shutil.rmtree(private, ignore_errors=True)  # the only remainder; the next server would remove it


def test_a_signal_during_the_start_leaves_no_process(start: Callable[[], Foreground], runner: RunnerKind) -> None:
    starting = start()
    seen: list[psutil.Process] = []

    def is_starting() -> bool:
        """Return True once the first process runs; the worker needs some seconds from then on."""
        seen[:] = starting.descendants()
        with contextlib.suppress(psutil.Error):  # a child that ended just now
            return any(runner.first in child.cmdline() for child in seen)
        return False

    assert until(is_starting)
    starting.process.terminate()
    assert starting.process.wait(30) == 0
    assert seen
    assert until(lambda: have_ended(seen), 0.5)
