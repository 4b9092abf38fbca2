"""The audit log: a JSON line for each request, and under load for as many a second as a disk and a reader can take."""

import contextlib
import json
import logging
import os
import time
from collections.abc import Mapping
from logging.handlers import WatchedFileHandler
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)

PER_SECOND = 20  # lines of one worker
MAX_BYTES = 50_000_000  # of a file; the one before it is kept as FILE.1


class AuditLog:
    """A worker's lines. Several workers append to one file; it is moved away, by them or others, to begin a new one."""

    def __init__(self, file: Path, per_second: float = PER_SECOND) -> None:
        """Open the file for appending.

        Args:
            file: made if it is not there.
            per_second: lines on average; more may come at once, up to twice as many after a quiet second.

        Raises:
            OSError: if it can't be opened.
        """
        self._file = file
        self._logger = logging.Logger("audit")  # its own, so that nobody's configuration mutes it or prints it twice
        self._logger.addHandler(_File(file, encoding="utf-8"))
        self._per_second, self._room = per_second, per_second
        # One thread may ask for room while another writes, so each has counts of its own; the third is of both.
        self._denied, self._failures, self._told = 0, 0, 0
        self._at = time.monotonic()
        self._failed = False

    def room(self, wanted: int) -> int:
        """How many of so many lines may be written now; who asks writes them, and the others are counted.

        A batch's lines are written together or not at all, and paid for afterwards: most of what a line costs is the
        first of some.
        """
        now = time.monotonic()
        self._room = min(self._room + (now - self._at) * self._per_second, self._per_second)
        self._at = now
        granted = min(wanted, int(self._per_second)) if self._room >= 1 else 0
        self._room -= granted
        self._denied += wanted - granted
        return granted

    def write(self, line: Mapping[str, Any]) -> None:
        """Write a line and, after lines that were left out, how many.

        A line that can't be written, on a full disk say, is left out; the log says so once, until one can.
        """
        self._make_room_in_the_folder()
        count = self._denied + self._failures
        left_out = {"left_out": count - self._told} if count > self._told else {}
        ending = "\n" if self._failed and self._is_cut() else ""
        try:
            self._logger.info(ending + json.dumps({**line, **left_out}, separators=(",", ":")))
        except OSError as error:
            self._failures += 1
            if not self._failed:
                logger.error("the audit log %s can't be written, and lines are left out: %s", self._file, error)
            self._failed = True
        else:
            self._told, self._failed = count, False

    def _is_cut(self) -> bool:
        """Whether the file ends within a line: a disk may have had room for a part of it."""
        with contextlib.suppress(OSError):
            if self._file.is_file():
                with self._file.open("rb") as file:
                    file.seek(-1, os.SEEK_END)
                    return file.read() != b"\n"
        return False

    def _make_room_in_the_folder(self) -> None:
        """Move a file that has become long; a pipe or a terminal never has."""
        with contextlib.suppress(OSError):  # another worker was first
            if self._file.is_file() and self._file.stat().st_size > MAX_BYTES:
                self._file.replace(self._file.with_name(f"{self._file.name}.1"))


class _File(WatchedFileHandler):
    def handleError(self, _: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Raise what happened, of which logging would print a page for each line."""
        self.stream = None  # with the line in its buffer, which is counted as left out
        raise  # logging calls this while it handles the error
