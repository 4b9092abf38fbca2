"""Settings of one training run, as opposed to the options that decide its result."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

Result = TypeVar("Result")


@dataclass(frozen=True)
class Run(Generic[Result]):
    """Settings of one training run.

    Attributes:
        name: the model's name.
        device: device to train on, such as ``cpu`` or ``cuda:0``.
        replace: allow an existing bundle to be replaced.
        resume: continue from the checkpoints of an interrupted run; otherwise start anew.
        progress: show a progress bar; if None, only on a terminal.
        report: function that gets the result before the checkpoints are deleted. If it fails, the next run resumes
            from them and ends in a moment.
    """

    name: str
    device: str = "cpu"
    replace: bool = False
    resume: bool = True
    progress: bool | None = None
    report: Callable[[Result], None] | None = None
