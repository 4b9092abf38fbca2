"""Hosts that run `shopcat serve` in namespaces, and the Envoy of deploy/hosts before them."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from serving import local_http
from serving.gateway.envoy import find_envoy
from tests.integration.hosts.network import GATEWAY, Network, entering, inside, network
from tests.integration.runners.kinds import RunnerKind
from tests.integration.service.shopcat import Load, load
from tests.integration.waiting import until

FILES = Path(__file__).parents[3] / "deploy/hosts"
ADDRESSES = ("10.0.0.11", "10.0.0.12", "10.0.0.13")  # of deploy/hosts/hosts.yaml
OPTIONS = "--host 0.0.0.0 --metrics-host 0.0.0.0 --ready all --no-console"  # as the guide has them
START_S = 200.0  # time for three TorchServe instances to start on a busy machine


class Host:
    """A `shopcat serve` in a namespace that is started again whenever it ends, as systemd does with Restart=always."""

    def __init__(self, address: str, namespace: str, runner: RunnerKind, folder: Path) -> None:
        self.address, self.runner, self.folder = address, runner, folder
        self.bundle, self.log, self.pid_file = folder / "bundle", folder / "output", folder / "pid"
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._supervise, args=(namespace,))

    def use(self, bundle: Path) -> None:
        """Let the next start serve a bundle."""
        new = self.folder / "new"
        new.symlink_to(bundle)
        new.replace(self.bundle)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        while self._thread.is_alive():  # a process that has just been started has no PID file yet
            with suppress(OSError):
                os.kill(self.pid, signal.SIGTERM)
            self._thread.join(15)

    @property
    def pid(self) -> int:
        """PID of `shopcat serve`."""
        return int(self.pid_file.read_text())

    def workers(self) -> list[psutil.Process]:
        """Return the processes of the host's workers."""
        return [
            process
            for process in psutil.Process(self.pid).children(recursive=True)
            if self.runner.worker in " ".join(process.cmdline())
        ]

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """Stop the workers until the block ends, while the rest of the host goes on."""
        workers = self.workers()
        for worker in workers:
            worker.suspend()
        try:
            yield
        finally:
            for worker in workers:
                worker.resume()

    @contextmanager
    def slow(self, pause: float = 0.95, work: float = 0.05) -> Iterator[None]:
        """Let the workers work for a twentieth of the time only until the block ends."""
        ended = threading.Event()

        def slow_down() -> None:
            while not ended.is_set():
                with self.hanging():
                    ended.wait(pause)
                ended.wait(work)

        thread = threading.Thread(target=slow_down)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _supervise(self, namespace: str) -> None:
        command = [sys.executable, "-m", "cli", "serve", str(self.bundle), *OPTIONS.split()]
        command += ["--runner", self.runner.name, "--workers", "1"]
        command += ["--model-store", str(self.folder / "store")]
        with self.log.open("w") as output:
            while not self._stopped.is_set():
                process = subprocess.Popen(inside(namespace, *command), stdout=output, stderr=subprocess.STDOUT)
                new = self.folder / "new_pid"
                new.write_text(str(process.pid))
                new.replace(self.pid_file)
                process.wait()


@dataclass(frozen=True)
class Cluster:
    """Hosts behind an Envoy, which are all healthy.

    Attributes:
        network: the namespaces.
        hosts: the hosts.
        folder: Envoy's folder, with the files of deploy/hosts and the administration socket.
    """

    network: Network
    hosts: Sequence[Host]
    folder: Path

    def answered(self) -> dict[str, int]:
        """Return the number of requests that each host has answered well, by address."""
        return {address: int(stats["rq_success"]) for address, (_, stats) in self._hosts().items()}

    def healthy(self) -> set[str]:
        """Return the addresses of the hosts that Envoy sends requests to."""
        return {address for address, (is_healthy, _) in self._hosts().items() if is_healthy}

    def _hosts(self) -> dict[str, tuple[bool, dict[str, int]]]:
        content = json.loads(local_http.ask(self.folder / "admin.sock", "/clusters?format=json"))
        (cluster,) = content["cluster_statuses"]
        return {host["address"]["socket_address"]["address"]: _host(host) for host in cluster.get("host_statuses", ())}

    @contextmanager
    def load(self, clients: int = 6) -> Iterator[Load]:
        """Keep the hosts busy until the block ends; it begins when answers arrive."""
        with load(8080, clients, GATEWAY, entering(self.network.gateway)) as running:
            yield running

    def distribute_over(self, addresses: Collection[str]) -> None:
        """Change the hosts of the shared Envoy as the guide says."""
        lines = (FILES / "hosts.yaml").read_text().splitlines()
        kept = [line for line in lines if "address: 10." not in line or any(address in line for address in addresses)]
        (self.folder / "hosts.new").write_text("\n".join(kept) + "\n")
        (self.folder / "hosts.new").replace(self.folder / "hosts.yaml")

    def is_ready(self) -> bool:
        """Return True if the shared Envoy tells a load balancer so."""
        script = f"from urllib.request import urlopen; urlopen('http://{GATEWAY}:8080/readyz', timeout=10)"
        done = subprocess.run(
            inside(self.network.gateway, sys.executable, "-c", script), capture_output=True, text=True
        )
        assert done.returncode == 0 or "HTTP Error 503" in done.stderr, done.stderr
        return done.returncode == 0

    def wait_until_answered_by(self, host: Host, requests: int = 20) -> None:
        """Wait until a host has answered some more requests."""
        enough = self.answered()[host.address] + requests
        assert until(lambda: self.answered()[host.address] >= enough, 60), self.answered()

    def output(self) -> str:
        """Return everything that the hosts have printed."""
        return "\n".join(f"{host.address}:\n{host.log.read_text()}" for host in self.hosts)


def _host(status: dict[str, Any]) -> tuple[bool, dict[str, int]]:
    given = dict(status["health_status"])
    given.pop("eds_health_status", None)
    return not any(given.values()), {stat["name"]: int(stat.get("value", 0)) for stat in status["stats"]}


@contextmanager
def cluster(bundle: Path, runner: RunnerKind, folder: Path) -> Iterator[Cluster]:
    """Run three hosts behind the Envoy of deploy/hosts until the block ends."""
    with ExitStack() as stack:
        net = stack.enter_context(network(ADDRESSES))
        hosts = []
        for address in ADDRESSES:
            (own := folder / address).mkdir()
            hosts.append(host := Host(address, net.hosts[address], runner, own))
            host.use(bundle)
            host.start()
            stack.callback(host.stop)
        shutil.copytree(FILES, folder / "envoy")
        command = [str(find_envoy()), "-c", "envoy.yaml"]
        command += ["--concurrency", "1", "--log-level", "warning", "--disable-hot-restart"]
        with (folder / "envoy.log").open("w") as log:
            envoy = subprocess.Popen(
                inside(net.gateway, *command), cwd=folder / "envoy", stdout=log, stderr=subprocess.STDOUT
            )
            stack.callback(envoy.wait, 30)
            stack.callback(envoy.terminate)
            running = Cluster(net, hosts, folder / "envoy")

            def are_healthy() -> bool:
                assert envoy.poll() is None, (folder / "envoy.log").read_text()
                return (running.folder / "admin.sock").exists() and running.healthy() == set(ADDRESSES)

            assert until(are_healthy, START_S), running.output()
            yield running
