"""Address of the service that uses a data folder, for commands that add something to what it shows."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from runtime.lock import lock

_FILE = "service"  # in the data folder; locked by the service that runs, with its address once the pages can be opened
_POLL_S = 0.1


@contextmanager
def announced(data: Path) -> Iterator[Callable[[str], None]]:
    """Hold a data folder as that of a running service, until the block ends or the process dies.

    If another service uses the folder already, that one stays the announced one.

    Args:
        data: the folder.

    Yields:
        A function that announces the address.
    """
    file = data / _FILE
    file.touch(mode=0o600)
    with lock(file) as is_held:

        def announce(url: str) -> None:
            if is_held:
                file.write_text(url, encoding="utf-8")

        announce("")
        yield announce


def running_service(data: Path, *, seconds: float = 60.0) -> str | None:
    """Return the address of the service that uses a data folder; None if none runs.

    Args:
        data: the folder; it need not exist.
        seconds: time to wait for a service that is starting.
    """
    file, until = data / _FILE, time.monotonic() + seconds
    while _is_held(file):
        if url := file.read_text(encoding="utf-8"):
            return url
        if time.monotonic() > until:
            return None
        time.sleep(_POLL_S)
    return None


def _is_held(file: Path) -> bool:
    try:
        with lock(file, shared=True) as is_free:
            return is_free is False
    except (FileNotFoundError, NotADirectoryError):
        return False
