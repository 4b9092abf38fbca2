"""Which workers are ready, told by the workers themselves in files.

TorchServe calls a worker ready once it answers, and a loading one healthy. Here a worker is ready when it has loaded
its bundle, verified its golden rows and answered a request, and until its process ends, however it ends.
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from runtime.folder import write_file


@dataclass(frozen=True)
class Ready:
    """A worker that is ready.

    Attributes:
        pid: its process.
        created: when that process began, seconds since 1970: another may get the same number.
        model: what it serves.
        version: the bundle's.
        cutoff: the last day whose data the bundle knows; empty if that means nothing for its kind.
        sha256: of the bundle's manifest, which has those of all its files.
    """

    pid: int
    created: float
    model: str
    version: str
    cutoff: str
    sha256: str


def declare_ready(folder: Path, *, model: str, version: str, cutoff: str, sha256: str) -> None:
    """Say that this process is ready."""
    pid = os.getpid()
    ready = Ready(pid, psutil.Process(pid).create_time(), model, version, cutoff, sha256)
    write_file(folder / f"{model}.{pid}.json", json.dumps(asdict(ready)).encode())


def ready_workers(folder: Path) -> list[Ready]:
    """The workers that are ready, by model and process. Files of workers that have ended are removed."""
    found = []
    for file in sorted(folder.glob("*.json")):
        ready = Ready(**json.loads(file.read_bytes()))
        if _runs(ready):
            found.append(ready)
        else:
            file.unlink(missing_ok=True)
    return found


def _runs(ready: Ready) -> bool:
    try:
        process = psutil.Process(ready.pid)
        return process.create_time() == ready.created and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
