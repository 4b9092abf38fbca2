"""Reading the logs of the started processes."""

import re
from pathlib import Path

LOG_PREFIX = re.compile(r"^\S+ \[\w+ *\] \S+ MODEL_LOG - ")  # TorchServe's prefix to lines that a worker prints

_TAIL_LINES = 40


def read(log: Path, start: int) -> str:
    """Return the text of a log from byte ``start`` on."""
    with log.open("rb") as file:
        file.seek(start)
        return file.read().decode(errors="replace")


def tail(log: Path, start: int = 0) -> str:
    """Return the last lines after byte ``start`` of a log, without TorchServe's prefixes, for an error message."""
    lines = [LOG_PREFIX.sub("", line) for line in read(log, start).splitlines()]
    return "\n".join([f"The log, {log}, ends:", *(f"  {line}" for line in lines[-_TAIL_LINES:])])
