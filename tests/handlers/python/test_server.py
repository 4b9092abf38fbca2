"""handlers.python.server: a worker's process from its start to its end."""

import contextlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from handlers.python.settings import Settings
from tests.handlers.python.running import POST, Client

ROOT = Path(__file__).parents[3]


class Process:
    """A worker process with a fake model.

    Attributes:
        settings: its settings.
        popen: the process.
    """

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.settings = settings
        settings.write(folder / "settings.json")
        self.popen = subprocess.Popen(
            [sys.executable, "-m", "tests.handlers.python.fake_worker", str(folder / "settings.json")],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.expect(f"load {settings.bundle} cpu {settings.timeout:g}", "ready first")

    def expect(self, *events: str) -> None:
        """Wait for the next events of the process."""
        assert self.popen.stdout is not None
        assert [self.popen.stdout.readline().strip() for _ in events] == [*events]

    def go_on(self) -> None:
        """Let the process go on where it waits."""
        assert self.popen.stdin is not None
        self.popen.stdin.write("\n")
        self.popen.stdin.flush()

    def connect(self) -> Client:
        """Return a new connection."""
        return Client(self.settings.port or Path(self.settings.socket))

    def end(self) -> tuple[int, list[str], str]:
        """Wait for the end of the process; return its status, its last events, and its log."""
        events, log = self.popen.communicate(timeout=30)
        return self.popen.returncode, events.splitlines(), log


@contextlib.contextmanager
def process(**settings: object) -> Iterator[Process]:
    """Run a worker with some settings; by default behind a gateway."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        base = Settings(bundle="bundle", model="pets", socket=f"{folder}/worker.sock", batch_size=1, timeout=30)
        started = Process(replace(base, **settings), Path(folder))  # type: ignore[arg-type]
        try:
            yield started
        finally:
            started.popen.kill()
            started.popen.communicate()


@pytest.fixture(scope="module")
def free_port() -> int:
    """A port that nobody uses."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def slow_request(worker: Process) -> Client:
    """Send a request, and wait until it is computed."""
    client = worker.connect().post(b"slow")
    worker.expect("computing")
    return client


def wait_until_refused(worker: Process) -> None:
    """Wait until the process does not listen any more."""
    with contextlib.suppress(ConnectionRefusedError):
        while True:
            with contextlib.suppress(ConnectionResetError):
                worker.connect().close()


@pytest.mark.parametrize("signals", [[signal.SIGTERM], [signal.SIGINT], [signal.SIGTERM] * 3])
def test_a_stop_answers_all_accepted_requests(signals: list[signal.Signals]) -> None:
    with process() as worker:
        idle, waiting = worker.connect(), worker.connect()
        for client in (idle, waiting):
            assert client.post(b"a").receive().body == b"a"
            worker.expect("finish")
        with slow_request(worker) as slow:
            waiting.post(b"b").post(b"c")
            for number in signals:
                worker.popen.send_signal(number)
            worker.go_on()
            answers = [slow.receive(), waiting.receive(), waiting.receive()]
            assert [(answer.status, answer.body) for answer in answers] == [(200, b"slow"), (200, b"b"), (200, b"c")]
            assert [answer.headers.get("connection") for answer in answers] == ["close", None, "close"]
            assert all(client.is_closed() for client in (slow, waiting, idle))
            wait_until_refused(worker)
        for client in (idle, waiting):
            client.close()
        assert worker.end() == (0, ["finish"] * 3 + ["flush True"], "")


@pytest.mark.parametrize("has_port", [False, True])
def test_a_stop_answers_requests_that_were_sent_before_it(has_port: bool, free_port: int) -> None:
    """The process reads them only after the batch in progress, and accepts a new connection then."""
    edge = {"socket": "", "host": "127.0.0.1", "port": free_port} if has_port else {}
    with process(**edge) as worker:
        clients = [worker.connect() for _ in range(3)]
        for client in clients:
            assert client.post(b"a").receive().body == b"a"
        worker.expect(*["finish"] * 3)
        with slow_request(worker) as slow:
            clients += [worker.connect() for _ in range(5)]
            for client in clients:
                client.post(b"b")
            worker.popen.terminate()
            worker.go_on()
            assert slow.receive().status == 200
        answers = [client.receive() for client in clients]
        assert [(answer.body, answer.headers["connection"]) for answer in answers] == [(b"b", "close")] * 8
        for client in clients:
            client.close()
        assert worker.end() == (0, ["finish"] * 9 + ["flush True"], "")


def test_a_stop_without_requests_ends_at_once() -> None:
    with process() as worker, worker.connect() as client:
        assert client.post(b"a").receive().body == b"a"
        worker.popen.terminate()
        assert client.is_closed()
        assert worker.end() == (0, ["finish", "flush True"], "")


def test_open_connections_may_send_a_last_request(free_port: int) -> None:
    with process(socket="", host="127.0.0.1", port=free_port, idle_at_stop=20) as worker:
        with worker.connect() as client:
            assert client.post(b"a").receive().headers.get("connection") is None
            worker.popen.terminate()
            wait_until_refused(worker)
            answer = client.post(b"b").receive()
            assert (answer.body, answer.headers["connection"]) == (b"b", "close")
            assert client.is_closed()
        assert worker.end() == (0, ["finish", "finish", "flush True"], "")


def test_idle_connections_are_closed_after_a_time(free_port: int) -> None:
    with process(socket="", host="127.0.0.1", port=free_port, idle_at_stop=0.1) as worker, worker.connect() as client:
        assert client.post(b"a").receive().body == b"a"
        worker.popen.terminate()
        assert client.is_closed()
        assert worker.end() == (0, ["finish", "flush True"], "")


def test_a_request_that_never_arrives_does_not_keep_the_process() -> None:
    with process(timeout=1) as worker, worker.connect() as client:
        client.post(b"a").receive()
        client.send(POST + b"content-length: 5\r\n\r\nab")
        worker.popen.terminate()
        assert worker.end() == (0, ["finish", "flush True"], "")


def test_a_client_has_its_answer_before_the_batch_is_recorded() -> None:
    with process() as worker, worker.connect() as client:
        assert client.post(b"slow finish").receive().body == b"slow finish"
        worker.expect("finish")
        worker.popen.terminate()
        worker.go_on()
        assert client.is_closed()
        assert worker.end() == (0, ["flush True"], "")


def test_the_last_batch_is_recorded_before_the_process_ends() -> None:
    with process() as worker, slow_request(worker) as client:
        worker.popen.terminate()
        client.reset()
        worker.go_on()
        assert worker.end() == (0, ["finish", "flush True"], "")


def test_a_batch_that_fails_as_a_whole_ends_the_process() -> None:
    with process() as worker, worker.connect() as client, worker.connect() as waiting:
        assert waiting.post(b"a").receive().body == b"a"
        client.post(b"fail")
        assert client.is_closed()
        assert waiting.is_closed()
        status, events, log = worker.end()
        assert (status, events) == (1, ["finish", "end"])
        assert "ZeroDivisionError: the batch fails as a whole" in log


def test_a_batch_that_takes_too_long_ends_the_process() -> None:
    with process(timeout=0.2) as worker, worker.connect() as client:
        client.post(b"endless")
        assert client.is_closed()
        status, events, log = worker.end()
        assert (status, events) == (-signal.SIGALRM, ["computing without end"])
        assert " in answer" in log


def test_workers_share_a_port(free_port: int) -> None:
    settings = {"socket": "", "host": "127.0.0.1", "port": free_port}
    with process(**settings) as first, process(**settings) as second:
        second.popen.kill()
        second.popen.wait()
        with first.connect() as client:
            assert client.post(b"a").receive().body == b"a"


def test_more_connections_than_files_by_default() -> None:
    """The system's soft limit is often 1,024 files; the process raises it."""
    code = """
import resource
from handlers.python.server import raise_open_files
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
raise_open_files()
assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def accepts(port: int) -> bool:
    """Return True if a port accepts connections."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def test_a_worker_shows_life_while_it_drains(free_port: int, tmp_path: Path) -> None:
    """It may wait for longer than a worker that computes may be silent."""
    heartbeat = tmp_path / "heartbeat"
    heartbeat.touch()
    with (
        process(socket="", host="127.0.0.1", port=free_port, heartbeat=str(heartbeat), idle_at_stop=30.0) as worker,
        worker.connect() as client,
    ):
        assert client.post(b"1").receive().status == 200
        worker.popen.send_signal(signal.SIGTERM)
        while accepts(free_port):
            time.sleep(0.01)
        before = heartbeat.stat().st_mtime_ns
        while heartbeat.stat().st_mtime_ns == before:
            time.sleep(0.01)
            assert worker.popen.poll() is None
