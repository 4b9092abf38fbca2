"""Supervisor of embedding: it starts a process for each project whose photos wait, and again when one dies."""

import logging
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from labelling.features.arrays import network_of
from labelling.features.layout import FeatureLayout
from labelling.photos.decoding import DEADLY
from labelling.projects.drawing import requested
from labelling.projects.errors import ProjectError
from labelling.projects.progress import Progress, read_progress, start_embedding
from labelling.projects.store import FILE, Project, ProjectStore

logger = logging.getLogger(__name__)

_AT_ONCE = 2  # processes; each takes 200 MB
_LONGEST_PAUSE_S = 300.0
_STOP_S = 5.0


class Network(NamedTuple):
    """The network that embeds photos.

    Attributes:
        bundle: folder of its bundle.
        layout: layout of its features.
    """

    bundle: Path
    layout: FeatureLayout


class _State(NamedTuple):
    """All that decides if a project needs a process."""

    created: float  # another project may get the id of one that is deleted
    network: str
    photos_version: int
    waiting: int


@dataclass
class _Process:
    """A process, the state of the project at its start, and the number of photos that were embedded then."""

    running: "subprocess.Popen[bytes]"
    state: _State
    embedded: int


@dataclass
class _Failures:
    """Number of processes that have died one after another, the time to start the next one, and the reason."""

    count: int
    until: float
    reason: str


class Embedding:
    """Processes that embed the photos of projects. Its methods block, and may be called in any thread.

    Args:
        store: the projects.
        network: returns the network of now; None without one.
        is_watched: returns True if somebody looks at a project, by id; such projects come first.
    """

    def __init__(
        self, store: ProjectStore, network: Callable[[], Network | None], is_watched: Callable[[str], bool]
    ) -> None:
        self._store, self._network, self._is_watched = store, network, is_watched
        self._lock = threading.Lock()
        self._processes: dict[str, _Process] = {}
        self._failures: dict[str, _Failures] = {}
        self._done: dict[str, _State] = {}
        self._quiet: dict[str, tuple[object, ...]] = {}  # times of files of projects that need no process

    def look_for_projects(self) -> bool:
        """Return True if there is a project."""
        return bool(self._projects())

    def look(self) -> None:
        """Start the processes that are needed, and note those that have ended."""
        projects = self._projects()
        for gone in self._processes.keys() - projects:  # deleted by another program
            self.stop(gone)
        with self._lock:
            network = self._network()
            for project in sorted(projects, key=lambda project: not self._is_watched(project)):
                self._note_end(project)
                if network is None or project in self._processes or len(self._processes) >= _AT_ONCE:
                    continue
                failures = self._failures.get(project)
                if failures is not None and time.monotonic() < failures.until:
                    continue
                files = (*_times(self._store.folder / project), network.layout.key)
                if failures is None and self._quiet.get(project) == files:
                    continue
                try:
                    if not self._start(project, network):
                        self._quiet[project] = files
                except (ProjectError, OSError) as error:
                    self._fail(project, str(error))

    def progress(self, project: Project) -> Progress:
        """Return the progress of a project as it is now, with the reason why its process has died."""
        counts, failures = project.photos.counts(), self._failures.get(project.id)
        progress = read_progress(project)
        progress = progress._replace(
            photos=sum(counts.values()) or requested(project),
            embedded=counts["ok"],
            broken=counts["broken"],
            finished=progress.finished and not counts["new"] and not requested(project),
        )
        if progress.running or failures is None or failures.count <= DEADLY:
            return progress  # a photo that ends the process is given up, so this is no error yet
        return progress._replace(error=progress.error or failures.reason)

    def stop(self, project: str) -> None:
        """Stop the process of a project that is archived or deleted; what it has embedded stays."""
        with self._lock:
            process = self._processes.pop(project, None)
            self._quiet.pop(project, None)
            self._failures.pop(project, None)
        if process is not None:
            _stop([process.running])

    @contextmanager
    def stopped_at_the_end(self) -> Iterator[None]:
        """Stop all processes when the block ends."""
        try:
            yield
        finally:
            with self._lock:
                processes = [process.running for process in self._processes.values()]
                self._processes.clear()
            _stop(processes)

    def _projects(self) -> list[str]:
        folders = (path for path in self._store.folder.iterdir() if not path.name.startswith("."))
        return sorted(path.name for path in folders if (path / FILE).is_file())

    def _start(self, project: str, network: Network) -> bool:
        """Start a process if the project needs one; return True if it does."""
        opened = self._store.open(project)
        try:
            counts, progress = opened.photos.counts(), read_progress(opened)
            with opened.database.reading() as connection:
                row = connection.execute("SELECT created, photos_version, state FROM project").fetchone()
            waiting = counts["new"] or requested(opened)
            state = _State(row["created"], network.layout.key, row["photos_version"], waiting)
            if progress.running:
                return True  # by another program
            is_open = row["state"] == "open" and (waiting > 0 or sum(counts.values()) > 0)
            known = network_of(opened.folder / "components") == network.layout.key
            if not is_open or state == self._done.get(project) or (progress.finished and known and not waiting):
                self._failures.pop(project, None)
                return False
            self._processes[project] = _Process(start_embedding(opened, network.bundle), state, counts["ok"])
        finally:
            opened.close()
        return True

    def _note_end(self, project: str) -> None:
        process = self._processes.get(project)
        if process is None or (code := process.running.poll()) is None:
            return
        del self._processes[project]
        counts = self._counts(project)
        if code == 0 and not counts["new"]:
            self._done[project] = process.state
            self._failures.pop(project, None)
            return
        if counts["ok"] > process.embedded:
            self._failures.pop(project, None)
        ended = f"by signal {-code}" if code < 0 else f"with status {code}"
        self._fail(project, f"the process that embeds the photos ended {ended}")

    def _counts(self, project: str) -> dict[str, int]:
        try:
            opened = self._store.open(project)
        except ProjectError:  # deleted
            return {"new": 0, "ok": 0}
        try:
            return opened.photos.counts()
        finally:
            opened.close()

    def _fail(self, project: str, reason: str) -> None:
        """Note a failure; the pause before the next start doubles with each."""
        count = self._failures[project].count + 1 if project in self._failures else 1
        pause = min(2.0 ** (count - 1), _LONGEST_PAUSE_S)
        self._failures[project] = _Failures(count, time.monotonic() + pause, f"{reason}; it starts again soon")
        logger.warning("project %s: %s; the next try is in %.0f s", project, reason, pause)


def _times(folder: Path) -> tuple[int, ...]:
    """Return the times of the last changes of a project's database, and of its log of writes."""
    found = []
    for file in (folder / FILE, folder / f"{FILE}-wal"):
        try:
            found.append(file.stat().st_mtime_ns)
        except OSError:
            found.append(0)
    return tuple(found)


def _stop(processes: "list[subprocess.Popen[bytes]]") -> None:
    """Stop processes; one that does not end is killed."""
    for process in processes:
        process.terminate()
    until = time.monotonic() + _STOP_S
    for process in processes:
        try:
            process.wait(max(until - time.monotonic(), 0.1))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
