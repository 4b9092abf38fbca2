"""TorchServe as the runner of a service: each instance has a front end, and workers of all models."""

import threading
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from handlers.worker_paths import WorkerPaths
from handlers.worker_settings import INSTANCE
from serving.torchserve.server import Server, running_server

QUEUE = 1000  # requests of a model; equals job_queue_size of config.properties


@dataclass(frozen=True)
class TorchServeRunner:
    """Starts TorchServe instances.

    Attributes:
        count: number of instances.
        workers: number of workers of each model in each instance; 0 for one per GPU, or per CPU core without a GPU.
        cpu: compute on the CPU even if there is a GPU.
        environment: more environment variables for the workers; see `handlers.worker_settings`.
        title: as for `serving.runner.Runner`.
        process_kind: as for `serving.runner.Runner`.
        queue: as for `serving.runner.Runner`.
    """

    count: int = 1
    workers: int = 0
    cpu: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    title: str = "TorchServe instance"
    process_kind: str = "frontend"
    queue: int | None = QUEUE

    def archives_by_instance(self, archives: Sequence[Path]) -> list[Sequence[Path]]:
        """Return the archives of each instance: all models, as often as there are instances."""
        return [archives] * self.count

    def running(
        self,
        archives: Collection[Path],
        *,
        number: int,
        shared: WorkerPaths,
        port: int | None = None,
        cancelled: threading.Event | None = None,
    ) -> AbstractContextManager[Server]:
        """Run an instance until the block ends; see `serving.runner.Runner` and `running_server`."""
        return running_server(
            archives,
            port=port,
            workers=self.workers,
            cpu=self.cpu,
            shared=shared,
            instance=number,
            environment={**self.environment, INSTANCE: str(number)},
            link=True,
            cancelled=cancelled,
        )
