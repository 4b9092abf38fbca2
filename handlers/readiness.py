"""Readiness of workers, in files that the workers write themselves.

A runner's own report is not enough: TorchServe reports a loading worker as healthy. Here a worker is ready when it
has loaded its bundle, verified its golden rows and answered a request. It stays ready until its process ends.

For that time the worker holds a lock on its file. A PID alone is ambiguous, because PIDs are reused. PID plus start
time is not enough either: psutil derives the start time from the wall clock, which can change. A file lock ends exactly
when the process does.
"""

import json
import os
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from handlers.worker_settings import INSTANCE
from runtime.lock import lock

_locks = ExitStack()  # held until this process ends


@dataclass(frozen=True)
class ReadyWorker:
    """A ready worker.

    Attributes:
        pid: its PID.
        created: start of the process, in seconds since 1970.
        model: name of the model that it serves.
        version: version of the bundle.
        cutoff: last day whose data the bundle knows, in ISO format; empty for a kind of model without one.
        sha256: hash of the bundle's manifest, which lists the hashes of all its files.
        instance: number of its instance; no other running instance of the service has it.
    """

    pid: int
    created: float
    model: str
    version: str
    cutoff: str
    sha256: str
    instance: int


def declare_ready(folder: Path, *, model: str, version: str, cutoff: str, sha256: str) -> None:
    """Report this process as a ready worker."""
    pid = os.getpid()
    instance = int(os.environ.get(INSTANCE, "0"))
    worker = ReadyWorker(pid, psutil.Process(pid).create_time(), model, version, cutoff, sha256, instance)
    part = folder / f"{model}.{pid}.part"
    part.write_bytes(json.dumps(asdict(worker)).encode())
    _locks.enter_context(lock(part))  # before the rename, because readers look for .json files
    part.replace(part.with_suffix(".json"))


def withdraw() -> None:
    """Report that this process is not a ready worker any more; it can't become one again."""
    _locks.close()


def ready_workers(folder: Path) -> list[ReadyWorker]:
    """Return the ready workers, by model and PID. Remove the files of workers that have ended."""
    workers = []
    for file in sorted(folder.glob("*.json")):
        with suppress(FileNotFoundError), lock(file, shared=True) as ended:  # another reader may remove it first
            if ended:
                file.unlink(missing_ok=True)
            else:
                workers.append(ReadyWorker(**json.loads(file.read_bytes())))
    return workers
