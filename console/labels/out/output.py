"""Output of a job that makes a bundle: its stage, its progress, and the reason of its end."""

import os
import re
from pathlib import Path
from typing import Literal

from console.labels.out import process

Stage = Literal["exporting", "reading", "computing features", "fitting", "writing", "done"]

LOG = "log.txt"
_TAIL = 16_384  # bytes of the output that are read
BAR = re.compile(r"features: +(\d+)%\|")
DONE: tuple[Stage, float] = ("done", 1.0)
_ALL = 100  # percent
_MARKS = (process.EXPORTED, process.FITTING, process.JUDGED, process.EXPORTING)


def read_log(folder: Path) -> list[str]:
    """Return the last lines of a job's output."""
    try:
        with (folder / LOG).open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - _TAIL))
            text = log.read().decode(errors="replace")
    except OSError:
        return []
    return [line.strip() for line in re.split(r"[\r\n]+", text) if line.strip()]


def progress(log: list[str]) -> tuple[Stage, float]:
    """Return the stage of a job and the share that is done, from its output."""
    bars = [int(bar[1]) for line in log if (bar := BAR.match(line))]
    begun = {mark for mark in _MARKS if any(line.startswith(mark) for line in log)}
    if process.JUDGED in begun:
        return "writing", 0.97 if process.EXPORTING in begun else 0.9
    if bars:
        return ("fitting", 0.85) if bars[-1] == _ALL else ("computing features", 0.05 + 0.8 * bars[-1] / _ALL)
    if process.FITTING in begun:
        return "computing features", 0.05
    return ("reading", 0.03) if process.EXPORTED in begun else ("exporting", 0.0)


def reason_of_end(log: list[str], status: int | None) -> str:
    """Return why a process has ended without a bundle, from its output and, if it is known, its exit status."""
    errors = [line.removeprefix("Error: ") for line in log if line.startswith("Error: ")]
    if errors:
        return errors[-1]
    if status is not None and status < 0:
        return (
            f"the training was killed by signal {-status}, perhaps because memory ran out; the log has its last lines"
        )
    return "the training ended early; the log has its last lines"
