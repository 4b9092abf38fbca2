"""Values of files that may change while the service runs: API keys, and the certificate for TLS."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from serving.gateway.errors import GatewayError

logger = logging.getLogger(__name__)

T = TypeVar("T")
_State = tuple[tuple[int, int, int] | None, ...]


class Reloaded(Generic[T]):
    """The value of some files, read again when they change. Files that can't be used change nothing.

    Attributes:
        value: the last valid value.
    """

    def __init__(self, files: Sequence[Path], read: Callable[[], T]) -> None:
        """Read the value.

        Args:
            files: files that the value depends on.
            read: reads the value.

        Raises:
            GatewayError: if the value is invalid.
        """
        self._files, self._read = tuple(files), read
        self._read_state = self._last_state = self._state()
        self.value = read()

    def refresh(self) -> None:
        """Read the value again if the files have changed since, and are the same as at the last call.

        So a certificate is not read between the moments at which it and its key are replaced.
        """
        state = self._state()
        if state not in (self._read_state, self._last_state):
            self._last_state = state
            return
        self._last_state = state
        if state == self._read_state:
            return
        self._read_state = state
        names = ", ".join(map(str, self._files))
        try:
            self.value = self._read()
        except GatewayError as error:
            logger.error("%s is not read again, and its previous content stays in use: %s", names, error)
        else:
            logger.info("%s was read again", names)

    def _state(self) -> _State:
        """Return what identifies the content of the files; symbolic links are followed."""
        return tuple(_identity(file) for file in self._files)


def _identity(file: Path) -> tuple[int, int, int] | None:
    try:
        state = file.stat()
    except OSError:
        return None
    return state.st_ino, state.st_mtime_ns, state.st_size
