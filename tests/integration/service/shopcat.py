"""A `shopcat serve` in a separate process, and clients that keep it busy."""

import http.client
import json
import os
import shutil
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

import psutil

from serving.ports import HOST, Ports
from tests.integration.runners.kinds import RunnerKind
from tests.integration.waiting import until

DAY = json.dumps({"store": 1, "date": "2015-08-05"}).encode()
ENVOY = "envoy.yaml"  # word in the command line of Envoy
FAST_HEALTH_CHECKS = ("--health-check-interval", "0.2")


@dataclass
class Load:
    """Results of clients that send one request after another.

    Attributes:
        port: port that they send to.
        statuses: number of answers by HTTP status.
        versions: number of answers by the bundle's version, or by the problem's detail.
        lost: errors of requests that got no answer.
        refused: number of connections that were not accepted.
        retry_after: values of the header Retry-After in answers with status 503.
        stopped: set to end the clients.
        host: address that they send to.
        enter: called in the thread of each client.
    """

    port: int
    statuses: Counter[int] = field(default_factory=Counter)
    versions: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    refused: int = 0
    retry_after: set[str | None] = field(default_factory=set)
    stopped: threading.Event = field(default_factory=threading.Event)
    host: str = HOST
    enter: Callable[[], None] = lambda: None

    def run(self) -> None:
        """Send requests until stopped."""
        self.enter()
        connection = http.client.HTTPConnection(self.host, self.port, timeout=60)
        while not self.stopped.is_set():
            try:
                if is_new := connection.sock is None:
                    connection.connect()
            except ConnectionRefusedError:
                self.refused += 1
                time.sleep(0.02)
                continue
            try:
                connection.request("POST", "/predictions/sales", DAY)
                response = connection.getresponse()
                content = json.load(response)
                if response.status == HTTPStatus.SERVICE_UNAVAILABLE:
                    self.retry_after.add(response.getheader("Retry-After"))
                time.sleep(0.005)  # leaves processor time to the processes that start meanwhile
                self.statuses[response.status] += 1
                self.versions[content.get("version", content.get("detail"))] += 1
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                # The kernel had queued the connection when the listener was closed, so the service never accepted it.
                if is_new and isinstance(error, ConnectionResetError):
                    self.refused += 1
                else:
                    self.lost.append(repr(error))

    def wait_for_answers(self, count: int) -> None:
        """Wait for some more answers."""
        enough = self.statuses.total() + count
        assert until(lambda: self.statuses.total() >= enough, 60), (self.statuses, self.lost)


@contextmanager
def load(port: int, clients: int = 8, host: str = HOST, enter: Callable[[], None] = lambda: None) -> Iterator[Load]:
    """Keep a service busy until the block ends; it begins when answers arrive."""
    running = Load(port, host=host, enter=enter)
    threads = [threading.Thread(target=running.run) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        running.wait_for_answers(5 * clients)
        yield running
    finally:
        running.stopped.set()
        for thread in threads:
            thread.join()


@dataclass
class Running:
    """A `shopcat serve` that is ready, or has ended."""

    process: subprocess.Popen[str]
    port: int
    metrics_port: int
    runner: RunnerKind
    bundle: Path
    log: Path

    def descendants(self, word: str) -> list[psutil.Process]:
        """Return its processes with a word in their command line."""
        found = []
        for process in psutil.Process(self.process.pid).children(recursive=True):
            try:
                if word in " ".join(process.cmdline()):
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def pids(self, word: str) -> set[int]:
        """Return the PIDs of its processes with a word in their command line."""
        return {process.pid for process in self.descendants(word)}

    def instances(self) -> list[psutil.Process]:
        """Return the first process of each instance."""
        return self.descendants(self.runner.first)

    def instance_pids(self) -> set[int]:
        """Return the PIDs of the first processes of the instances."""
        return self.pids(self.runner.first)

    def metrics(self) -> str:
        with urllib.request.urlopen(f"http://{HOST}:{self.metrics_port}/metrics", timeout=10) as answer:
            return str(answer.read().decode())

    def all_workers_ready(self) -> bool:
        """Return True if both instances get requests, and the worker of each is ready."""
        metrics = self.metrics()
        healthy = 'envoy_cluster_membership_healthy{envoy_cluster_name="sales"} 2\n'
        return 'shopcat_workers_ready{model="sales"} 2.0' in metrics and healthy in metrics

    def output(self) -> str:
        """Return everything that it has printed."""
        return self.log.read_text()


@contextmanager
def serving(
    bundle: Path,
    folder: Path,
    runner: RunnerKind,
    *options: str,
    environment: Mapping[str, str] = {},
    console: bool = False,
) -> Iterator[Running]:
    """Run `shopcat serve` on a copy of a bundle until the block ends; it begins when the service is ready.

    The console is left out unless a test is about it, because its start takes time.
    """
    copy = folder / "bundle"
    shutil.copytree(bundle, copy)
    with serving_in_place(copy, folder, runner, *options, environment=environment, console=console) as running:
        yield running


@contextmanager
def serving_in_place(
    copy: Path,
    folder: Path,
    runner: RunnerKind,
    *options: str,
    environment: Mapping[str, str] = {},
    console: bool = False,
) -> Iterator[Running]:
    """Run `shopcat serve` as `serving` does, on the bundle itself."""
    ports, log = Ports.any_free(), folder / "output"
    command = [sys.executable, "-m", "cli", "serve", str(copy), "--port", str(ports.inference)]
    command += ["--metrics-port", str(ports.metrics), "--model-store", str(folder / "store")]
    command += ["--runner", runner.name, *FAST_HEALTH_CHECKS, *(() if console else ("--no-console",)), *options]
    with log.open("w") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, text=True, env={**os.environ, **environment}
        )
    running = Running(process, ports.inference, ports.metrics, runner, copy, log)
    try:
        assert until(lambda: "Ctrl-C stops it" in running.output() or process.poll() is not None, 120), running.output()
        assert process.poll() is None, running.output()
        yield running
    finally:
        process.terminate()
        process.wait(60)


def probe(port: int, path: str) -> int:
    """Return the HTTP status of a probe."""
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}{path}", timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
