"""Workers in Python as the runner of a service: each instance is one process with one model."""

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from handlers.gpus import VISIBLE, gpu_environment, listed_gpus
from handlers.python.settings import Limit, Limits, Settings
from handlers.readiness import ready_workers
from handlers.worker_paths import WorkerPaths
from handlers.worker_settings import BEHIND_GATEWAY, INSTANCE
from runtime.cores import n_cores
from runtime.device import count_gpus
from serving.admission import model_settings
from serving.local_http import Address, ask
from serving.output import ProcessOutput
from serving.ports import HOST
from serving.process import ServerError, private_folder, running_process
from serving.python.output import WorkerOutput
from serving.python.watchdog import watchdog
from serving.runner import WORKER_DEFAULTS

_POLL_S = 0.02
_START_S = 120.0
_ANSWER_S = 60.0  # a model's time for the answer that `shopcat serve` prints at the start
_UNEVEN = 2  # the kernel spreads connections to a shared port at random, so that some workers get more than their share
_HANG_S = 2.0  # a worker that hangs longer than a batch may take is killed, before the gateway gives up its requests


@dataclass(frozen=True)
class PythonServer:
    """A worker that is ready.

    Attributes:
        address: its Unix socket, or the port that it shares with other workers of its model.
        models: its archive, by the model's name.
        request_log: file with a line of JSON for each request.
        process: the process.
        output: its output.
        host: IP address of the port.
    """

    address: Address
    models: Mapping[str, Path]
    request_log: Path
    process: subprocess.Popen[bytes]
    output: ProcessOutput
    host: str = HOST

    def workers(self, model: str) -> int:
        """Return the number of a model's workers here."""
        return int(model in self.models)

    def ask(self, model: str, body: bytes, content_type: str) -> bytes:
        """Send a request to the model; see `serving.runner.Server`."""
        target, kind = f"/predictions/{model}", content_type
        address, host = self.address, self.host
        return ask(address, target, method="POST", body=body, content_type=kind, timeout=_ANSWER_S, host=host)

    def metrics(self) -> bytes:
        """Return nothing: a worker's metrics are in the files that all workers share."""
        return b""

    def answers(self) -> bool:
        """Return True if the worker runs. It answers no ping while it computes, and its alarm limits that time."""
        return self.process.poll() is None


@dataclass(frozen=True)
class PythonRunner:
    """Starts worker processes.

    Attributes:
        workers: number of workers of each model; 0 for the number in its settings, or one per GPU, or per CPU core
            without a GPU.
        cpu: compute on the CPU even if there is a GPU.
        environment: more environment variables for the workers; see `handlers.worker_settings`.
        host: IP address to listen on, without a gateway.
        idle_at_stop: seconds that a stop waits for requests on open connections, without a gateway.
        title: as for `serving.runner.Runner`.
        process_kind: as for `serving.runner.Runner`.
        queue: as for `serving.runner.Runner`. Requests wait in the gateway or the kernel.
    """

    workers: int = 0
    cpu: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    host: str = HOST
    idle_at_stop: float = 10.0
    title: str = "worker"
    process_kind: str = "worker"
    queue: int | None = None
    _used: Counter[int] = field(default_factory=Counter, init=False, repr=False, compare=False)
    _choosing: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False, compare=False)

    def archives_by_instance(self, archives: Sequence[Path]) -> list[Sequence[Path]]:
        """Return the archive of each worker; see `serving.runner.Runner`."""
        default = len(self._gpus()) or n_cores()
        return [
            [archive]
            for archive in archives
            for _ in range(self.workers or model_settings(archive).minWorkers or default)
        ]

    @contextlib.contextmanager
    def running(
        self,
        archives: Collection[Path],
        *,
        number: int,
        shared: WorkerPaths,
        port: int | None = None,
        cancelled: threading.Event | None = None,
    ) -> Iterator[PythonServer]:
        """Run a worker until the block ends; see `serving.runner.Runner`."""
        (archive,) = archives
        gpus = self._gpus()
        with private_folder() as folder, self._gpu(len(gpus)) as gpu:
            (folder / "tmp").mkdir()
            (folder / "heartbeat").touch()
            settings = self._settings(archive, folder, port, gpu)
            settings.write(folder / "settings.json")
            address: Address = port if port is not None else Path(settings.socket)
            variables = {**self.environment, **gpu_environment(gpus or None), **shared.environment()}
            variables |= {INSTANCE: str(number)} | ({BEHIND_GATEWAY: "1"} if port is None else {})
            command = [sys.executable, "-m", "handlers.python", str(folder / "settings.json")]
            output = WorkerOutput(number)
            with running_process(command, folder, output, WORKER_DEFAULTS, variables) as process:
                host = {"0.0.0.0": HOST, "::": "::1"}.get(self.host, self.host)  # noqa: S104
                server = PythonServer(address, {archive.stem: archive}, shared.request_log, process, output, host)
                _wait_until_ready(server, shared, cancelled)
                with watchdog(process, folder / "heartbeat", settings.timeout + _HANG_S):
                    yield server

    def _settings(self, archive: Path, folder: Path, port: int | None, gpu: int | None) -> Settings:
        settings = model_settings(archive)
        behind_gateway = port is None
        expensive: dict[str, Limit] = {
            path: Limit(limit.max_concurrent, limit.min_body_bytes) for path, limit in settings.admission_limits.items()
        }
        return Settings(
            bundle=str((archive / "bundle").resolve()),
            model=archive.stem,
            socket=str(folder / "worker.sock") if behind_gateway else "",
            host=self.host,
            port=port or 0,
            gpu=gpu,
            threads=settings.threads,
            batch_size=settings.batchSize,
            timeout=settings.responseTimeout,
            max_body=settings.max_request_bytes,
            limits=Limits() if behind_gateway else Limits(_UNEVEN * settings.concurrent_per_worker, expensive),
            idle_at_stop=0.0 if behind_gateway else self.idle_at_stop,
            heartbeat=str(folder / "heartbeat"),
        )

    def _gpus(self) -> list[str]:
        """Return the GPUs that the workers share, as ``CUDA_VISIBLE_DEVICES`` lists them."""
        if self.cpu:
            return []
        listed = listed_gpus(os.environ.get(VISIBLE))
        count = count_gpus()
        if listed is None:
            return [str(index) for index in range(count)]
        return listed if count else []  # CUDA shows a process one MIG device of a list

    @contextlib.contextmanager
    def _gpu(self, count: int) -> Iterator[int | None]:
        """Yield the GPU that the fewest workers use, until the block ends; None if there is none."""
        if not count:
            yield None
            return
        with self._choosing:
            gpu = min(range(count), key=lambda number: self._used[number])
            self._used[gpu] += 1
        try:
            yield gpu
        finally:
            with self._choosing:
                self._used[gpu] -= 1


def _wait_until_ready(server: PythonServer, shared: WorkerPaths, cancelled: threading.Event | None) -> None:
    """Return when the worker has declared itself ready.

    Raises:
        ServerError: if it ends meanwhile, or the time is over. The message has the cause, from its output.
    """
    until = time.monotonic() + _START_S
    (model,) = server.models
    while all(worker.pid != server.process.pid for worker in ready_workers(shared.ready)):
        if cancelled is not None and cancelled.is_set():
            raise ServerError(f"the worker of {model} was stopped while it was starting")
        if server.process.poll() is not None:
            tail = server.output.last_words()
            raise ServerError(f"a model can't be loaded: {tail.splitlines()[-1].strip()}\n{tail}")
        if time.monotonic() > until:
            raise ServerError(f"{model} is not ready after {_START_S:g} s\n{server.output.tail()}")
        time.sleep(_POLL_S)
