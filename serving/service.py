"""The whole service: TorchServe instances behind one gateway, started, supervised, reloaded and stopped.

Envoy admits each request or rejects it at once. Admitted requests are answered, even if their worker or TorchServe
instance dies, the service is stopped, or the bundles are replaced meanwhile.
"""

import contextlib
import functools
import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from handlers.worker_paths import WorkerPaths
from handlers.worker_settings import INSTANCE
from runtime.errors import UserError
from serving.gateway.admission import served_models
from serving.gateway.config import GatewayConfig, ServedModel
from serving.gateway.envoy import Gateway, running_gateway
from serving.monitoring.exporter import Exporter, exporting, torchserve_metrics
from serving.monitoring.recent import Recent
from serving.monitoring.watched import STARTING, Watched
from serving.ports import Ports, hold_port
from serving.process import ServerError, describe_exit, private_folder
from serving.signals import postponed, reload_requests, stop_on_signal
from serving.torchserve.server import Server, running_server

logger = logging.getLogger(__name__)

DRAIN_S = 70.0  # time for admitted requests to be answered before a stop; longer than any request's timeout

_POLL_S = 0.1
_RETRY_S = (1.0, 60.0)  # shortest and longest wait between two attempts to replace a TorchServe instance


class Service:
    """TorchServe instances behind a gateway.

    Attributes:
        config: settings of the gateway.
        servers: instances that receive requests; replaced by a new list at each change.
        gateway: the gateway.
    """

    def __init__(
        self,
        config: GatewayConfig,
        archive: Callable[[], Sequence[Path]],
        *,
        instances: int,
        workers: int,
        cpu: bool = False,
        environment: Mapping[str, str] = {},
    ) -> None:
        """Prepare a service; `running` starts it.

        Args:
            config: settings of the gateway.
            archive: makes the archives, one for each model; called at the start and at each reload.
            instances: number of TorchServe instances.
            workers: as for `running_server`, for each instance.
            cpu: as for `running_server`.
            environment: as for `running_server`.
        """
        self.config = config
        self.servers: list[Server] = []
        self.gateway: Gateway
        self._archive = archive
        self._instances = instances
        self._workers, self._cpu, self._environment = workers, cpu, environment
        self._shared: WorkerPaths
        self._up = self._stopping = False
        self._models: list[ServedModel] = []
        self._running: dict[int, contextlib.ExitStack] = {}  # by process ID
        self._wait_s, self._not_before = _RETRY_S[0], 0.0
        # At most one check a second, because probes need no key and each check takes Envoy's time.
        self._answers = Recent(lambda: self.gateway.answers())

    @contextlib.contextmanager
    def running(self, audit_log: Path | None = None) -> Iterator["Service"]:
        """Run the service until the block ends; then stop all of its processes without waiting for answers.

        Args:
            audit_log: file to append a line of JSON to for each request; by default a temporary one.

        Raises:
            PortError: if a port can't be used; then no archive was made and no process started.
        """
        with private_folder() as folder, hold_port(self.config.port, self.config.host, "--port"):
            self._shared = WorkerPaths.create(folder / "shared", audit_log)
            exporter = Exporter(self._shared, self._watched)
            try:
                with exporting(exporter, self.config.probes_port, self.config.probes_host):
                    self.servers = self._start(self._archive(), range(self._instances))
                    self._models = served_models(self.servers[0], self._instances)
                    sockets = _sockets(self.servers)
                    with running_gateway(self.config, self._models, sockets) as self.gateway:
                        self._up = True
                        yield self
            finally:
                _close(self._running.values())

    def drain(self) -> None:
        """Accept no more requests, and wait until all accepted ones are answered."""
        self._stopping = True
        if not self.gateway.drain(DRAIN_S):
            logger.warning("some requests were not answered within %g s", DRAIN_S)

    def _watched(self) -> Watched:
        """Return the state that metrics and probes report."""
        if not self._up:
            return STARTING
        servers = self.servers
        torchserve = functools.partial(torchserve_metrics, {server.instance: server.metrics for server in servers})
        return Watched(
            {"frontend": [server.process.pid for server in servers], "gateway": [self.gateway.process.pid]},
            [torchserve, self.gateway.metrics],
            {model.name: model.workers for model in self._models},
            alive=self._answers(),
            transition="stopping" if self._stopping else None,
        )

    def supervise(self) -> None:
        """Replace TorchServe instances that ended unexpectedly.

        Raises:
            ServerError: if Envoy or all TorchServe instances have ended, so that no request can be answered.
        """
        self.gateway.files.refresh()
        if (code := self.gateway.process.poll()) is not None:
            raise ServerError(f"Envoy ended unexpectedly, {describe_exit(code)}\n{self.gateway.output.tail()}")
        living = [server for server in self.servers if server.process.poll() is None]
        if not living:
            self.servers[0].wait()
        dead = [server for server in self.servers if server not in living]
        if dead:
            logger.warning("a TorchServe instance ended unexpectedly and is replaced; the others answer meanwhile")
            self.servers = living
            self.gateway.route_to(_sockets(living))
            self._stop(dead)
        missing = set(range(self._instances)) - {server.instance for server in living}
        if not missing or time.monotonic() < self._not_before:
            return
        try:
            self.servers = living + self._start(living[0].models.values(), missing)
        except (UserError, OSError) as error:
            self._not_before = time.monotonic() + self._wait_s
            logger.error("a TorchServe instance can't be replaced; trying again in %g s: %s", self._wait_s, error)
            self._wait_s = min(2 * self._wait_s, _RETRY_S[1])
            return
        self._wait_s = _RETRY_S[0]
        self.gateway.route_to(_sockets(self.servers))

    def reload(self) -> bool:
        """Serve the current contents of the bundles: start new TorchServe instances, then stop the old ones.

        Returns:
            True if the new instances took over. If a bundle can't be loaded, the old ones continue, and the log has
            the cause.
        """
        old = self.servers
        try:
            new = self._start(self._archive(), range(self._instances))
        except (UserError, OSError) as error:
            logger.error("not reloaded; the previous bundles are still served: %s", error)
            return False
        if new[0].models.keys() != old[0].models.keys():
            logger.error("not reloaded: the names of the models have changed; restart the service to serve them")
            self._stop(new)
            return False
        self.gateway.route_to(_sockets([*old, *new]))  # both, until the new ones have passed a health check
        self.servers = new
        self.gateway.route_to(_sockets(new), draining=_sockets(old))
        if not self.gateway.wait_until_idle(_sockets(old), DRAIN_S):
            logger.warning("the old TorchServe instances are stopped with unanswered requests after %g s", DRAIN_S)
        self.gateway.route_to(_sockets(new))
        self._stop(old)
        logger.info("reloaded")
        return True

    def _start(self, archives: Iterable[Path], numbers: Iterable[int]) -> list[Server]:
        """Start the TorchServe instances with these numbers; all of them or none."""
        archives, servers = list(archives), []
        try:
            for instance in numbers:
                stack = contextlib.ExitStack()
                server = stack.enter_context(
                    running_server(
                        archives,
                        workers=self._workers,
                        cpu=self._cpu,
                        shared=self._shared,
                        instance=instance,
                        environment={**self._environment, INSTANCE: str(instance)},
                    )
                )
                self._running[server.process.pid] = stack
                servers.append(server)
        except BaseException:
            self._stop(servers)
            raise
        return servers

    def _stop(self, servers: Iterable[Server]) -> None:
        _close([self._running.pop(server.process.pid) for server in servers])


def _close(stacks: Collection[contextlib.ExitStack]) -> None:
    """Close the stacks at the same time, because stopping a process can take long."""
    with postponed(), ThreadPoolExecutor(max(len(stacks), 1)) as pool:
        list(pool.map(contextlib.ExitStack.close, stacks))


def _sockets(servers: Iterable[Server]) -> list[Path]:
    """Return the Unix sockets of the instances."""
    return [server.address for server in servers if isinstance(server.address, Path)]


def serve(
    config: GatewayConfig,
    archive: Callable[[], Sequence[Path]],
    on_ready: Callable[[Service], None],
    *,
    instances: int = 1,
    workers: int = 0,
    cpu: bool = False,
    audit_log: Path | None = None,
    environment: Mapping[str, str] = {},
) -> None:
    """Run a service until SIGINT (Ctrl-C) or SIGTERM. SIGHUP reloads the bundles.

    On the first signal the service accepts no more requests and answers the accepted ones. On a second one it stops
    at once.

    Args:
        config: settings of the gateway.
        archive: makes the archives, one for each model; called at the start and at each reload.
        on_ready: called once, when all workers are ready.
        instances: number of TorchServe instances.
        workers: as for `running_server`, for each instance.
        cpu: as for `running_server`.
        audit_log: as for `Service.running`.
        environment: as for `running_server`.

    Raises:
        ServerError: if the service can't be started, or a part of it ends and can't be replaced. See also
            `running_server` and `running_gateway`.
    """
    service = Service(config, archive, instances=instances, workers=workers, cpu=cpu, environment=environment)
    with stop_on_signal(), reload_requests() as reload_requested, service.running(audit_log):
        on_ready(service)
        try:
            while True:
                service.supervise()
                if reload_requested.is_set():
                    reload_requested.clear()
                    service.reload()
                reload_requested.wait(_POLL_S)
        except KeyboardInterrupt:
            service.drain()


def serve_without_gateway(
    archive: Callable[[], Sequence[Path]],
    on_ready: Callable[[Server], None],
    *,
    ports: Ports | None = None,
    workers: int = 0,
    cpu: bool = False,
    audit_log: Path | None = None,
    environment: Mapping[str, str] = {},
) -> None:
    """Run one TorchServe instance, without a gateway, until SIGINT (Ctrl-C) or SIGTERM, which stop it at once.

    SIGHUP has no effect: without a gateway, a new instance can't take over without a pause.

    Args:
        archive: makes the archives, one for each model.
        on_ready: called once with the instance, when all workers are ready.
        ports: ports of TorchServe and of the exporter.
        workers: as for `running_server`.
        cpu: as for `running_server`.
        audit_log: as for `Service.running`.
        environment: as for `running_server`.

    Raises:
        ServerError: if TorchServe can't be started or ends unexpectedly. See also `running_server`.
    """
    ports = ports or Ports()
    running: list[tuple[Server, dict[str, int]]] = []

    answers = Recent(lambda: running[0][0].answers())

    def watched() -> Watched:
        if not running:
            return STARTING
        ((server, models),) = running
        torchserve = functools.partial(torchserve_metrics, {server.instance: server.metrics})
        return Watched({"frontend": [server.process.pid]}, [torchserve], models, alive=answers())

    with stop_on_signal(), reload_requests() as reload_requested, private_folder() as folder:
        shared = WorkerPaths.create(folder / "shared", audit_log)
        with (
            exporting(Exporter(shared, watched), ports.metrics),
            running_server(
                archive(),
                port=ports.inference,
                workers=workers,
                cpu=cpu,
                shared=shared,
                environment=environment,
            ) as server,
        ):
            running.append((server, {name: server.workers(name) for name in server.models}))
            on_ready(server)
            while server.process.poll() is None:
                if reload_requested.wait(_POLL_S):
                    reload_requested.clear()
                    logger.warning("SIGHUP has no effect without the gateway; restart the service for other bundles")
            server.wait()
