"""Values of files that may change while the service runs: API keys, and the certificate for TLS."""

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from serving.gateway.errors import GatewayError

logger = logging.getLogger(__name__)

T = TypeVar("T")
_State = tuple[tuple[int, ...] | None, ...]
_RETRY_S = 30.0  # time until files that can't be used are read again, although they have not changed


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
        self._retry_at: float | None = None  # of the monotonic clock; None if the last read succeeded
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
        is_retry = self._retry_at is not None and time.monotonic() >= self._retry_at
        if state == self._read_state and not is_retry:
            return
        self._read_state = state
        names = ", ".join(map(str, self._files))
        try:
            self.value = self._read()
        except (GatewayError, OSError) as error:
            self._retry_at = time.monotonic() + _RETRY_S
            if not is_retry:
                logger.error("%s is not read again, and its previous content stays in use: %s", names, error)
        else:
            self._retry_at = None
            logger.info("%s was read again", names)

    def _state(self) -> _State:
        """Return what identifies the content of the files; symbolic links are followed."""
        return tuple(_identity(file) for file in self._files)


def _identity(file: Path) -> tuple[int, ...] | None:
    try:
        state = file.stat()
    except OSError:
        return None
    return state.st_ino, state.st_mtime_ns, state.st_ctime_ns, state.st_size  # chmod changes the ctime alone
