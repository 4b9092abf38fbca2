"""`shopcat serve` as it is run, under load: whatever happens to a part of it, no request is lost or unanswered.

Longer than 350 lines: the tests run in this order on one service.
"""

import http.client
import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from serving.gateway.config import GatewayConfig
from serving.ports import HOST, PortError, Ports
from serving.process import ServerError
from serving.service import Service

pytestmark = pytest.mark.integration

DAY = json.dumps({"store": 1, "date": "2015-08-05"}).encode()


@dataclass
class Load:
    """Clients that ask one request after another, and what came of each."""

    port: int
    statuses: Counter[int] = field(default_factory=Counter)
    versions: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    refused: int = 0
    stopped: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=60)
        while not self.stopped.is_set():
            try:
                if fresh := connection.sock is None:
                    connection.connect()
            except ConnectionRefusedError:
                self.refused += 1
                time.sleep(0.02)
                continue
            try:
                connection.request("POST", "/predictions/sales", DAY)
                response = connection.getresponse()
                content = json.load(response)
                time.sleep(0.005)  # the rest of the machine is for what is started beside
                self.statuses[response.status] += 1
                self.versions[content.get("version", content.get("detail"))] += 1
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                # What stood in the kernel's queue when the listener was closed was taken by nobody.
                if fresh and isinstance(error, ConnectionResetError):
                    self.refused += 1
                else:
                    self.lost.append(repr(error))


@contextmanager
def load(port: int, clients: int = 8) -> Iterator[Load]:
    asked = Load(port)
    threads = [threading.Thread(target=asked.run) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        time.sleep(0.5)
        yield asked
    finally:
        asked.stopped.set()
        for thread in threads:
            thread.join()


@dataclass
class Running:
    """A `shopcat serve` in a process of its own."""

    process: subprocess.Popen[str]
    port: int
    probes: int
    bundle: Path
    log: Path

    def descendants(self, what: str) -> list[psutil.Process]:
        """Its processes with a word in their command line."""
        found = []
        for each in psutil.Process(self.process.pid).children(recursive=True):
            try:
                if what in " ".join(each.cmdline()):
                    found.append(each)
            except psutil.Error:
                continue
        return found

    def metrics(self) -> str:
        with urllib.request.urlopen(f"http://{HOST}:{self.probes}/metrics", timeout=10) as answer:
            return str(answer.read().decode())

    def is_whole(self) -> bool:
        """Whether every worker is ready."""
        return 'shopcat_workers_ready{model="sales"} 2.0' in self.metrics()

    def said(self) -> str:
        return self.log.read_text()


def until(done: Any, seconds: float = 200.0) -> bool:
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


@contextmanager
def serving(bundle: Path, folder: Path, *options: str) -> Iterator[Running]:
    ports = Ports.any_free()
    own, log = folder / "bundle", folder / "said"
    shutil.copytree(bundle, own)
    command = [sys.executable, "-m", "cli", "serve", str(own), "--port", str(ports.inference)]
    command += ["--metrics-port", str(ports.metrics), "--model-store", str(folder / "store"), *options]
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, text=True)
    running = Running(process, ports.inference, ports.metrics, own, log)
    try:
        assert until(lambda: "Ctrl-C stops it" in running.said() or process.poll() is not None, 120), running.said()
        assert process.poll() is None, running.said()
        yield running
    finally:
        process.terminate()
        process.wait(60)


def probe(port: int, path: str) -> int:
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}{path}", timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


@pytest.fixture(scope="module")
def two(demo_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Two TorchServes with a worker each."""
    options = ("--instances", "2", "--workers", "1")
    with serving(demo_bundle, tmp_path_factory.mktemp("two"), *options) as running:
        yield running


def version(bundle: Path, name: str) -> None:
    """Make a bundle another version of itself."""
    manifest = json.loads((bundle / "bundle.json").read_text())
    (bundle / "bundle.json").write_text(json.dumps(manifest | {"version": name}))


def test_a_bundle_with_another_name_than_its_kind_is_ready(demo_bundle: Path, tmp_path: Path) -> None:
    named = shutil.copytree(demo_bundle, tmp_path / "named")
    manifest = json.loads((named / "bundle.json").read_text())
    (named / "bundle.json").write_text(json.dumps(manifest | {"name": "forecasts"}))
    with serving(named, tmp_path, "--workers", "1") as running:
        assert (probe(running.probes, "/livez"), probe(running.probes, "/readyz")) == (200, 200)
        assert 'shopcat_workers_ready{model="forecasts"} 1.0' in running.metrics()
        assert "/predictions/forecasts" in running.said()
        request = urllib.request.Request(f"http://{HOST}:{running.port}/predictions/forecasts", DAY)
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert json.load(answer)["model"] == "forecasts"


def test_while_it_starts_it_answers_probes_and_its_ports_are_nobody_elses() -> None:
    ports = Ports.any_free()
    seen: list[int] = []

    def look() -> list[Path]:
        """Called to archive the bundles, before TorchServe is started."""
        seen.extend(probe(ports.metrics, path) for path in ("/livez", "/readyz"))
        for port in (ports.inference, ports.metrics):
            with socket.socket() as other, pytest.raises(OSError, match="in use"):
                other.bind((HOST, port))
        raise ServerError("seen enough")

    service = Service(GatewayConfig(ports.inference, probes_port=ports.metrics), look, instances=1, workers=1)
    with pytest.raises(ServerError, match="seen enough"), service.running():
        pass
    assert seen == [200, 503]


@pytest.mark.parametrize(("place", "option"), [(0, "--port"), (1, "--metrics-port")])
def test_a_port_that_is_taken_is_named_before_anything_is_made(place: int, option: str) -> None:
    ports = Ports.any_free()
    taken = (ports.inference, ports.metrics)[place]
    made: list[Path] = []
    service = Service(GatewayConfig(ports.inference, probes_port=ports.metrics), lambda: made, instances=1, workers=1)
    with (
        socket.create_server((HOST, taken)),
        pytest.raises(PortError, match=f"port {taken} .*{option}"),
        service.running(),
    ):
        pass


# In the order in which they stand: each leaves the service whole


def test_probes_are_behind_the_door_and_on_their_own_port(two: Running) -> None:
    for port in (two.port, two.probes):
        assert (probe(port, "/livez"), probe(port, "/readyz")) == (200, 200)
    assert probe(two.port, "/metrics") == 404
    text = two.metrics()
    for name in ("shopcat_stage_seconds_bucket", "ts_inference_requests_total", "envoy_cluster_membership_healthy"):
        assert name in text


def test_only_the_door_and_the_probes_listen(two: Running) -> None:
    """A TorchServe that listened on loopback could be asked by every user of the machine, without a key."""
    everything = [psutil.Process(two.process.pid), *psutil.Process(two.process.pid).children(recursive=True)]
    listening = {
        each.laddr.port
        for process in everything
        for each in process.net_connections("inet")
        if each.status == psutil.CONN_LISTEN
    }
    assert listening == {two.port, two.probes}


def test_only_who_asks_for_an_explanation_gets_one(two: Running) -> None:
    def asked(path: str, headers: dict[str, str]) -> bool:
        request = urllib.request.Request(
            f"http://{HOST}:{two.port}{path}", DAY, {**headers, "Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return "contributions" in json.load(answer)

    assert asked("/explanations/sales", {})
    assert not asked("/predictions/sales", {"Explain": "True"})


def test_each_torchserves_own_figures_are_there(two: Running) -> None:
    with load(two.port):
        pattern = r'^ts_inference_requests_total\{torchserve="(\d)",model_name="sales",.*\} [1-9]'
        assert until(lambda: set(re.findall(pattern, two.metrics(), re.MULTILINE)) == {"0", "1"}, 20)


def test_a_killed_worker_costs_no_answer(two: Running) -> None:
    with load(two.port) as asked:
        for worker in two.descendants("model_service_worker"):
            worker.kill()
            assert until(lambda: not two.is_whole())
            assert until(two.is_whole)  # meanwhile the other TorchServe answers
    assert (asked.statuses.keys(), asked.lost, asked.refused) == ({200}, [], 0)


def test_a_killed_torchserve_costs_no_answer_and_is_replaced(two: Running) -> None:
    with load(two.port) as asked:
        dead, _ = two.descendants("org.pytorch.serve.ModelServer")
        dead.kill()
        assert until(
            lambda: (
                len([each for each in two.descendants("org.pytorch.serve.ModelServer") if each.pid != dead.pid]) == 2
            )
        )
        assert until(two.is_whole)
    assert (asked.statuses.keys(), asked.lost, asked.refused) == ({200}, [], 0)
    assert "a TorchServe instance ended unexpectedly and is replaced" in two.said()
    # Its workers say themselves that they are ready, a moment before the service has it.
    assert until(lambda: set(re.findall('torchserve="(\\d+)"', two.metrics())) == {"0", "1"})


def test_a_torchserve_that_hangs_gets_no_requests_until_it_answers_again(two: Running) -> None:
    def healthy(number: int) -> bool:
        return f'envoy_cluster_membership_healthy{{envoy_cluster_name="sales"}} {number}\n' in two.metrics()

    for hanging in two.descendants("org.pytorch.serve.ModelServer"):  # the second time, only who hung before can answer
        hanging.suspend()
        try:
            assert until(lambda: healthy(1), 30)
            with load(two.port) as asked:
                pass
        finally:
            hanging.resume()
        assert (asked.statuses.keys(), asked.lost, asked.refused) == ({200}, [], 0)
        assert until(lambda: healthy(2), 30)


def test_while_all_torchserves_hang_it_is_neither_ready_nor_alive(two: Running) -> None:
    """Their processes are there, and so are their workers."""

    def probes(status: int) -> bool:
        return {probe(two.probes, path) for path in ("/livez", "/readyz")} == {status}

    assert probes(200)
    hanging = two.descendants("org.pytorch.serve.ModelServer")
    try:
        for each in hanging:
            each.suspend()
        assert until(lambda: probes(503), 60)
    finally:
        for each in hanging:
            each.resume()
    assert until(lambda: probes(200), 60)


def test_a_new_version_takes_over_without_a_pause(two: Running) -> None:
    before = {each.pid for each in two.descendants("org.pytorch.serve.ModelServer")}
    version(two.bundle, "newer")
    with load(two.port) as asked:
        two.process.send_signal(signal.SIGHUP)
        assert until(lambda: asked.versions["newer"] > 0)
        assert until(lambda: not before & {each.pid for each in two.descendants("org.pytorch.serve.ModelServer")})
        asked.versions.clear()
        time.sleep(0.5)
        assert set(asked.versions) == {"newer"}
    assert (asked.statuses.keys(), asked.lost, asked.refused) == ({200}, [], 0)


def test_a_version_that_cannot_be_loaded_changes_nothing(two: Running) -> None:
    before = {each.pid for each in two.descendants("org.pytorch.serve.ModelServer")}
    weights = two.bundle / "weights.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(b"broken")
    with load(two.port, clients=2) as asked:
        two.process.send_signal(signal.SIGHUP)
        assert until(lambda: "not reloaded" in two.said())
    weights.write_bytes(content)
    assert "weights.safetensors" in two.said()
    assert (asked.statuses.keys(), set(asked.versions), asked.lost) == ({200}, {"newer"}, [])
    assert {each.pid for each in two.descendants("org.pytorch.serve.ModelServer")} == before


def test_stopped_it_answers_what_it_has_taken(two: Running) -> None:
    everything = psutil.Process(two.process.pid).children(recursive=True)
    with load(two.port) as asked:
        two.process.send_signal(signal.SIGTERM)
        assert until(lambda: probe_or_gone(two) != 200, 5)
        assert two.process.wait(30) == 0
    assert two.said().endswith("stopped\n")
    assert asked.statuses.keys() == {200}
    assert asked.refused > 0
    assert asked.lost == []
    assert not [each for each in everything if each.is_running()]


def probe_or_gone(running: Running) -> int:
    try:
        return probe(running.probes, "/readyz")
    except OSError:
        return 0
