"""Progress of the embedding of a project, and its process: for others, which need no network."""

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from labelling.features.arrays import SpaceArrays
from labelling.features.layout import FeatureLayout
from labelling.features.table import FeatureTable
from labelling.projects.store import Project
from runtime.folder import write_file
from runtime.lock import lock

LOCK = "embedding.lock"  # held by the process that embeds
_PROGRESS = "embedding.json"


class Progress(NamedTuple):
    """Progress of the embedding of a project.

    Attributes:
        running: True while a process embeds.
        photos: number of the project's photos.
        embedded: number of photos with features.
        broken: number of photos that can't be decoded, or whose files are gone.
        fitted: number of photos that the components were fitted on; 0 before there is a map to show.
        finished: True when all photos are embedded or broken, and near duplicates are grouped.
        error: reason why the last process ended early.
    """

    running: bool = False
    photos: int = 0
    embedded: int = 0
    broken: int = 0
    fitted: int = 0
    finished: bool = False
    error: str | None = None


def start_embedding(project: Project, bundle: Path) -> "subprocess.Popen[bytes]":
    """Start the process that embeds a project's photos. It ends when all are done, or at once if another one runs.

    Start it again while it is not running and the project has photos in the state ``new``.

    Args:
        project: the project.
        bundle: bundle with the network of the features.
    """
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "labelling.projects.embedding", str(project.folder), str(bundle)]
    return subprocess.Popen(command, env=os.environ | threads, stdin=subprocess.DEVNULL)  # noqa: S603


def read_progress(project: Project) -> Progress:
    """Return the progress of the embedding, which another process may be doing."""
    saved = Progress()
    with suppress(FileNotFoundError):
        saved = Progress(**json.loads((project.folder / _PROGRESS).read_text(encoding="utf-8")))
    try:
        with lock(project.folder / LOCK, shared=True) as free:
            return saved._replace(running=free is False)
    except FileNotFoundError:
        return saved


def save_progress(project: Project, progress: Progress) -> None:
    """Write the progress for other processes, unless the project has been deleted."""
    if project.folder.is_dir():
        write_file(project.folder / _PROGRESS, json.dumps(progress._asdict()).encode(), mode=0o600)


def features(project: Project, layout: FeatureLayout) -> tuple[FeatureTable, SpaceArrays]:
    """Return the cached features of a project's photos, and their components."""
    table = FeatureTable(project.folder / "features", layout.key, layout.width)
    return table, SpaceArrays(project.folder / "components", table, layout.columns)
