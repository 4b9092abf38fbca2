"""Which workers are ready, told by the workers themselves in files.

TorchServe calls a worker ready once it answers, and a loading one healthy. Here a worker is ready when it has loaded
its bundle, verified its golden rows and answered a request, and until its process ends, however it ends: for so long
it holds the lock of its file. Its number would not tell it from another that gets the same, nor would, with the number,
the time when it began, which psutil counts back from a clock that may be set.
"""

import json
import os
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from runtime.lock import lock

_held = ExitStack()  # for as long as this process lives


@dataclass(frozen=True)
class Ready:
    """A worker that is ready.

    Attributes:
        pid: its process.
        created: when that process began, seconds since 1970.
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
    part = folder / f"{model}.{pid}.part"
    part.write_bytes(json.dumps(asdict(ready)).encode())
    _held.enter_context(lock(part))  # before it has the name by which it is found
    part.replace(part.with_suffix(".json"))


def ready_workers(folder: Path) -> list[Ready]:
    """The workers that are ready, by model and process. Files of workers that have ended are removed."""
    found = []
    for file in sorted(folder.glob("*.json")):
        with suppress(FileNotFoundError), lock(file, shared=True) as ended:  # another reader may have removed it
            if ended:
                file.unlink(missing_ok=True)
            else:
                found.append(Ready(**json.loads(file.read_bytes())))
    return found
