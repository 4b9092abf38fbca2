"""The audit log: a JSON line for each request, and under load for as many a second as a disk and a reader can take."""

import contextlib
import json
import logging
import os
import time
from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime
from logging.handlers import WatchedFileHandler
from pathlib import Path
from typing import Any

from runtime.lock import lock

logger = logging.getLogger(__name__)

PER_SECOND = 20  # lines of one worker
MAX_WAITING = 1000  # lines that a disk, or the reader of a pipe, does not take
MAX_BYTES = 50_000_000  # of a file; the one before it is kept as FILE.1


class AuditLog:
    """A worker's lines. Several workers append to one file; it is moved away, by them or others, to begin a new one."""

    def __init__(self, file: Path, per_second: float = PER_SECOND) -> None:
        """Open the file for appending.

        Args:
            file: made if it is not there.
            per_second: lines on average; a second after a quiet one may have three times as many.

        Raises:
            OSError: if it can't be opened.
        """
        self._file = file
        self._logger = logging.Logger("audit")  # its own, so that nobody's configuration mutes it or prints it twice
        self._logger.addHandler(_File(file, encoding="utf-8"))
        self._waiting: deque[Mapping[str, Any]] = deque()
        self._per_second, self._room = per_second, per_second
        # One thread may ask for room while another writes, so each has counts of its own; the third is of both.
        self._denied, self._failures, self._told = 0, 0, 0
        self._at = self._written = time.monotonic()
        self._failed = False

    def room(self, wanted: int) -> int:
        """How many of so many lines may be put now; who asks puts them, and the others are counted.

        A batch gets room for all of its lines, up to a second's, or for none, and pays afterwards: most of what a line
        costs is the first of some.
        """
        now = time.monotonic()
        self._room = min(self._room + (now - self._at) * self._per_second, self._per_second)
        self._at = now
        granted = min(wanted, int(self._per_second)) if self._room >= 1 and len(self._waiting) < MAX_WAITING else 0
        self._room -= granted
        self._denied += wanted - granted
        return granted

    def put(self, line: Mapping[str, Any]) -> None:
        """Keep a line for `flush`, which another thread may call."""
        self._waiting.append(line)

    def flush(self, *, last: bool = False) -> None:
        """Write the lines that were put; after a second without any, or as the last, how many were left out since."""
        first = True
        while self._waiting:
            try:
                self._write(self._waiting.popleft(), look=first)
            except Exception:
                self._failures += 1
                logger.exception("a line of the audit log could not be written")
            first = False
        quiet = time.monotonic() - self._written >= 1
        if (quiet or last) and not self._failed and self._denied + self._failures > self._told:
            self._write({"time": timestamp(time.time())}, look=True)

    def _write(self, line: Mapping[str, Any], *, look: bool) -> None:
        """Write a line and, after lines that were left out, how many.

        A line that can't be written, on a full disk say, is left out; the log says so once, until one can.

        Args:
            line: what it has.
            look: whether to look at the file first. It takes longer than to write, and is done for some lines at once.
        """
        self._written = time.monotonic()
        count = self._denied + self._failures
        left_out = {"left_out": count - self._told} if count > self._told else {}
        try:
            if look or self._failed:
                self._make_room_in_the_folder()
                self._end_what_was_cut()
            self._logger.info(json.dumps({**line, **left_out}, separators=(",", ":")))
        except OSError as error:
            self._failures += 1
            if not self._failed:
                logger.error("the audit log %s can't be written, and lines are left out: %s", self._file, error)
            self._failed = True
        else:
            self._told, self._failed = count, False

    def _make_room_in_the_folder(self) -> None:
        """Move a file that has become long; a pipe or a terminal never has."""
        with contextlib.suppress(OSError):  # another worker was first
            if self._is_long():
                with lock(self._file) as held:
                    # Another may have begun a new file since: to move that one would be the end of the one kept.
                    if held is not False and self._is_long():
                        self._file.replace(self._file.with_name(f"{self._file.name}.1"))

    def _is_long(self) -> bool:
        return self._file.is_file() and self._file.stat().st_size > MAX_BYTES

    def _end_what_was_cut(self) -> None:
        """End a line of which a full disk had room for a part only, whoever wrote it."""
        with contextlib.suppress(FileNotFoundError):  # another worker moved it
            if self._is_cut():
                with lock(self._file, wait=True) as held:
                    # Another may have ended it since, and one that is being written looks so for a moment.
                    if held is not False and self._is_cut():
                        with self._file.open("ab") as file:
                            file.write(b"\n")

    def _is_cut(self) -> bool:
        with contextlib.suppress(OSError):
            if self._file.is_file():
                with self._file.open("rb") as file:
                    file.seek(-1, os.SEEK_END)
                    return not file.read().endswith(b"\n")
        return False


def timestamp(seconds: float) -> str:
    """Seconds since 1970 as an audit line has them."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


class _File(WatchedFileHandler):
    def handleError(self, _: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Raise what happened, of which logging would print a page for each line."""
        self.stream = None  # with the line in its buffer, which is counted as left out
        raise  # logging calls this while it handles the error
