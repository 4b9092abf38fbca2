"""Jobs that run in this process, and the rows that they write."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from bulk.cuts import sizes
from bulk.driver import Summary, run_job
from bulk.job import Done, Job, Part, Task
from bulk.storage.places import storage_of
from bulk.work import Step, run_part
from runtime.bundle import MANIFEST, kind_of
from runtime.folder import sha256

RunJob = Callable[..., Summary]


class ThisProcess:
    """A runner without workers, which takes the parts from the last to the first.

    Attributes:
        answered: numbers of the parts that it has answered.
    """

    name = "this process"

    def __init__(self) -> None:
        self.answered: list[int] = []

    def run(self, task: Task, step: Step, parts: Sequence[Part]) -> Iterator[Done]:
        """Run a step with all parts."""
        for part in reversed(parts):
            if step == "answer":
                self.answered.append(part.number)
            yield run_part(task, step, part)


@pytest.fixture
def runner() -> ThisProcess:
    return ThisProcess()


@pytest.fixture
def job(demo_bundle: Path, tmp_path: Path) -> Callable[..., Job]:
    """Make a job of some files, of the demonstration bundle unless another one is given."""

    def make(*places: Path, bundle: Path = demo_bundle, bad_rows: str = "refuse", **options: Any) -> Job:
        files = [file for place in places for file in storage_of(str(place)).files(str(place))]
        return Job(
            kind_of(bundle),  # type: ignore[arg-type]
            str(bundle),
            sha256(bundle / MANIFEST),
            tuple(files),
            str(tmp_path / "out"),
            options,
            bad_rows,  # type: ignore[arg-type]
            "1",
            sizes(kind_of(bundle)),  # type: ignore[arg-type]
            inputs=tuple(map(str, places)),
        )

    return make


@pytest.fixture
def run(runner: ThisProcess) -> RunJob:
    return lambda job, runner=runner: run_job(job, runner, lambda progress: None)


def rows_of(job: Job) -> pd.DataFrame:
    """Return the rows of a job's output, in the order of its parts."""
    return pd.concat(map(pd.read_parquet, sorted(Path(job.out).glob("part-*.parquet"))), ignore_index=True)
