"""A single TorchServe instance without a gateway, for development: without supervision, admission limits or reload."""

import functools
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from handlers.worker_paths import WorkerPaths
from serving.monitoring.exporter import Exporter, exporting, torchserve_metrics
from serving.monitoring.recent import Recent
from serving.monitoring.watched import STARTING, ReadyPolicy, Watched
from serving.ports import Ports
from serving.process import private_folder
from serving.signals import reload_requests, stop_on_signal
from serving.torchserve.server import Server, running_server

logger = logging.getLogger(__name__)

_POLL_S = 0.1


def serve_without_gateway(
    archive: Callable[[], Sequence[Path]],
    on_ready: Callable[[Server], None],
    *,
    ports: Ports | None = None,
    workers: int = 0,
    cpu: bool = False,
    request_log: Path | None = None,
    environment: Mapping[str, str] = {},
    ready: ReadyPolicy = "any",
) -> None:
    """Run one TorchServe instance, without a gateway, until SIGINT (Ctrl-C) or SIGTERM, which stop it at once.

    SIGHUP has no effect: without a gateway, a new instance can't take over without a pause.

    Args:
        archive: makes the archives, one for each model.
        on_ready: called once with the instance, when all workers are ready.
        ports: ports of TorchServe and of the exporter.
        workers: as for `running_server`.
        cpu: as for `running_server`.
        request_log: as for `Service.running`.
        environment: as for `running_server`.
        ready: as for `Watched`.

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
        alive = answers()
        routed = {model: {server.instance} for model in models} if alive else {}
        return Watched(
            {"frontend": [server.process.pid]}, [torchserve], models, alive=alive, routed=routed, policy=ready
        )

    with stop_on_signal(), reload_requests() as reload_requested, private_folder() as folder:
        shared = WorkerPaths.create(folder / "shared", request_log)
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
