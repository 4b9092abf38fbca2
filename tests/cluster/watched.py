"""The function over a part as tests of engines run it: each attempt is counted, and can be held where it is killed.

`SHOPCAT_WATCHED` names a folder. Each attempt adds a line to its file ``attempts``. The file ``hold-before-7`` holds
the next attempt at part 7 before it publishes, and ``hold-after-7`` after that. A held attempt writes its process id
to ``held-before-7``, and goes on when the file ``go`` exists.
"""

import os
import re
import time
from collections.abc import Callable
from pathlib import Path

from bulk import work
from bulk.job import Done, Part, Task
from bulk.storage.local import LocalStorage

_create = LocalStorage.create


def run_part(task: Task, step: work.Step, part: Part) -> Done:
    """Count an attempt, and run it."""
    LocalStorage.create = _held_create  # type: ignore[method-assign]  # here, because tests are imported to be found
    if step == "answer":
        with (folder() / "attempts").open("a", encoding="utf-8") as file:
            file.write(f"{part.number} {os.getpid()}\n")
    return work.run_part(task, step, part)


def folder() -> Path:
    """Return the folder of what tests and attempts tell each other."""
    return Path(os.environ["SHOPCAT_WATCHED"])


def _held_create(storage: LocalStorage, place: str, write: Callable[[Path], object]) -> bool:
    found = re.search(r"part-(\d+)-", place)
    number = int(found[1]) if found else -1

    def write_and_hold(file: Path) -> None:
        write(file)
        _hold(f"before-{number}")

    created = _create(storage, place, write_and_hold)
    _hold(f"after-{number}")
    return created


def _hold(point: str) -> None:
    hold, held = folder() / f"hold-{point}", folder() / f"held-{point}"
    if not hold.exists():
        return
    mine = folder() / f"process-{os.getpid()}"
    mine.write_text(str(os.getpid()), encoding="utf-8")
    try:
        hold.unlink()
    except FileNotFoundError:  # another attempt is held
        return
    mine.rename(held)
    while not (folder() / "go").exists():
        time.sleep(0.02)
