"""The whole service: instances of a runner behind one gateway, started, supervised, reloaded and stopped.

Envoy admits each request or rejects it at once. Admitted requests are answered, even if their worker or instance
dies, the service is stopped, or the bundles are replaced meanwhile. The gateway and each instance have a
thread that starts them again when they end; the others go on meanwhile.
"""

import contextlib
import dataclasses
import functools
import logging
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from handlers.readiness import ready_workers
from handlers.worker_paths import WorkerPaths
from serving.admission import served_models
from serving.console.process import SOCKET, Console
from serving.gateway.config import GatewayConfig, ServedModel
from serving.gateway.envoy import Gateway, GatewayFolder, Host, gateway_folder, running_envoy
from serving.instances import Instance, InstancePool, archives_of, count_workers, routes
from serving.monitoring.exporter import Exporter, exporting, instance_metrics
from serving.monitoring.recent import Recent
from serving.monitoring.watched import STARTING, ReadyPolicy, Watched
from serving.ports import hold_port
from serving.process import private_folder
from serving.reload import DRAIN_S, reload
from serving.runner import Runner, Server, show_first_answers
from serving.signals import postponed, reload_requests, stop_on_signal, wait_for
from serving.supervised import Supervised

logger = logging.getLogger(__name__)

_POLL_S = 0.1


class Service:
    """Instances of a runner behind a gateway.

    Attributes:
        config: settings of the gateway.
        pool: the instances.
    """

    pool: InstancePool
    _gateway: Supervised[Gateway]
    _gateway_folder: GatewayFolder
    _shared: WorkerPaths

    def __init__(
        self,
        config: GatewayConfig,
        archive: Callable[[], Sequence[Path]],
        runner: Runner,
        *,
        ready: ReadyPolicy = "any",
        console: Mapping[str, Any] | None = None,
    ) -> None:
        """Prepare a service; `running` starts it.

        Args:
            config: settings of the gateway.
            archive: makes the archives, one for each model; called at the start and at each reload.
            runner: starts the instances.
            ready: as for `Watched`.
            console: settings of the console, fields of `console.settings.Options`; None for none.
        """
        self.config = config
        self._archive, self._runner, self._ready, self._console_options = archive, runner, ready, console
        self._console: Console | None = None
        self._models: list[ServedModel] = []
        self._are_limits_uncertain = False
        self._up, self._stopping, self._ended = False, False, threading.Event()
        self._reloading: threading.Thread | None = None
        self._hosts: tuple[Gateway, Recent[Mapping[str, Mapping[Path, Host]] | None]] | None = None

    @property
    def servers(self) -> list[Server]:
        """Running instances that receive requests."""
        return [server for instance, server in self.pool.running().items() if instance.role == "serving"]

    @property
    def gateway(self) -> Gateway | None:
        """The running gateway; None while it is being started again."""
        return self._gateway.current

    @property
    def console(self) -> Console | None:
        """The console, running or not; None if the service has none."""
        return self._console

    @contextlib.contextmanager
    def running(self, request_log: Path | None = None) -> Iterator["Service"]:
        """Run the service until the block ends; then stop all of its processes without waiting for answers.

        Args:
            request_log: file to append a line of JSON to for each request; by default a temporary one.

        Raises:
            PortError: if a port can't be used; then no archive was made and no process started.
            Exception: the error of a part that can't be started.
        """
        # The port is held as long as the service runs, also while Envoy is started again.
        with private_folder() as folder, hold_port(self.config.port, self.config.host, "--port"):
            self._shared = WorkerPaths.create(folder / "shared", request_log)
            self.pool = InstancePool(folder, self._shared, self._runner)
            exporter = Exporter(self._shared, self._watched)
            pages = folder / "console"
            if self._console_options is not None:
                self.config = dataclasses.replace(self.config, console=pages / SOCKET)
            try:
                with exporting(exporter, self.config.probes_port, self.config.probes_host):
                    started = self.pool.start(self._runner.archives_by_instance(self.pool.copy(self._archive())))
                    self._models = self._served(started)
                    for instance in started:
                        instance.role = "serving"
                    with self._routing():
                        self._up = True
                        with self._pages(pages):
                            yield self
            finally:
                self.pool.close()

    @contextlib.contextmanager
    def _routing(self) -> Iterator[None]:
        """Run the gateway, and keep its endpoints up to date, until the block ends."""
        with gateway_folder(self.config, self._models) as self._gateway_folder:
            self._gateway = Supervised(
                "the gateway", functools.partial(running_envoy, self.config, self._gateway_folder)
            )
            router = threading.Thread(target=self._route, name="routes", daemon=True)
            try:
                self.update_routes()
                self._gateway.begin()
                self._gateway.wait_until_started()
                router.start()
                yield
            finally:
                with postponed():
                    self._ended.set()
                    self._gateway.stop()
                    self.pool.close()
                    self._gateway.join()
                    for thread in (router, self._reloading):
                        if thread is not None and thread.ident is not None:
                            thread.join()

    @contextlib.contextmanager
    def _pages(self, folder: Path) -> Iterator[None]:
        """Run the console until the block ends, if the service has one. Nothing waits for its start."""
        if self._console_options is None:
            yield
            return
        console = self._console = Console(self._console_options, folder, self._bundles())
        console.begin()
        try:
            yield
        finally:
            with postponed():
                console.stop()
                console.join()

    def _bundles(self) -> Mapping[str, Path]:
        """Return the folders of the served bundles by their models' names."""
        serving = [instance for instance in self.pool.instances if instance.role == "serving"]
        return {name: archive / "bundle" for name, archive in archives_of(serving).items()}

    def update_routes(self) -> bool:
        """Pass the health of each instance for each model to Envoy; return True if it is up to date."""
        names = [model.name for model in self._models]
        return self._gateway_folder.endpoints.write(
            routes(self.pool.running(), names, ready_workers(self._shared.ready))
        )

    def _route(self) -> None:
        """Update the routes until the service ends."""
        steps = {"endpoints": self.update_routes, "keys and certificate": self._gateway_folder.files.refresh}
        failing: set[str] = set()
        while not self._ended.wait(1.0 if failing else _POLL_S):
            for name, step in steps.items():
                try:
                    step()
                    failing.discard(name)
                except Exception:
                    if name not in failing:
                        logger.exception("the gateway's %s can't be updated; trying again", name)
                    failing.add(name)

    def drain(self) -> None:
        """Accept no more requests, and wait until all accepted ones are answered."""
        self._stopping = True
        gateway = self.gateway
        if gateway is None:
            logger.warning("the gateway does not run, so that no requests are in progress")
        elif not gateway.drain(DRAIN_S):
            logger.warning("some requests were not answered within %g s", DRAIN_S)

    def begin_reload(self) -> bool:
        """Serve the current contents of the bundles, in a thread; return False if an earlier reload is in progress."""
        if self._reloading is not None and self._reloading.is_alive():
            return False
        self._reloading = threading.Thread(target=self.reload, name="reload", daemon=True)
        self._reloading.start()
        return True

    def reload(self) -> bool:
        """Serve the current contents of the bundles; see `serving.reload`.

        Returns:
            True if new instances took over. Otherwise the old ones continue, and the log has the cause.
        """
        error = reload(self, self._archive)
        if self._console is not None:
            self._console.use(self._bundles(), error)
        return not error

    def update_limits(self, instances: Collection[Instance]) -> None:
        """Apply the admission limits of the instances that serve from now on, which a reload may change.

        Raises:
            OSError: if the limits can't be written.
            GatewayError: if the models' settings are invalid.
        """
        models = self._served(instances)
        if models != self._models or self._are_limits_uncertain:
            self._are_limits_uncertain = True  # until all files are written
            self._gateway_folder.files.change_limits(models)
            self._models, self._are_limits_uncertain = models, False

    def _served(self, instances: Collection[Instance]) -> list[ServedModel]:
        """Return the models of some instances, which have been started, with their admission limits."""
        return served_models(archives_of(instances), count_workers(instances), queue=self._runner.queue)

    def _watched(self) -> Watched:
        """Return the state that metrics and probes report."""
        if not self._up:
            return STARTING
        gateway, running = self.gateway, self.pool.running()
        hosts = self._gateway_hosts()
        numbers = {server.address: instance.number for instance, server in running.items()}
        own_metrics = functools.partial(
            instance_metrics, {instance.number: server.metrics for instance, server in running.items()}
        )
        kind = self._runner.process_kind
        processes = {kind: [server.process.pid for server in running.values()]}
        restarts = {kind: sum(instance.restarts for instance in self.pool.instances)}
        return Watched(
            processes | ({"gateway": [gateway.process.pid]} if gateway else {}) | self._console_processes(),
            [own_metrics, *([gateway.metrics] if gateway else []), *([self._console.metrics] if self._console else [])],
            {model.name: model.workers for model in self._models},
            alive=self._is_alive(hosts),
            routed={
                model: {numbers[socket] for socket, host in sockets.items() if host.is_healthy and socket in numbers}
                for model, sockets in (hosts or {}).items()
            },
            policy=self._ready,
            transition="stopping" if self._stopping else None,
            restarts=restarts
            | {"gateway": self._gateway.restarts}
            | ({"console": self._console.restarts} if self._console else {}),
        )

    def _console_processes(self) -> dict[str, list[int]]:
        running = self._console.current if self._console else None
        return {"console": [running.process.pid]} if running else {}

    def _is_alive(self, hosts: Mapping[str, Mapping[Path, Host]] | None) -> bool:
        """Return False if the gateway hangs, or if no instance answers and none is recovering."""
        if hosts is None:
            return self._gateway.is_recovering
        answers = any(host.answers for sockets in hosts.values() for host in sockets.values())
        return answers or any(instance.is_recovering for instance in self.pool.instances)

    def _gateway_hosts(self) -> Mapping[str, Mapping[Path, Host]] | None:
        """Return Envoy's state of the instances, at most a second old; None if it does not respond."""
        gateway = self.gateway
        if gateway is None:
            return None
        if self._hosts is None or self._hosts[0] is not gateway:
            self._hosts = gateway, Recent(gateway.probe)
        return self._hosts[1]()


def serve(
    config: GatewayConfig,
    archive: Callable[[], Sequence[Path]],
    runner: Runner,
    on_ready: Callable[[Service], None],
    *,
    request_log: Path | None = None,
    ready: ReadyPolicy = "any",
    console: Mapping[str, Any] | None = None,
) -> None:
    """Run a service until SIGINT (Ctrl-C) or SIGTERM. SIGHUP reloads the bundles.

    On the first signal the service accepts no more requests and answers the accepted ones. On a second one it stops
    at once. A part that ends unexpectedly is started again, while the others answer.

    Args:
        config: settings of the gateway.
        archive: makes the archives, one for each model; called at the start and at each reload.
        runner: starts the instances.
        on_ready: called once, when all workers are ready; the log has its error.
        request_log: as for `Service.running`.
        ready: as for `Watched`.
        console: as for `Service`.

    Raises:
        ServerError: if the service can't be started. See also the runner and `running_envoy`.
    """
    service = Service(config, archive, runner, ready=ready, console=console)
    with stop_on_signal(), reload_requests() as reload_requested, service.running(request_log):
        try:
            show_first_answers(lambda: on_ready(service))
            while True:
                wait_for(reload_requested.is_set)
                reload_requested.clear()  # first, so that a signal in between is not lost
                if not service.begin_reload():
                    reload_requested.set()
                time.sleep(_POLL_S)
        except KeyboardInterrupt:
            service.drain()
