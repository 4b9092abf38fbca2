"""A real TorchServe: its answers, its start and its end.

Longer than 350 lines: one running server answers most of these tests.
"""

import hashlib
import json
import os
import pickle
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import pytest
from click.testing import CliRunner

from cli import main
from sales.forecaster import Forecaster
from schemas.sales.parse import parse_request
from serving import local_http
from serving.ports import HOST, PortError, Ports
from serving.service import serve_without_gateway
from serving.torchserve.archive import ArchiveError, archive
from serving.torchserve.server import Server, ServerError, running_server
from tests.integration.client import JSON, PROBLEM, ask, manage

pytestmark = pytest.mark.integration

DAY = {"store": 1, "date": "2015-08-05"}
PREDICT, WHY = "/predictions/sales", "/explanations/sales"


def started_again(server: Server, pid: int, within: float = 60) -> bool:
    """Whether another worker gets ready in place of one that is dead."""
    until = time.monotonic() + within
    while time.monotonic() < until:
        (worker,) = manage(server, "/models/sales")[0]["workers"]
        if worker["pid"] not in (pid, -1) and worker["status"] == "READY":
            return True
        time.sleep(0.1)
    return False


def processes(server: Server) -> list[psutil.Process]:
    """The front end and everything that it started."""
    front_end = psutil.Process(server.process.pid)
    return [front_end, *front_end.children(recursive=True)]


def gone(running: list[psutil.Process], within: float = 15) -> bool:
    """Whether all of them end within some seconds; a zombie has ended."""
    until = time.monotonic() + within
    while time.monotonic() < until:
        if not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in running):
            return True
        time.sleep(0.05)
    return False


def test_a_forecast(server: Server) -> None:
    answer = ask(server, DAY)
    assert (answer.status, answer.kind) == (200, JSON)
    assert (answer.content["store"], answer.content["date"]) == (1, "2015-08-05")
    assert answer.content["sales"] > 0


def test_the_same_as_offline(server: Server, demo_bundle: Path) -> None:
    forecaster = Forecaster.load(demo_bundle)
    body = {"items": [{"store": 1 + row % 12, "date": f"2015-08-{1 + row % 28:02}"} for row in range(1000)]}
    (offline,) = forecaster.predict([parse_request(json.dumps(body).encode())])
    ours, theirs = json.loads(offline.to_json())["items"], ask(server, body).content["items"]
    assert [item["sales"] for item in theirs] == pytest.approx([item["sales"] for item in ours], rel=1e-4)
    assert [item["warnings"] for item in theirs] == [item["warnings"] for item in ours]


@pytest.mark.parametrize(
    "kind",
    [
        *(JSON, "application/json; charset=utf-8", "text/plain", "application/octet-stream", ""),
        "application/x-www-form-urlencoded",  # what curl -d says if it is not told
        "multipart/form-data; boundary=b",
    ],
)
def test_any_content_type_will_do(server: Server, kind: str) -> None:
    answer = ask(server, DAY, kind=kind)
    assert (answer.status, answer.kind) == (200, JSON)
    assert (answer.content["store"], answer.content["date"]) == (1, "2015-08-05")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"store": 1, "date": ', 400),
        (b"", 400),
        (b"\xff\xfe\x00", 400),
        (b"null", 400),
        (b'"' + "ü".encode() * 1000 + b'"', 400),
        (b'{"store": 1, "date": "2015-08-05", "weather": {"cloud_cover": NaN}}', 400),
        (b"[" * 100_000, 400),
        (b'{"store": 987654, "date": "2015-08-05"}', 404),
        (b'{"store": 1, "date": "2015-02-30"}', 422),
        (b'{"store": "\xc3\xbc\xe2\x82\xac", "date": "2015-08-05"}', 422),
        (b'{"items": []}', 422),
    ],
)
def test_a_bad_request_is_told_why(server: Server, body: bytes, status: int) -> None:
    answer = ask(server, body)
    assert (answer.status, answer.kind) == (status, PROBLEM)
    assert answer.content["status"] == status
    assert answer.content["detail"]


@pytest.mark.parametrize("query", ["?store=1&date=2015-08-05", ""])
def test_get_is_told_to_post(server: Server, query: str) -> None:
    answer = ask(server, None, method="GET", kind="", path=f"/predictions/sales{query}")
    assert (answer.status, answer.kind) == (400, PROBLEM)
    assert "POST it with the header Content-Type: application/json" in answer.content["detail"]


def test_a_body_counts_and_a_query_beside_it_does_not(server: Server) -> None:
    answer = ask(server, DAY, path="/predictions/sales?store=2&body=nothing&data=nothing")
    assert (answer.status, answer.content["store"]) == (200, 1)


def test_good_and_bad_at_once_each_get_their_own(server: Server) -> None:
    """So many at once that batches mix them."""
    kinds: list[tuple[bytes, int]] = [
        (json.dumps(DAY).encode(), 200),
        (b"nothing", 400),
        (json.dumps(DAY | {"store": 2}).encode(), 200),
        (json.dumps(DAY | {"store": 987654}).encode(), 404),
        (json.dumps(DAY | {"promo": "perhaps"}).encode(), 422),
    ]
    asked = kinds * 60
    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda each: ask(server, each[0]), asked))
    assert [answer.status for answer in answers] == [status for _, status in asked]
    alone = {store: ask(server, DAY | {"store": store}).content["sales"] for store in (1, 2)}
    for answer in answers:
        if answer.status == 200:
            assert answer.content["sales"] == pytest.approx(alone[answer.content["store"]], rel=1e-5)


def test_an_explanation_is_the_same_as_offline(server: Server, demo_bundle: Path) -> None:
    body = {"store": 1, "start": "2015-08-03", "days": 7, "promo": True}
    (offline,) = Forecaster.load(demo_bundle).predict([parse_request(json.dumps(body).encode(), explain=True)])
    answer = ask(server, body, path=WHY)
    assert (answer.status, answer.kind) == (200, JSON)
    assert_alike(answer.content, json.loads(offline.to_json()))


def assert_alike(answer: Any, expected: Any, within: float = 3e-5) -> None:
    """Two answers say the same, but for what float32 makes of another batch."""
    if isinstance(expected, dict):
        assert answer.keys() == expected.keys()
        for name, value in expected.items():
            assert_alike(answer[name], value)
    elif isinstance(expected, list):
        assert len(answer) == len(expected)
        for one, other in zip(answer, expected, strict=True):
            assert_alike(one, other)
    else:
        assert answer == (pytest.approx(expected, rel=within, abs=within) if isinstance(expected, float) else expected)


def test_predictions_explanations_what_if_and_rubbish_at_once_each_get_their_own(server: Server) -> None:
    """So many at once that batches mix them."""
    other = DAY | {"store": 2}
    many = {"items": [DAY, other, DAY | {"store": 987654}]}
    kinds: list[tuple[str, Any, int]] = [
        (PREDICT, DAY, 200),
        (WHY, DAY, 200),
        (PREDICT, b"nothing", 400),
        (WHY, b"nothing", 400),
        (PREDICT, DAY | {"what_if": {"promo": True}}, 200),
        (WHY, DAY | {"what_if": {"promo": True}}, 422),
        (PREDICT, many, 200),
        (WHY, many, 200),
        (WHY, other | {"open": False}, 200),
        (PREDICT, DAY | {"what_if": {}}, 422),
        (WHY, {"store": 1, "start": "2015-08-03", "days": 51}, 422),
        (WHY, DAY | {"store": 987654}, 404),
        (PREDICT, other, 200),
    ]
    alone = [ask(server, body, path=path) for path, body, _ in kinds]
    assert [answer.status for answer in alone] == [status for _, _, status in kinds]
    order = [number % len(kinds) for number in range(40 * len(kinds))]
    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda number: ask(server, kinds[number][1], path=kinds[number][0]), order))
    for number, answer in zip(order, answers, strict=True):
        assert (answer.status, answer.kind) == (alone[number].status, alone[number].kind)
        assert_alike(answer.content, alone[number].content)
    explained, closed = alone[1].content, alone[8].content
    assert explained["contributions"]
    assert closed["unexplained"]
    assert alone[4].content["what_if"]["ratio"] > 0


def test_no_header_makes_a_prediction_of_an_explanation(server: Server) -> None:
    assert "contributions" in ask(server, DAY, path=WHY, headers={"explain": "no", "Explain": "False"}).content


def test_ten_megabytes_are_let_in_and_more_are_not(server: Server) -> None:
    assert ask(server, b"[" + b" " * 10_000_000).status == 400  # ours: the handler has read it
    assert ask(server, b"[" + b" " * 11_000_000).status == 413


def test_requests_leave_no_line_in_the_log(server: Server) -> None:
    before = server.log.stat().st_size
    for _ in range(20):
        ask(server, DAY)
    assert server.log.stat().st_size == before


def test_management_registers_nothing(server: Server) -> None:
    with pytest.raises(OSError, match=r"status 40[35]"):
        local_http.ask(server.folder / "management.sock", "/models?url=https://example.org/evil.mar", method="POST")


def test_metrics_are_scraped(server: Server) -> None:
    ask(server, DAY)
    assert b'ts_inference_requests_total{model_name="sales"' in server.metrics()


def test_only_the_models_listen_and_only_on_loopback(server: Server) -> None:
    listening = [
        (each.laddr.ip.removeprefix("::ffff:"), each.laddr.port)
        for process in processes(server)
        for each in process.net_connections("inet")
        if not each.raddr
    ]
    assert listening == [(HOST, server.address)]


def test_a_worker_that_cannot_start_is_not_given_up_for_weeks(server: Server) -> None:
    """As TorchServe understands the setting, which it multiplies by 1,000 in 32 bits: more would come out negative."""
    for model in server.models:
        assert server.describe(model)["maxRetryTimeoutInSec"] > 20 * 24 * 3600


def test_workers_are_scaled_by_the_one_who_runs_it_alone(server: Server) -> None:
    scale = "/models/sales?min_worker=2&synchronous=true"
    socket = server.folder / "management.sock"
    assert local_http.ask(socket, scale, method="PUT", timeout=60)
    for method, path in (("PUT", scale.replace("2", "3")), ("DELETE", "/models/sales"), ("GET", "/models")):
        answer = ask(server, None, method=method, path=path)
        assert answer.status in (404, 405), path
    assert server.workers("sales") == 2
    assert stat.S_ISSOCK(socket.stat().st_mode)
    assert stat.S_IMODE(server.folder.stat().st_mode) == 0o700


def test_a_second_server_beside_the_first_and_nothing_left_of_it(
    server: Server, demo_bundle: Path, tmp_path: Path
) -> None:
    made = archive(demo_bundle, tmp_path)
    settings = made / "model-config.yaml"
    settings.write_text(settings.read_text().replace("maxBatchDelay: 1\n", "maxBatchDelay: 20000\n"))
    with running_server([made], port=Ports.any_free().inference, workers=1) as second:
        running = processes(second)
        private = Path(running[0].cwd())
        assert len(running) >= 2
        start = time.monotonic()
        assert [ask(each, DAY).status for each in (server, second)] == [200, 200]
        assert time.monotonic() - start < 10  # a lone request waits for no company, whatever maxBatchDelay says
    assert not any(one.is_running() for one in running)
    assert not private.exists()
    assert ask(server, DAY).status == 200


def test_a_server_keeps_the_bundle_it_started_with(
    demo_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that starts again finds the same, whatever became of the store; and no more than asked is served."""
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
            psutil.Process(worker["pid"]).kill()
            assert started_again(server, worker["pid"])
            assert ask(server, DAY).content == before
            assert before["version"] == manifest["version"]
        assert not any(Path(private).iterdir())


def test_a_serve_that_fails_or_is_unclear_writes_nothing(server: Server, demo_bundle: Path, tmp_path: Path) -> None:
    store, other = tmp_path / "store", tmp_path / "other"
    shutil.copytree(demo_bundle, other)
    taken = server.address
    options = ["--port", str(taken), "--model-store", str(store)]
    for bundles, said in (
        ([other], f"port {taken} "),
        ([demo_bundle, other], f"{demo_bundle} and {other} are both of the kind 'sales'"),
        ([demo_bundle, tmp_path / "nowhere"], "nowhere is not a bundle"),
    ):
        result = CliRunner().invoke(main, ["serve", *map(str, bundles), *options])
        assert result.exit_code == 2
        assert said in result.output
        assert not store.exists()


def test_a_folder_that_is_no_archive_is_refused(demo_bundle: Path) -> None:
    with (
        pytest.raises(ArchiveError, match="shopcat archive BUNDLE"),
        running_server([demo_bundle], port=Ports.any_free().inference),
    ):
        pass


def test_a_port_that_is_taken_is_named(server: Server, archived: Path) -> None:
    with (
        pytest.raises(PortError, match=f"port {server.address} .*--port"),
        running_server([archived], port=server.address),
    ):
        pass


@pytest.fixture
def noexec() -> Iterator[Path]:
    """A folder from which nothing can be run."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        command = ["mount", "-t", "tmpfs", "-o", "noexec,size=256m", "tmpfs", folder]
        if os.getuid() != 0 or subprocess.run(command, check=False).returncode != 0:
            pytest.skip("it takes the right to mount")
        yield Path(folder)
        subprocess.run(["umount", "--lazy", folder], check=True)


def test_where_nothing_can_be_run_it_says_what_to_do(
    noexec: Path, archived: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(noexec))
    wanted = pytest.raises(ServerError, match=f"{noexec} does not allow .*TMPDIR.*LD_LIBRARY_PATH")
    with wanted, running_server([archived], port=Ports.any_free().inference, workers=1):
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
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


def test_a_bundle_with_a_pickle_in_it_is_refused_with_its_cause(demo_bundle: Path, tmp_path: Path) -> None:
    """Its hash is right, so that only opening it tells; and it is not unpickled."""
    trap = tmp_path / "sprung"
    bundle = tmp_path / "bundle"
    shutil.copytree(demo_bundle, bundle)
    content = pickle.dumps(Trap(trap))
    (bundle / "tables.safetensors").write_bytes(content)
    manifest = json.loads((bundle / "bundle.json").read_text())
    manifest["files"]["tables.safetensors"] = hashlib.sha256(content).hexdigest()
    (bundle / "bundle.json").write_text(json.dumps(manifest))
    folder = archive(bundle, tmp_path / "store")
    start = time.monotonic()
    with (
        pytest.raises(ServerError, match=r"can't be loaded: .*BundleError: .*bundle can't be read") as raised,
        running_server([folder], port=Ports.any_free().inference, workers=1),
    ):
        pass
    assert "Traceback" in str(raised.value)
    assert not trap.exists()
    assert time.monotonic() - start < 60


def test_a_server_that_ends_by_itself_is_an_error(
    archived: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And on the way: a log that is kept, and an environment that does not reach TorchServe."""
    log = tmp_path / "logs" / "torchserve.log"
    log.parent.mkdir()
    log.write_text("Backend worker process died.\n")  # of an earlier server, and no longer true
    # TorchServe would take this over the configuration that it is given.
    (tmp_path / "other.properties").write_text("inference_address=http://127.0.0.1:1\n")
    monkeypatch.setenv("TS_CONFIG_FILE", str(tmp_path / "other.properties"))
    monkeypatch.setenv("SHOPCAT_TOLD", "yes")
    environment: dict[str, str] = {}

    def look_and_kill(server: Server) -> None:
        assert ask(server, DAY).status == 200
        front_end = psutil.Process(server.process.pid)
        environment.update(front_end.environ())
        assert Path(environment["TMPDIR"]).parent == Path(front_end.cwd())
        server.process.kill()

    with pytest.raises(ServerError, match="ended unexpectedly, with exit status -9"):
        serve_without_gateway(lambda: [archived], look_and_kill, ports=Ports.any_free(), workers=1, log=log)
    assert "TS_CONFIG_FILE" not in environment
    assert environment["SHOPCAT_TOLD"] == "yes"
    assert "Torch worker started" in log.read_text()


@pytest.fixture
def foreground(archived: Path) -> Iterator[Callable[[], tuple[subprocess.Popen[str], list[psutil.Process]]]]:
    """Starts `serve` in a process of its own: that process, and the server's."""
    program = (
        "import sys\nfrom pathlib import Path\nfrom serving.ports import Ports\n"
        "from serving.service import serve_without_gateway\n"
        "serve_without_gateway(lambda: [Path(sys.argv[1])], lambda server: print(server.process.pid, flush=True),"
        " ports=Ports.any_free(), workers=1)"
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


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_and_leaves_nothing(foreground: Any, how: signal.Signals) -> None:
    process, running = foreground()
    private = Path(running[0].cwd())
    assert len(running) >= 2
    process.send_signal(how)
    _, complaint = process.communicate(timeout=30)
    assert (process.returncode, complaint) == (0, "")
    assert gone(running, within=0.5)
    assert not private.exists()


def test_told_to_reload_it_says_that_it_cannot_and_serves_on(foreground: Any) -> None:
    process, running = foreground()
    process.send_signal(signal.SIGHUP)
    assert "SIGHUP has no effect without the gateway" in process.stderr.readline()
    assert all(each.is_running() for each in running)
    process.terminate()
    process.communicate(timeout=30)
    assert (process.returncode, gone(running, within=0.5)) == (0, True)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent died")
def test_killed_it_takes_the_server_with_it(foreground: Any) -> None:
    process, running = foreground()
    private = Path(running[0].cwd())
    process.kill()
    assert gone(running)
    shutil.rmtree(private, ignore_errors=True)  # all that is left, until the next server starts


def test_a_signal_during_the_start_leaves_nothing(archived: Path) -> None:
    program = (
        "import sys\nfrom pathlib import Path\nfrom serving.ports import Ports\n"
        "from serving.service import serve_without_gateway\n"
        "print(flush=True)\n"
        "serve_without_gateway(lambda: [Path(sys.argv[1])], print, ports=Ports.any_free(), workers=1)"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(archived)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        until = time.monotonic() + 30
        while not (running := psutil.Process(process.pid).children(recursive=True)) and time.monotonic() < until:
            time.sleep(0.05)
        time.sleep(0.5)
        process.terminate()
        assert process.wait(30) == 0
    assert running
    assert gone(running, within=0.5)


def test_free_ports_are_free_and_different() -> None:
    ports = Ports.any_free()
    assert ports.inference != ports.metrics
    ports.check_free()
    with socket.create_server((HOST, ports.metrics)), pytest.raises(PortError, match="--metrics-port"):
        ports.check_free()
