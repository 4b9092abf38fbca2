"""Ray: processes of the machines of a Ray cluster, or of this machine."""

import itertools
import os
import socket
from collections.abc import Generator, Sequence
from importlib import import_module
from typing import Any, Final

from bulk.job import Done, Part, Task
from bulk.runners.processes import LOSSES
from bulk.runners.runner import EngineError, LostWorkerError
from bulk.work import Step, run_part
from runtime.errors import InstallationError

# Parts that Ray has at a time. why: an autoscaler adds machines for what waits, but ray.wait slows with the number.
_WAITING: Final = 1000


class Ray:
    """Tasks of Ray, of one core each. Ray gives a part to another process if its process or machine is lost.

    The process keeps the bundle for the next task. Actors would do so too, but a part of a lost actor waits until the
    actor is back, which is never if its machine does not come back.

    Args:
        count: most parts that are computed at once; None for as many as the cluster has cores.
    """

    def __init__(self, count: int | None = None) -> None:
        self._count, self._ray = count, _connect()

    @property
    def name(self) -> str:
        """Return the number of the cluster's cores."""
        return f"Ray with {self._ray.cluster_resources().get('CPU', 0):.0f} cores"

    def run(self, task: Task, step: Step, parts: Sequence[Part]) -> Generator[Done]:
        """Run a step with all parts; see `Runner.run`."""
        # run_part goes by its name: the workers' own shopcat runs it.
        remote = self._ray.remote(num_cpus=1, max_retries=LOSSES - 1)(run_part)
        waiting, running = iter(parts), dict[Any, Part]()
        try:
            while True:
                for part in itertools.islice(waiting, (self._count or _WAITING) - len(running)):
                    running[remote.remote(task, step, part)] = part
                if not running:
                    return
                (reference,), _ = self._ray.wait([*running])
                yield self._result(reference, running.pop(reference))
        finally:
            for reference in running:
                self._ray.cancel(reference, force=True)

    def _result(self, reference: Any, part: Part) -> Done:
        """Return the result of a part.

        Raises:
            LostWorkerError: if each of its processes was lost.
        """
        exceptions = self._ray.exceptions
        try:
            done: Done = self._ray.get(reference)
        except exceptions.RayTaskError as error:  # of the part; Ray's has the traceback as its text
            raise error.cause from error
        except exceptions.RayError as error:
            raise LostWorkerError(f"Ray lost part {part.number} {LOSSES} times, the last time by: {error}") from error
        return done


def _connect() -> Any:
    """Return the package, connected to the cluster of RAY_ADDRESS or of this machine, or else to a new local one.

    Raises:
        InstallationError: if Ray is not installed.
        EngineError: if the cluster does not answer.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray would tell its makers of each cluster
    try:
        ray: Any = import_module("ray")
    except ImportError:
        raise InstallationError(
            "--runner ray needs Ray, which is not installed; run `pip install 'shopcat[ray]'`"
        ) from None
    if not ray.is_initialized():
        address = os.environ.get("RAY_ADDRESS", "")
        try:
            _reach(address)
            ray.init(log_to_driver=False, logging_level="warning", configure_logging=False)
        except (OSError, RuntimeError, ValueError) as error:
            place = address or "this machine"
            raise EngineError(f"Ray at {place} does not answer: {error}; correct RAY_ADDRESS, or unset it") from None
    return ray


def _reach(address: str) -> None:
    """Connect to an address of a host and a port, because Ray itself needs minutes to give up.

    Raises:
        OSError: if nothing answers there.
    """
    host, separator, port = address.rpartition("://")[2].rpartition(":")
    if separator:
        socket.create_connection((host.strip("[]"), int(port)), timeout=30).close()
