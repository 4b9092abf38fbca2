"""bulk.driver: a job is done once, goes on where it ended, and leaves other jobs' output alone."""

import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pandas as pd
import pytest

from bulk import cuts
from bulk.damage import InputError
from bulk.driver import Progress, run_job
from bulk.job import Done, Job, Part, Task, part_name
from bulk.output import OutputError
from bulk.work import Step, run_part
from runtime.lock import lock
from tests.bulk.conftest import RunJob, ThisProcess, rows_of

MakeJob = Callable[..., Job]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Folder with ten files of three rows, whose statements are about the same stores."""
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(10):
        rows = [f"{number % 2 + 1},2015-08-{number + day:02},{number % 2}" for day in (1, 2, 3)]
        (folder / f"{number}.csv").write_text("\n".join(["store,date,promo", *rows]) + "\n")
    return folder


class Stopping(ThisProcess):
    """A runner that ends like a killed process after some parts."""

    def run(self, task: Task, step: Step, parts: Sequence[Part]) -> Iterator[Done]:
        """Run a step with some parts."""
        for done in super().run(task, step, parts):
            yield done
            if step == "answer" and len(self.answered) == 4:
                raise KeyboardInterrupt


def test_a_job_that_was_stopped_goes_on_with_the_parts_that_are_missing(
    job: MakeJob, run: RunJob, runner: ThisProcess, folder: Path
) -> None:
    todo = job(folder)
    with pytest.raises(KeyboardInterrupt):
        run_job(todo, Stopping(), lambda progress: None)
    out = Path(todo.out)
    before = {file.name: file.stat().st_mtime_ns for file in out.glob("part-*")}
    assert len(before) == 4
    assert not (out / "_SUCCESS").exists()
    summary = run(todo)
    assert sorted(runner.answered) == [0, 1, 2, 3, 4, 5]
    assert (summary.rows, summary.parts, summary.earlier) == (30, 10, 4)
    assert {name: (out / name).stat().st_mtime_ns for name in before} == before
    assert len(rows_of(todo)) == 30
    manifest = json.loads((out / "_MANIFEST.json").read_text())
    assert manifest["rows"] == 30
    assert [pd.read_parquet(out / part["file"]).shape[0] for part in manifest["parts"]] == [3] * 10
    assert (out / "_SUCCESS").read_bytes() == b""
    assert summary.notes == manifest["notes"]
    assert summary.notes["open assumed"] == sum(rows_of(todo)["assumed"].str.contains("open"))


def test_a_job_that_is_done_computes_nothing(job: MakeJob, run: RunJob, runner: ThisProcess, folder: Path) -> None:
    first = run(job(folder))
    runner.answered.clear()
    again = run(job(folder))
    assert runner.answered == []
    assert (again.rows, again.notes, again.earlier) == (first.rows, first.notes, 10)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda folder: (folder / "3.csv").write_text("store,date\n1,2015-08-01\n"), "other input"),
        (lambda folder: os.utime(folder / "3.csv", (1, 1)), "other input"),
        (lambda folder: (folder / "3.csv").rename(folder / "4b.csv"), "other input"),
        ({"levels": [80]}, "other options"),
        ({"bad_rows": "keep"}, "another --bad-rows"),
    ],
)
def test_the_output_of_another_job_is_refused_and_stays(
    job: MakeJob, run: RunJob, folder: Path, change: object, words: str
) -> None:
    first = job(folder)
    run(first)
    before = {file.name: file.read_bytes() for file in Path(first.out).iterdir()}
    options = {}
    if callable(change):
        change(folder)
    else:
        assert isinstance(change, dict)
        options = change
    with pytest.raises(OutputError, match=f"has the output of another job, with {words}; name another folder"):
        run(job(folder, **options))
    assert {file.name: file.read_bytes() for file in Path(first.out).iterdir()} == before


def test_a_version_with_other_sizes_of_parts_does_not_mix_its_parts_with_earlier_ones(
    job: MakeJob, run: RunJob, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_job(job(folder), Stopping(), lambda progress: None)
    monkeypatch.setattr(cuts, "CSV_BYTES", 20)
    with pytest.raises(OutputError, match="with other sizes of parts, by another version of Shopcat; name"):
        run(job(folder))


def test_a_folder_with_other_files_is_refused(job: MakeJob, run: RunJob, folder: Path) -> None:
    todo = job(folder)
    Path(todo.out).mkdir()
    (Path(todo.out) / "letter.txt").touch()
    with pytest.raises(OutputError, match=r"has other files, such as letter\.txt; name an empty folder"):
        run(todo)


def test_a_job_is_the_same_wherever_its_files_lie(job: MakeJob, folder: Path) -> None:
    first = job(folder)
    moved = folder.rename(folder.with_name("elsewhere"))
    assert job(moved).id == first.id


def test_two_drivers_at_once_publish_each_part_once(job: MakeJob, folder: Path) -> None:
    """Both compute all parts, one from each end, and wait for each other before each part."""
    todo, barrier, turn, computed = job(folder), threading.Barrier(2, timeout=120), threading.Lock(), []

    class Slowed(ThisProcess):
        def run(self, task: Task, step: Step, parts: Sequence[Part]) -> Iterator[Done]:
            for part in parts:
                barrier.wait()
                with turn:  # a process answers one part at a time
                    done = run_part(task, step, part)
                computed.append((step, part.number, done.computed))
                yield done

    summaries = []
    threads = [
        threading.Thread(target=lambda: summaries.append(run_job(todo, Slowed(), lambda progress: None)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [summary.rows for summary in summaries] == [30, 30]
    published = [number for step, number, first in computed if step == "answer" and first]
    assert sorted(published) == list(range(10))
    assert len(rows_of(todo)) == 30
    assert not [file for file in Path(todo.out).iterdir() if file.name.endswith(".part")]


def test_input_that_changes_while_it_is_read_ends_the_job(job: MakeJob, folder: Path) -> None:
    todo = job(folder)

    def add(progress: Progress) -> None:
        (folder / "late.csv").write_text("store,date\n1,2015-08-01\n")

    with pytest.raises(InputError, match=r"late\.csv was changed, added or removed while the job ran"):
        run_job(todo, ThisProcess(), add)
    assert not (Path(todo.out) / "_SUCCESS").exists()


def test_workers_that_write_elsewhere_are_an_error(job: MakeJob, folder: Path, tmp_path: Path) -> None:
    """Another machine has another folder of the same name."""
    todo = job(folder)

    class Elsewhere(ThisProcess):
        def run(self, task: Task, step: Step, parts: Sequence[Part]) -> Iterator[Done]:
            shutil.copytree(task.out, tmp_path / "elsewhere", dirs_exist_ok=True)
            return super().run(task._replace(out=str(tmp_path / "elsewhere")), step, parts)

    with pytest.raises(OutputError, match=r"lacks 10 parts that workers have written: it is another folder"):
        run_job(todo, Elsewhere(), lambda progress: None)
    assert not (Path(todo.out) / "_SUCCESS").exists()


def test_temporary_files_of_killed_workers_are_removed_and_those_of_other_drivers_stay(
    job: MakeJob, folder: Path
) -> None:
    todo = job(folder)
    out, lost = Path(todo.out), [f".{part_name(todo.id, number)}.abcdef{number:02}.part" for number in (1, 2, 3)]
    with pytest.raises(KeyboardInterrupt):
        run_job(todo, Stopping(), lambda progress: None)
    for name in lost[:2]:
        (out / name).touch()
    with lock(out / lost[0]):  # of a writer that is alive

        def kill(progress: Progress) -> None:
            assert not (out / lost[1]).exists()
            (out / lost[2]).touch()

        run_job(todo, ThisProcess(), kill)
        assert [file.name for file in out.iterdir() if file.name.endswith(".part")] == lost[:1]
    run_job(todo, ThisProcess(), kill)
    assert not [file for file in out.iterdir() if file.name.endswith(".part")]
