"""Jobs that make bundles: their state on the disk, start, cancellation, and what becomes of them.

::

    PROJECT/bundles/lock            held by the process of the job, with its id
    PROJECT/bundles/N/job.json      state
    PROJECT/bundles/N/log.txt       output of the process
    PROJECT/bundles/N/snapshot.json numbers of the exported photos
    PROJECT/bundles/N/photos/       exported photos, until the bundle is there
    PROJECT/bundles/N/model/        the bundle

A job is *running* exactly while the lock is held. Its process outlives a console that dies. A console that is stopped
interrupts it, and the next one goes on from what the training has saved.
"""

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from console.labels.out import process
from console.labels.out.output import BAR, DONE, LOG, Stage, progress, read_log, reason_of_end
from labelling.projects.errors import disk_errors
from runtime.bundle import MANIFEST, BundleError, read_manifest
from runtime.errors import UserError
from runtime.folder import make_private, write_file
from runtime.lock import lock
from schemas.bundle import FORMAT_VERSION
from schemas.pets.manifest import PetsManifest

State = Literal["running", "done", "failed", "cancelled", "interrupted"]

_FOLDER, _LOCK, _JOB = "bundles", "lock", "job.json"
_TAIL_LINES = 30  # of the output that are shown
_STOP_S = 10.0
_POLL_S = 0.05
# Variables that limit the console to one thread; the training may use all cores that nobody else wants.
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class JobError(UserError):
    """A job that makes a bundle can't be started or stopped now; the message has the reason."""


class Saved(BaseModel):
    """State of a job in its file.

    Attributes:
        state: state, as far as somebody has written it; a running job may have ended since.
        who: name of the person who started it.
        name: name of the model.
        options: further options of the training.
        started: time of the start, seconds since 1970.
        ended: time of the end.
        message: reason of the end; empty for a bundle.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    state: State
    who: str
    name: str
    options: str = ""
    started: float
    ended: float | None = None
    message: str = ""


class Job(NamedTuple):
    """A job that makes a bundle, as it is now.

    Attributes:
        id: number of the job in its project.
        saved: its state.
        stage: part of the work that is being done.
        share: share of the work that is done, 0 to 1, estimated.
        log_tail: end of the output.
        snapshot: numbers of the exported photos; None before they are.
        folder: folder of the bundle; None before there is one.
        manifest: manifest of the bundle.
    """

    id: int
    saved: Saved
    stage: Stage
    share: float
    log_tail: str
    snapshot: dict[str, Any] | None
    folder: Path | None
    manifest: PetsManifest | None


class Jobs:
    """Jobs of a project. Its methods block, and may be called in any thread.

    Args:
        project: folder of the project.
    """

    def __init__(self, project: Path) -> None:
        self._project, self._folder = project, project / _FOLDER
        self._changing = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def current(self) -> Job | None:
        """Return the last job; None if there was none. What has ended meanwhile is noted."""
        with self._changing:
            number = self._last()
            return None if number is None else self._job(number, self._noted(number))

    def last_bundle(self) -> Job | None:
        """Return the last job that has made a bundle; None if there is none."""
        with self._changing:
            for number in reversed(self._numbers()):
                if self._noted(number).state == "done":
                    return self._job(number, self._saved(number))
        return None

    def start(self, *, who: str, name: str, options: str = "") -> Job:
        """Start a job.

        Args:
            who: name of the person who starts it.
            name: name of the model.
            options: further options of the training, as on a command line.

        Raises:
            JobError: if one is running.
            FullError: if the disk is full.
        """
        with self._changing, disk_errors(self._project), self._locked() as descriptor:
            last = self._last()
            if last is not None:
                self._noted(last, is_free=True)
            number = 1 + max(self._numbers(), default=0)
            make_private(self._folder / str(number))
            saved = Saved(state="running", who=who, name=name, options=options, started=time.time())
            self._save(number, saved)
            self._spawn(number, saved, descriptor)
            self._remove_old(number)
            return self._job(number, saved)

    def cancel(self) -> Job | None:
        """Stop the last job if it is running; return it.

        Raises:
            JobError: if its process does not end.
        """
        with self._changing:
            number = self._last()
            if number is None:
                return None
            if self._noted(number).state in ("running", "interrupted"):
                self._end(number, "cancelled", "somebody has cancelled it")
                self._kill()
                self._clean(number)
            return self._job(number, self._saved(number))

    def is_running(self) -> bool:
        """Return True while a process works on a job."""
        return self._is_held()

    def interrupt(self) -> None:
        """Stop the last job if it is running; `resume` goes on with it."""
        with self._changing:
            number = self._last()
            if number is not None and self._noted(number).state == "running":
                self._save(number, self._saved(number).model_copy(update={"state": "interrupted"}))
                self._kill()

    def resume(self) -> bool:
        """Go on with an interrupted job, and end the process of a cancelled one; return True if a job is running."""
        with self._changing:
            number = self._last()
            if number is None:
                return False
            saved = self._noted(number)
            if saved.state == "cancelled" and self._is_held():  # the console died while it cancelled the job
                self._kill()
            if saved.state == "interrupted":
                with contextlib.suppress(JobError), self._locked() as descriptor:
                    saved = saved.model_copy(update={"state": "running"})
                    self._save(number, saved)
                    self._spawn(number, saved, descriptor)
            return saved.state == "running"

    def _spawn(self, number: int, saved: Saved, descriptor: int) -> None:
        """Start the process of a job, which holds the lock from its first moment."""
        folder = self._folder / str(number)
        temporary = folder / "tmp"
        temporary.mkdir(exist_ok=True)
        command = [sys.executable, "-P", "-m", "console.labels.out.process", str(self._project)]
        command += ["--name", saved.name, "--lock", str(descriptor), f"--options={saved.options}"]
        environment = {name: value for name, value in os.environ.items() if name not in _THREADS}
        with (folder / LOG).open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603
                command,
                cwd=folder,
                env=environment | {"TMPDIR": str(temporary), "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=0,  # a console that is killed with its group does not take it along
                pass_fds=(descriptor,),
            )

    @contextlib.contextmanager
    def _locked(self) -> Iterator[int]:
        """Take the lock, and yield its descriptor for a process that keeps it.

        Raises:
            JobError: if a process has it.
        """
        make_private(self._folder)
        descriptor = os.open(self._folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise JobError("a bundle is being made of this project already; wait for it, or cancel it") from None
            os.ftruncate(descriptor, 0)  # the id of an earlier process may be that of another one by now
            yield descriptor
        finally:
            os.close(descriptor)

    def _is_held(self) -> bool:
        try:
            with lock(self._folder / _LOCK, shared=True) as free:
                return free is False
        except FileNotFoundError:
            return False

    def _kill(self) -> None:
        """End the process that holds the lock, with its children.

        Raises:
            JobError: if it does not end.
        """
        until = time.monotonic() + _STOP_S
        sent = signal.SIGTERM
        while self._is_held():
            with contextlib.suppress(FileNotFoundError, ValueError, ProcessLookupError):
                # The lock is held, so the process lives, and its number is its own.
                os.killpg(int((self._folder / _LOCK).read_text()), sent)
            if time.monotonic() > until:
                if sent is signal.SIGKILL:
                    raise JobError("the process of the training does not end; try again")
                sent, until = signal.SIGKILL, time.monotonic() + _STOP_S
            time.sleep(_POLL_S)
        if self._process is not None:
            self._process.wait()

    def _noted(self, number: int, *, is_free: bool = False) -> Saved:
        """Return the state of a job; write it if the job has ended since somebody looked."""
        saved = self._saved(number)
        if saved.state != "running" or (not is_free and self._is_held()):
            return saved
        folder = self._folder / str(number)
        status = None if self._process is None else self._process.poll()
        if (folder / process.MODEL / MANIFEST).is_file() and (folder / process.REPORT / "report.md").is_file():
            self._end(number, "done", "")
            self._clean(number)
        else:
            self._end(number, "failed", reason_of_end(read_log(folder), status))
            self._clean(number)
        return self._saved(number)

    def _end(self, number: int, state: State, message: str) -> None:
        update = {"state": state, "message": message, "ended": time.time()}
        self._save(number, self._saved(number).model_copy(update=update))

    def _clean(self, number: int) -> None:
        """Remove what only the training needs."""
        folder = self._folder / str(number)
        for name in (process.PHOTOS, "tmp", f".{process.MODEL}.checkpoint"):
            shutil.rmtree(folder / name, ignore_errors=True)

    def _remove_old(self, number: int) -> None:
        """Remove earlier jobs, except the last one with a bundle."""
        earlier = [other for other in self._numbers() if other < number]
        kept = next((other for other in reversed(earlier) if self._saved(other).state == "done"), None)
        for other in earlier:
            if other != kept:
                shutil.rmtree(self._folder / str(other), ignore_errors=True)

    def _numbers(self) -> list[int]:
        if not self._folder.is_dir():
            return []
        return sorted(int(path.name) for path in self._folder.iterdir() if path.name.isdigit())

    def _last(self) -> int | None:
        return next((number for number in reversed(self._numbers()) if self._has_state(number)), None)

    def _has_state(self, number: int) -> bool:
        return (self._folder / str(number) / _JOB).is_file()

    def _saved(self, number: int) -> Saved:
        file = self._folder / str(number) / _JOB
        try:
            return Saved.model_validate_json(file.read_bytes())
        except (OSError, ValidationError) as error:
            message = f"the state of the job can't be read: {error}"
            return Saved(state="failed", who="", name="", started=0, message=message)

    def _save(self, number: int, saved: Saved) -> None:
        write_file(self._folder / str(number) / _JOB, saved.model_dump_json(indent=1).encode(), mode=0o600)

    def _job(self, number: int, saved: Saved) -> Job:
        folder = self._folder / str(number)
        log, snapshot, manifest = read_log(folder), None, None
        with contextlib.suppress(OSError, ValueError):
            snapshot = json.loads((folder / process.SNAPSHOT).read_text())
        if saved.state == "done":
            with contextlib.suppress(BundleError):
                model = folder / process.MODEL
                manifest = read_manifest(model, PetsManifest, kind="pets", format_version=FORMAT_VERSION)
        stage, share = progress(log) if manifest is None else DONE
        lines = [line for line in log if not BAR.match(line)][-_TAIL_LINES:]
        bundle = folder / process.MODEL if manifest else None
        return Job(number, saved, stage, share, "\n".join(lines), snapshot, bundle, manifest)


def projects_with_jobs(projects: Path) -> list[Path]:
    """Return the folders of projects that have had a job, in the folder of all projects."""
    found = [lock_file.parents[1] for lock_file in projects.glob(f"*/{_FOLDER}/{_LOCK}")]
    return sorted(folder for folder in found if not folder.name.startswith("."))
