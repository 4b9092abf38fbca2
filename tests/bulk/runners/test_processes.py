"""bulk.runners.processes: a part whose process dies goes to another one, and errors arrive as they are."""

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from bulk.driver import Progress, run_job
from bulk.job import Job
from bulk.runners import processes
from bulk.runners.processes import Processes
from tests.bulk.conftest import rows_of
from training.sales.forecast_files.formats import RowsError

pytestmark = pytest.mark.integration


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Folder with twelve files of a row."""
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(12):
        (folder / f"{number:02}.csv").write_text(f"store,date\n{number % 3 + 1},2015-08-{number + 1:02}\n")
    return folder


def workers() -> list[psutil.Process]:
    """Return the processes of the pools that run now."""
    found = []
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):  # also of a zombie, which was killed just now
            if "spawn_main" in " ".join(child.cmdline()):
                found.append(child)
    return found


def test_a_killed_worker_loses_nothing(job: Callable[..., Job], folder: Path) -> None:
    """A worker is killed after each of the first three parts. Every row is in the output once."""
    todo, killed = job(folder), []

    def kill(progress: Progress) -> None:
        if progress.step == "answering" and len(killed) < 3:
            victim = workers()[0]
            os.kill(victim.pid, signal.SIGKILL)
            killed.append(victim.pid)

    summary = run_job(todo, Processes(2), kill)
    assert len({*killed}) == 3
    assert summary.rows == 12
    assert sorted(rows_of(todo)["date"]) == [f"2015-08-{day:02}" for day in range(1, 13)]
    assert workers() == []


def test_the_processes_of_a_survey_answer_too(job: Callable[..., Job], folder: Path) -> None:
    seen: dict[str, set[int]] = {}

    def watch(progress: Progress) -> None:
        seen.setdefault(progress.step, set()).update(worker.pid for worker in workers())

    run_job(job(folder), Processes(2), watch)
    assert seen["answering"] == seen["reading the plan"]
    assert len(seen["answering"]) == 2
    assert workers() == []


def test_the_error_of_a_part_is_that_of_the_job_and_ends_its_workers(job: Callable[..., Job], folder: Path) -> None:
    (folder / "05.csv").write_text("store,date\n99,2015-08-01\n")
    with pytest.raises(RowsError, match=r"05\.csv: 1 row can't be forecast(.|\n)*line 2: store 99 is not known"):
        run_job(job(folder), Processes(2), lambda progress: None)
    assert workers() == []


def test_a_part_that_kills_each_of_its_workers_ends_the_job(job: Callable[..., Job], folder: Path) -> None:
    def kill_all(progress: Progress) -> None:
        raise AssertionError("no part can be done")

    class Deadly(Processes):
        def run(self, task, step, parts):  # type: ignore[no-untyped-def]
            bad = [part._replace(file="/dev/null", first=-1) for part in parts[:1]]
            return super().run(task, step, bad)

    pool = processes._pool

    def dying() -> object:
        made = pool()
        made.submit(os.kill, os.getpid(), 0).result()
        for process in made._processes.values():
            os.kill(process.pid, signal.SIGKILL)
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(processes, "_pool", dying)
        with pytest.raises(processes.LostWorkerError, match=r"3 processes died with part 0.*Use fewer --processes"):
            run_job(job(folder), Deadly(1), kill_all)
