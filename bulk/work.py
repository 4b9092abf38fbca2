"""The function over a part that all engines run: read it, answer it, publish it."""

import json
import logging
import time
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal, Protocol, TypeVar

import pyarrow as pa
from pyarrow import parquet

from bulk.job import Done, Part, Task, part_name
from bulk.storage.places import storage_of
from bulk.storage.storage import UnavailableError, below
from runtime.bundle import MANIFEST, BundleError
from runtime.folder import sha256

logger = logging.getLogger(__name__)

Step = Literal["survey", "survey again", "answer"]
T = TypeVar("T")

ATTEMPTS: Final = 5  # at a store that fails
FIRST_PAUSE_S: Final = 0.5  # after the first failure; each later pause is twice as long
JOB, NOTES, BAD = b"shopcat.job", b"shopcat.notes", b"shopcat.bad"  # metadata in the footer of a part


class Answers(Protocol):
    """Answers to a part, a batch of rows at a time."""

    @property
    def notes(self) -> dict[str, int]:
        """Return the number of rows so far with each kind of warning."""
        ...

    @property
    def bad(self) -> int:
        """Return the number of rows so far that could not be answered."""
        ...

    def __iter__(self) -> Iterator[pa.Table]: ...


class Work(Protocol):
    """Work of one kind of model with parts."""

    def survey(self, part: Part, *, again: bool) -> Done:
        """Return what all parts together have to know of a part before any is answered.

        Args:
            part: the part.
            again: true after a first survey of all parts.
        """
        ...

    def answer(self, part: Part) -> Answers:
        """Return the answers to a part."""
        ...


def run_part(task: Task, step: Step, part: Part) -> Done:
    """Run a step with a part. It may be called anywhere, any number of times, and also twice at once.

    The first call in a process loads the bundle.

    Raises:
        UserError: if another try can't help, such as for a row that can't be answered.
        UnavailableError: if a store fails again and again.
    """
    work = _work(task)
    if step == "answer":
        return again(lambda: _publish(task, part, work.answer(part)))
    return again(lambda: work.survey(part, again=step == "survey again"))


def again(attempt: Callable[[], T]) -> T:
    """Return the result of a function, which is tried again while a store fails.

    Raises:
        UnavailableError: at the last failure.
    """
    for failures in range(1, ATTEMPTS):
        try:
            return attempt()
        except UnavailableError as error:
            logger.warning("%s; tried again", error)
            time.sleep(FIRST_PAUSE_S * 2 ** (failures - 1))
    return attempt()


def footer(task_job: str, done: Done) -> dict[bytes, bytes]:
    """Return the metadata that a part's file has about itself."""
    return {JOB: task_job.encode(), BAD: str(done.bad).encode(), NOTES: json.dumps(done.notes).encode()}


def read_footer(out: str, job: str, number: int) -> Done:
    """Return the result of a part that is published already."""
    with storage_of(out).open(below(out, part_name(job, number))) as file:
        found = parquet.read_metadata(file)
    metadata = found.metadata or {}
    return Done(number, found.num_rows, int(metadata[BAD]), json.loads(metadata[NOTES]), computed=False)


def _publish(task: Task, part: Part, answers: Answers) -> Done:
    """Write the answers to a part to its file, unless another attempt was first."""
    rows = 0

    def write(file: Path) -> None:
        nonlocal rows
        rows, writer = 0, None
        for table in answers:
            writer = writer or parquet.ParquetWriter(file, table.schema)
            writer.write_table(table)
            rows += len(table)
        assert writer is not None  # a part has rows
        writer.add_key_value_metadata(footer(task.job, Done(part.number, rows, answers.bad, answers.notes)))
        writer.close()

    created = storage_of(task.out).create(below(task.out, part_name(task.job, part.number)), write)
    return Done(part.number, rows, answers.bad, answers.notes, computed=created)


@lru_cache(1)
def _work(task: Task) -> Work:
    """Return the work of a task; a process has one at a time.

    Raises:
        BundleError: if the bundle is damaged, or another one than the job's.
    """
    work: Work
    if task.kind == "sales":
        from bulk.sales.work import SalesWork

        work = SalesWork(task)
    else:
        from bulk.pets.work import PetsWork

        work = PetsWork(task)
    if sha256(Path(task.bundle) / MANIFEST) != task.digest:
        raise BundleError(f"{task.bundle} is not the bundle that the job began with; use that one, or begin a new job")
    return work
