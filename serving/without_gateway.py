"""A service without a gateway, whose instances listen on the port themselves: without reload, keys, TLS and routing.

Under TorchServe it is for development: nothing limits the requests. Workers in Python limit and reject requests
themselves, and answer what they have accepted when they are stopped.
"""

import contextlib
import functools
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from handlers.worker_paths import WorkerPaths
from serving.instances import InstancePool, archives_of, count_workers
from serving.monitoring.exporter import Exporter, exporting, instance_metrics
from serving.monitoring.recent import Recent
from serving.monitoring.watched import STARTING, ReadyPolicy, Watched
from serving.ports import HOST, Ports
from serving.process import private_folder
from serving.reload import DRAIN_S
from serving.runner import Runner, Server
from serving.signals import reload_requests, stop_on_signal, wait_for

logger = logging.getLogger(__name__)


@contextlib.contextmanager
def serving_without_gateway(
    archive: Callable[[], Sequence[Path]],
    runner: Runner,
    ports: Ports,
    *,
    request_log: Path | None = None,
    ready: ReadyPolicy = "any",
    metrics_host: str = HOST,
) -> Iterator[Server]:
    """Run the instances of a runner on one port until the block ends.

    An instance that ends unexpectedly is started again. If a signal ends the block, the instances answer what they have
    accepted; a second signal ends the wait.

    Args:
        archive: makes the archives, one for each model.
        runner: starts the instances, all of which answer requests to every model.
        ports: ports of the instances and of the exporter.
        request_log: as for `Service.running`.
        ready: as for `Watched`.
        metrics_host: IP address that the exporter is bound to.

    Yields:
        An instance, when all workers are ready.

    Raises:
        ServerError: if an instance can't be started. See also the runner.
    """
    with private_folder() as folder:
        shared = WorkerPaths.create(folder / "shared", request_log)
        pool = InstancePool(folder, shared, runner, ports.inference)
        workers: dict[str, int] = {}
        stopping = threading.Event()
        answers = Recent(lambda: {instance for instance, server in pool.running().items() if server.answers()})

        def watched() -> Watched:
            if not workers:
                return STARTING
            running, alive = pool.running(), answers()
            texts = {instance.number: server.metrics for instance, server in running.items()}
            return Watched(
                {runner.process_kind: [server.process.pid for server in running.values()]},
                [functools.partial(instance_metrics, texts)],
                workers,
                alive=bool(alive) or any(instance.is_recovering for instance in pool.instances),
                routed={
                    model: {instance.number for instance in alive if model in archives_of([instance])}
                    for model in workers
                },
                policy=ready,
                transition="stopping" if stopping.is_set() else None,
                restarts={runner.process_kind: sum(instance.restarts for instance in pool.instances)},
            )

        with exporting(Exporter(shared, watched), ports.metrics, metrics_host):
            try:
                started = pool.start(runner.archives_by_instance(pool.copy(archive())))
                for instance in started:
                    instance.role = "serving"
                workers |= count_workers(started)
                yield started[0].wait_until_started()
            except KeyboardInterrupt:
                stopping.set()
                pool.drain(DRAIN_S)
                raise
            finally:
                pool.close()


def serve_without_gateway(
    archive: Callable[[], Sequence[Path]],
    runner: Runner,
    on_ready: Callable[[Server], None],
    *,
    ports: Ports | None = None,
    request_log: Path | None = None,
    ready: ReadyPolicy = "any",
    metrics_host: str = HOST,
) -> None:
    """Run a service without a gateway until SIGINT (Ctrl-C) or SIGTERM; see `serving_without_gateway`.

    SIGHUP has no effect: without a gateway, new instances can't take over without a pause.

    Args:
        archive: as for `serving_without_gateway`.
        runner: as for `serving_without_gateway`.
        on_ready: called once with an instance, when all workers are ready.
        ports: as for `serving_without_gateway`.
        request_log: as for `serving_without_gateway`.
        ready: as for `serving_without_gateway`.
        metrics_host: as for `serving_without_gateway`.

    Raises:
        ServerError: if an instance can't be started. See also the runner.
    """
    service = serving_without_gateway(
        archive, runner, ports or Ports(), request_log=request_log, ready=ready, metrics_host=metrics_host
    )
    with stop_on_signal(), reload_requests() as reload_requested, service as server:
        on_ready(server)
        while True:
            wait_for(reload_requested.is_set)
            reload_requested.clear()
            logger.warning("SIGHUP has no effect without the gateway; restart the service for other bundles")
