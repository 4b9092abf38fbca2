"""The interface of runners, which call `bulk.work.run_part` for all parts. A part is published once, by any of them."""

from collections.abc import Generator, Sequence
from typing import Protocol

from bulk.job import Done, Part, Task
from bulk.work import Step
from runtime.errors import UserError


class LostWorkerError(Exception):
    """Workers die again and again; another run can continue the job."""


class EngineError(UserError):
    """An engine can't be reached, or lacks something that it needs."""


class Runner(Protocol):
    """Engine that runs the parts of a job."""

    @property
    def name(self) -> str:
        """Return the runner and its size in words, such as "2 processes"."""
        ...

    def run(self, task: Task, step: Step, parts: Sequence[Part]) -> Generator[Done]:
        """Run a step with all parts, in any order. Closing the iterator stops the workers.

        Raises:
            UserError: if a part can't be answered.
            UnavailableError: if a store fails again and again.
            LostWorkerError: if workers die again and again.
        """
        ...
