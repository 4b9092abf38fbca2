"""The whole service: TorchServes, as many as asked, behind one front door, started, watched, renewed and stopped.

What happens to a request on the way: it is let in by Envoy or refused at once; what is let in is answered, also if its
worker or its TorchServe dies meanwhile, if the service is told to stop, or if the bundles are exchanged for newer ones.
"""

import contextlib
import functools
import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, NonNegativeInt, PositiveFloat, PositiveInt, ValidationError

from handlers.worker_paths import Shared
from runtime.errors import UserError
from serving.gateway.config import Door, DoorError, Lane, Model
from serving.gateway.envoy import Edge, running_edge
from serving.monitoring.exporter import Exporter, exporting, torchserves_metrics
from serving.monitoring.watched import STARTING, Watched
from serving.ports import Ports, hold_port
from serving.process import ServerError, private_folder, tail
from serving.signals import asked_to_reload, asked_to_stop, postponed
from serving.torchserve.server import Server, running_server

logger = logging.getLogger(__name__)

DRAIN_S = 70.0  # that what was let in has to be answered when a TorchServe or all is stopped: more than any timeout

BATCHES, AT_LEAST = 2, 4  # let in for each worker, where its settings don't say how many: batches, requests
QUEUE = 1000  # requests; job_queue_size of config.properties

_POLL_S = 0.1
_RETRY_S = (1.0, 60.0)  # the first and the longest wait before a TorchServe that could not be started is tried again


class Service:
    """TorchServes behind a front door.

    Attributes:
        servers: those that requests are sent to; another list after each change.
        edge: the front door.
    """

    def __init__(
        self, door: Door, archive: Callable[[], Sequence[Path]], *, instances: int, workers: int, cpu: bool = False
    ) -> None:
        self.door = door
        self.servers: list[Server] = []
        self.edge: Edge
        self._archive = archive
        self._instances = instances
        self._workers, self._cpu = workers, cpu
        self._log: Path | None = None
        self._shared: Shared
        self._up = self._stopping = False
        self._models: list[Model] = []
        self._running: dict[int, contextlib.ExitStack] = {}  # by the process
        self._started = 0  # TorchServes, since the beginning
        self._wait_s, self._not_before = _RETRY_S[0], 0.0
        # Once a second at most, however many ask: they need no key, and it takes Envoy's time.
        self._answers = functools.lru_cache(maxsize=1)(lambda _second: self.edge.answers())

    @contextlib.contextmanager
    def running(self, log: Path | None = None, audit_log: Path | None = None) -> Iterator["Service"]:
        """Run it for as long as the block lasts; then nothing of it is left, and nothing is waited for.

        Args:
            log: a file to append the first TorchServe's log to. Those of other TorchServes and Envoy's stand beside it.
            audit_log: a file to append a line of JSON for each request to; a temporary one if left out.

        Raises:
            PortError: if a port can't be had; then nothing was started, nor archived.
        """
        self._log = log
        with private_folder() as folder, hold_port(self.door.port, self.door.host, "--port"):
            self._shared = Shared.make(folder / "shared", audit_log)
            try:
                with exporting(Exporter(self._shared, self._watched), self.door.probes, self.door.probes_host):
                    self.servers = self._start(self._archive(), range(self._instances))
                    self._models = limits(self.servers[0], self._instances)
                    beside = log and log.with_name(f"{log.name}.envoy")
                    with running_edge(self.door, self._models, _sockets(self.servers), log=beside) as self.edge:
                        self._up = True
                        yield self
            finally:
                _close(self._running.values())

    def drain(self) -> None:
        """Take no more requests and wait until those that were taken are answered."""
        self._stopping = True
        if not self.edge.drain(DRAIN_S):
            logger.warning("not all was answered after %g s", DRAIN_S)

    def _watched(self) -> Watched:
        """For `/metrics` and the probes."""
        if not self._up:
            return STARTING
        servers = self.servers
        own = functools.partial(torchserves_metrics, {server.place: server.metrics for server in servers})
        return Watched(
            {"frontend": [server.process.pid for server in servers], "edge": [self.edge.process.pid]},
            [own, self.edge.metrics],
            {model.name: model.workers for model in self._models},
            alive=self._answers(int(time.monotonic())),
            passing="stopping" if self._stopping else None,
        )

    def look_after(self) -> None:
        """Replace TorchServes that ended by themselves.

        Raises:
            ServerError: if Envoy did, or all TorchServes, so that nobody is left who answers.
        """
        if (code := self.edge.process.poll()) is not None:
            raise ServerError(f"Envoy ended by itself, with the exit status {code}\n{tail(self.edge.log)}")
        living = [server for server in self.servers if server.process.poll() is None]
        if not living:
            self.servers[0].wait()
        dead = [server for server in self.servers if server not in living]
        if dead:
            logger.warning("a TorchServe ended by itself and is replaced; the others answer meanwhile")
            self.servers = living
            self.edge.route_to(_sockets(living))
            self._stop(dead)
        missing = set(range(self._instances)) - {server.place for server in living}
        if not missing or time.monotonic() < self._not_before:
            return
        try:
            self.servers = living + self._start(living[0].models.values(), missing)
        except (UserError, OSError) as error:
            self._not_before = time.monotonic() + self._wait_s
            logger.error("a TorchServe can't be replaced, which is tried again in %g s: %s", self._wait_s, error)
            self._wait_s = min(2 * self._wait_s, _RETRY_S[1])
            return
        self._wait_s = _RETRY_S[0]
        self.edge.route_to(_sockets(self.servers))

    def reload(self) -> bool:
        """Serve what the bundles are now: new TorchServes take over from the old ones when they are ready.

        Returns:
            Whether they did. If a bundle can't be loaded, the old ones go on, and the log says why.
        """
        old = self.servers
        try:
            new = self._start(self._archive(), range(self._instances))
        except (UserError, OSError) as error:
            logger.error("not reloaded, and what was served is served on: %s", error)
            return False
        if new[0].models.keys() != old[0].models.keys():
            logger.error("not reloaded: the bundles have other names than before; start it again for these")
            self._stop(new)
            return False
        self.edge.route_to(_sockets([*old, *new]))  # both, until Envoy has seen that the new ones answer
        self.servers = new
        self.edge.route_to(_sockets(new), draining=_sockets(old))
        if not self.edge.wait_until_idle(_sockets(old), DRAIN_S):
            logger.warning("the TorchServes before had not answered all after %g s and are stopped", DRAIN_S)
        self.edge.route_to(_sockets(new))
        self._stop(old)
        logger.info("reloaded")
        return True

    def _start(self, archives: Iterable[Path], places: Iterable[int]) -> list[Server]:
        """Start a TorchServe for each place; all of them or none."""
        archives, servers = list(archives), []
        try:
            for place in places:
                log = self._log
                if log and self._started:
                    log = log.with_name(f"{log.name}.{self._started + 1}")
                self._started += 1
                stack = contextlib.ExitStack()
                running = running_server(
                    archives, workers=self._workers, cpu=self._cpu, log=log, shared=self._shared, place=place
                )
                server = stack.enter_context(running)
                self._running[server.process.pid] = stack
                servers.append(server)
        except BaseException:
            self._stop(servers)
            raise
        return servers

    def _stop(self, servers: Iterable[Server]) -> None:
        _close([self._running.pop(server.process.pid) for server in servers])


def _close(stacks: Collection[contextlib.ExitStack]) -> None:
    """Stop what they hold, all at once, since each may take its time."""
    with postponed(), ThreadPoolExecutor(max(len(stacks), 1)) as pool:
        list(pool.map(contextlib.ExitStack.close, stacks))


def _sockets(servers: Iterable[Server]) -> list[Path]:
    """Where TorchServes that were started without a port listen."""
    return [server.address for server in servers if isinstance(server.address, Path)]


class _LaneSettings(BaseModel, extra="forbid"):
    least: PositiveInt
    most: PositiveInt
    latency_ms: PositiveFloat
    over: NonNegativeInt = 0


class _Settings(BaseModel):
    """What is TorchServe's and the front door's in a model's settings; the rest is TorchServe's alone."""

    batchSize: PositiveInt  # noqa: N815 - TorchServe's name
    responseTimeout: PositiveInt  # noqa: N815
    room: PositiveInt | None = None
    lanes: dict[Literal["predictions", "explanations"], _LaneSettings] = {}


def limits(server: Server, instances: int) -> list[Model]:
    """How much of each model is let in, by its settings and how many workers there are.

    A worker has one batch in hand and one that waits for it, so that it is never idle; what is beyond would wait longer
    than a client should, and is refused. A model that takes one request at a time has room for a small burst. A model's
    settings may have ``room``, another number, and ``lanes``: how much of that is for requests that cost much.

    Raises:
        DoorError: if the settings are not right; it names their file.
    """
    models = []
    for name, archive in server.models.items():
        file = archive / "model-config.yaml"
        try:
            settings = _Settings.model_validate(yaml.safe_load(file.read_text(encoding="utf-8")))
        except ValidationError as error:
            raise DoorError(f"the settings in {file} are not right: {error}") from error
        workers = server.workers(name) * instances
        each = settings.room or max(BATCHES * settings.batchSize, AT_LEAST)
        most = min(each * workers, QUEUE)
        lanes = []
        for path, lane in settings.lanes.items():
            lane_most = min(lane.most * workers, most)
            least = min(lane.least * workers, lane_most)
            lanes.append(Lane(path, least=least, most=lane_most, latency_ms=lane.latency_ms, over=lane.over))
        models.append(Model(name, workers, most, settings.responseTimeout + 5, lanes))
    return models


def serve(
    door: Door,
    archive: Callable[[], Sequence[Path]],
    on_ready: Callable[[Service], None],
    *,
    instances: int = 1,
    workers: int = 0,
    cpu: bool = False,
    log: Path | None = None,
    audit_log: Path | None = None,
) -> None:
    """Run a service until SIGINT (Ctrl-C) or SIGTERM; SIGHUP lets it serve what the bundles are then.

    Told to stop, it takes no more, answers what it has taken, and returns; told again, it does not wait.

    Args:
        door: where, and for whom.
        archive: makes the archives, of a model each; asked again at each SIGHUP.
        on_ready: called once when it is ready.
        instances: TorchServes behind the door.
        workers: as for `running_server`, in each TorchServe.
        cpu: as for `running_server`.
        log: as for `Service.running`.
        audit_log: as for `Service.running`.

    Raises:
        ServerError: if it can't be started, or a part of it ends by itself and can't be replaced; see `running_server`
            and `running_edge` for others.
    """
    service = Service(door, archive, instances=instances, workers=workers, cpu=cpu)
    with asked_to_stop(), asked_to_reload() as asked, service.running(log, audit_log):
        on_ready(service)
        try:
            while True:
                service.look_after()
                if asked.is_set():
                    asked.clear()
                    service.reload()
                asked.wait(_POLL_S)
        except KeyboardInterrupt:
            service.drain()


def serve_bare(
    archive: Callable[[], Sequence[Path]],
    on_ready: Callable[[Server], None],
    *,
    ports: Ports | None = None,
    workers: int = 0,
    cpu: bool = False,
    log: Path | None = None,
    audit_log: Path | None = None,
) -> None:
    """Run one TorchServe, without a front door, until SIGINT (Ctrl-C) or SIGTERM. It stops at once.

    SIGHUP changes nothing: without a front door nobody could take over from it unnoticed.

    Args:
        archive: makes the archives, of a model each.
        on_ready: called once with the server when it is ready.
        ports: where it and the exporter listen.
        workers: as for `running_server`.
        cpu: as for `running_server`.
        log: as for `running_server`.
        audit_log: as for `Service.running`.

    Raises:
        ServerError: if it can't be started, or ends by itself; see `running_server` for others.
    """
    ports = ports or Ports()
    running: list[tuple[Server, dict[str, int]]] = []

    def watched() -> Watched:
        if not running:
            return STARTING
        ((server, models),) = running
        own = functools.partial(torchserves_metrics, {server.place: server.metrics})
        return Watched({"frontend": [server.process.pid]}, [own], models, alive=server.answers())

    with asked_to_stop(), asked_to_reload() as asked, private_folder() as folder:
        shared = Shared.make(folder / "shared", audit_log)
        with (
            exporting(Exporter(shared, watched), ports.metrics),
            running_server(archive(), port=ports.inference, workers=workers, cpu=cpu, log=log, shared=shared) as server,
        ):
            running.append((server, {name: server.workers(name) for name in server.models}))
            on_ready(server)
            while server.process.poll() is None:
                if asked.wait(_POLL_S):
                    asked.clear()
                    logger.warning("SIGHUP changes nothing without the front door; start it again for other bundles")
            server.wait()
