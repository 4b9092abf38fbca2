"""Instances of a service's runner: started side by side, supervised one by one, and routed by their ready workers."""

import contextlib
import itertools
import shutil
import threading
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Literal

from handlers.readiness import ReadyWorker
from handlers.worker_paths import WorkerPaths
from runtime.cores import n_cores
from runtime.memory import memory_of
from serving.archives.archive import copy_archives
from serving.gateway.endpoints import Health
from serving.process import ServerError
from serving.runner import Runner, Server
from serving.supervised import Supervised, stop_all

_STARTS = max(4, n_cores())  # more at a time would only slow each other down
_POLL_S = 0.1

# "starting" instances receive no requests yet, "draining" ones only finish theirs.
Role = Literal["starting", "serving", "draining"]


class Instance(Supervised[Server]):
    """An instance that is started again whenever it ends.

    Attributes:
        number: number of the instance; no other instance of the service has it at the same time.
        archives: one archive for each model.
        role: stage of its life.
        footprint: memory of its processes in bytes, when it was ready; memory that processes share is not included.
        workers: number of workers of each model, when it was ready.
    """

    def __init__(self, number: int, archives: Collection[Path], pool: "InstancePool") -> None:
        """Prepare an instance of a pool; `begin` starts it.

        Args:
            number: number of the instance.
            archives: one archive for each model, which nobody changes.
            pool: the pool, with the settings of all instances.
        """
        self.workers: Mapping[str, int] = {}

        @contextlib.contextmanager
        def start(cancelled: threading.Event) -> Iterator[Server]:
            server = pool.runner.running(
                archives, number=number, shared=pool.shared, port=pool.port, cancelled=cancelled
            )
            with contextlib.ExitStack() as stack:
                while not pool.starts.acquire(timeout=_POLL_S):
                    if cancelled.is_set():
                        raise ServerError(f"{self.name} was stopped before it was started")
                try:
                    running = stack.enter_context(server)
                    self.footprint = memory_of(running.process.pid)
                    self.workers = {name: running.workers(name) for name in running.models}
                finally:
                    pool.starts.release()
                yield running

        super().__init__(f"{pool.runner.title} {number}", start)
        self.number, self.archives = number, archives
        self.role: Role = "starting"
        self.footprint = 0


class InstancePool:
    """All instances of a service.

    Attributes:
        instances: the instances; a change replaces the tuple.
        folder: private folder for copies of the archives.
        starts: limits the starts at a time.
        is_closed: True once all instances are being stopped.
        shared: paths that the workers write to.
        runner: starts the instances.
        port: port of all instances without a gateway; None for a Unix socket each.
    """

    def __init__(self, folder: Path, shared: WorkerPaths, runner: Runner, port: int | None = None) -> None:
        """Prepare a pool without instances.

        Args:
            folder: private folder for copies of the archives.
            shared: paths that the workers write to.
            runner: starts the instances.
            port: port of all instances without a gateway; None for a Unix socket each.
        """
        self.instances: tuple[Instance, ...] = ()
        self.is_closed = False
        self.shared, self.runner, self.port = shared, runner, port
        self.folder, self._versions = folder, itertools.count(1)
        self.starts = threading.BoundedSemaphore(_STARTS)
        self._changing = threading.Lock()

    def copy(self, archives: Iterable[Path]) -> list[Path]:
        """Copy archives once for all instances that will serve them.

        Raises:
            ArchiveError: if one is not an archive or can't be copied.
        """
        folder = self.folder / f"archives-{next(self._versions)}"
        try:
            return list(copy_archives(archives, folder).values())
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def start(self, served: Collection[Collection[Path]]) -> list[Instance]:
        """Start instances side by side; all of them or none.

        Args:
            served: archives of each instance, from `copy`.

        Returns:
            The instances, which receive no requests yet.

        Raises:
            Exception: the error of the first instance that can't be started.
        """
        with self._changing:
            if self.is_closed:
                raise ServerError("the service is being stopped")
            used = {instance.number for instance in self.instances}
            free = (number for number in itertools.count() if number not in used)
            started = [Instance(number, archives, self) for archives, number in zip(served, free, strict=False)]
            self.instances += tuple(started)
        try:
            for instance in started:
                instance.begin()
            for instance in started:
                instance.wait_until_started()
        except BaseException:
            self.stop(started)
            raise
        return started

    def drain(self, seconds: float) -> None:
        """Let all instances answer what they have accepted and end, for some seconds."""
        for instance in self.instances:
            instance.retire()
            if (server := instance.current) is not None:
                server.output.stopping = True  # its end is not unexpected
                server.process.terminate()
            else:
                instance.stop()
        until = time.monotonic() + seconds
        while any(instance.current for instance in self.instances) and time.monotonic() < until:
            time.sleep(_POLL_S)

    def close(self) -> None:
        """Start no more instances, and stop all at the same time."""
        with self._changing:
            self.is_closed = True
        self.stop(self.instances)

    def stop(self, instances: Collection[Instance]) -> None:
        """Stop some of the instances at the same time."""
        stop_all(instances)
        with self._changing:
            self.instances = tuple(instance for instance in self.instances if instance not in instances)
        self.remove_unused()

    def remove_unused(self) -> None:
        """Remove the copies of archives that no instance serves."""
        used = {archive.parent for instance in self.instances for archive in instance.archives}
        for folder in set(self.folder.glob("archives-*")) - used:
            shutil.rmtree(folder, ignore_errors=True)

    def running(self) -> dict[Instance, Server]:
        """Return the instances that are up, with their servers."""
        return {
            instance: server
            for instance in self.instances
            if instance.role != "starting" and (server := instance.current) is not None
        }


def routes(
    running: Mapping[Instance, Server], models: Iterable[str], ready: Iterable[ReadyWorker]
) -> dict[str, dict[Path, Health]]:
    """Return the health of each instance for each model: only one with a ready worker of the model gets its requests.

    Args:
        running: the instances that are up, with their servers.
        models: names of the models.
        ready: the ready workers of all instances.
    """
    able = {(worker.model, worker.instance) for worker in ready}

    def health(model: str, instance: Instance) -> Health:
        if instance.role == "draining":
            return "DRAINING"
        return "HEALTHY" if (model, instance.number) in able else "UNHEALTHY"

    return {
        model: {
            server.address: health(model, instance)
            for instance, server in running.items()
            if isinstance(server.address, Path) and model in server.models
        }
        for model in models
    }


def archives_of(instances: Collection[Instance]) -> dict[str, Path]:
    """Return an archive of each model that some instances serve, by name."""
    return {archive.stem: archive for instance in instances for archive in instance.archives}


def count_workers(instances: Collection[Instance]) -> dict[str, int]:
    """Return the number of workers of each model, in instances that have been started."""
    return {name: sum(instance.workers.get(name, 0) for instance in instances) for name in archives_of(instances)}
