"""Interface of a runner: a service starts instances through it, which load bundles and answer requests."""

import logging
import subprocess
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from handlers.worker_paths import WorkerPaths
from runtime.errors import UserError
from serving.local_http import Address
from serving.output import ProcessOutput

logger = logging.getLogger(__name__)

# Environment variables of workers, unless they are set: there is a worker for each core.
WORKER_DEFAULTS = {
    **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"),
    "PYTHONFAULTHANDLER": "1",  # a worker that crashes in native code writes its stack first
}


class Server(Protocol):
    """A running instance of a runner, whose workers are all ready."""

    @property
    def address(self) -> Address:
        """Return the address for requests: a Unix socket, or a loopback port."""
        ...

    @property
    def models(self) -> Mapping[str, Path]:
        """Return the archives of its models, by the name in ``/predictions/NAME``."""
        ...

    @property
    def request_log(self) -> Path:
        """Return the file with a line of JSON for each request."""
        ...

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """Return its first process; the instance ends with it."""
        ...

    @property
    def output(self) -> ProcessOutput:
        """Return the output of its first process."""
        ...

    def workers(self, model: str) -> int:
        """Return the number of a model's workers."""
        ...

    def ask(self, model: str, body: bytes, content_type: str) -> bytes:
        """Send a request to a model, without the gateway, and return the body of its answer.

        Raises:
            OSError: if the status is not 200.
        """
        ...

    def metrics(self) -> bytes:
        """Return its own metrics, beside those of its workers, in Prometheus's text format.

        Raises:
            OSError: if it does not respond.
        """
        ...

    def answers(self) -> bool:
        """Return True if it responds."""
        ...


class Runner(Protocol):
    """Starts the instances of a service."""

    @property
    def title(self) -> str:
        """Return the name of one of its instances, without the number, for log lines."""
        ...

    @property
    def process_kind(self) -> str:
        """Return the kind of an instance's first process in metrics: ``frontend`` or ``worker``."""
        ...

    @property
    def queue(self) -> int | None:
        """Return the number of requests of a model that may wait for its workers; None for any number."""
        ...

    def archives_by_instance(self, archives: Sequence[Path]) -> list[Sequence[Path]]:
        """Return the archives of each instance that a service of these models consists of."""
        ...

    def running(
        self,
        archives: Collection[Path],
        *,
        number: int,
        shared: WorkerPaths,
        port: int | None = None,
        cancelled: threading.Event | None = None,
    ) -> AbstractContextManager[Server]:
        """Run an instance until the block ends; it begins when all workers are ready.

        Args:
            archives: one archive for each model, which nobody changes.
            number: number of the instance; no other running instance of the service has it.
            shared: paths that the workers write to.
            port: port for requests without a gateway; by default a Unix socket.
            cancelled: set to end a start that is in progress.

        Raises:
            ServerError: if it can't be started; the message has the cause.
        """
        ...


def show_first_answers(show: Callable[[], None]) -> None:
    """Call a function that shows a service's first answers; its error is logged, because the service runs."""
    try:
        show()
    except Exception as error:
        unforeseen = not isinstance(error, (UserError, OSError))
        logger.warning("the service runs; its first answers can't be shown: %s", error, exc_info=unforeseen)
