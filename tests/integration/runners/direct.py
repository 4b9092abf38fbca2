"""Instances of a runner that answer without a gateway, and replace what ends."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import yaml

from handlers.readiness import ready_workers
from handlers.worker_paths import WorkerPaths
from serving.instances import InstancePool, archives_of
from serving.ports import Ports
from serving.process import private_folder
from tests.integration.runners.kinds import TORCHSERVE, RunnerKind


@dataclass(frozen=True)
class Direct:
    """Running instances.

    Attributes:
        runner: their runner.
        shared: paths that the workers write to.
        pools: one that serves all models under TorchServe, one for each model of the runner in Python.
    """

    runner: RunnerKind
    shared: WorkerPaths
    pools: Sequence[InstancePool]

    def port(self, path: str) -> int:
        """Return the port for requests to an address; unknown addresses have the first model's."""
        pools = {name: pool for pool in self.pools for name in archives_of(pool.instances)}
        pool = pools.get(path.partition("?")[0].rpartition("/")[2], self.pools[0])
        assert pool.port is not None
        return pool.port

    def workers(self, model: str = "sales") -> set[int]:
        """Return the PIDs of a model's ready workers."""
        return {worker.pid for worker in ready_workers(self.shared.ready) if worker.model == model}

    def processes(self) -> list[psutil.Process]:
        """Return the processes of all instances."""
        firsts = [
            psutil.Process(server.process.pid)
            for pool in self.pools
            for instance in pool.instances
            if (server := instance.current)
        ]
        return [process for first in firsts for process in (first, *first.children(recursive=True))]


@contextlib.contextmanager
def running_directly(
    runner: RunnerKind, archives: Sequence[Path], *, workers: int, environment: Mapping[str, str] = {}
) -> Iterator[Direct]:
    """Serve archives on ports, with some workers for each model, until the block ends."""
    groups = [archives] if runner is TORCHSERVE else [[archive] for archive in archives]
    with private_folder() as folder, contextlib.ExitStack() as stack:
        shared = WorkerPaths.create(folder / "shared")
        pools = [
            InstancePool(folder / str(index), shared, runner.make(workers, environment), Ports.any_free().inference)
            for index in range(len(groups))
        ]
        for pool, group in zip(pools, groups, strict=True):
            pool.folder.mkdir()
            stack.callback(pool.close)
            for instance in pool.start(pool.runner.archives_by_instance(pool.copy(group))):
                instance.role = "serving"
        yield Direct(runner, shared, pools)


def admit_all(archive: Path) -> None:
    """Let workers admit any number of requests to an archive's model."""
    file = archive / "model-config.yaml"
    settings = yaml.safe_load(file.read_text()) | {"max_concurrent": 1000, "admission_limits": {}}
    file.write_text(yaml.safe_dump(settings))
