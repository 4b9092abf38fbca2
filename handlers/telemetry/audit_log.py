"""Audit log: a JSON line for each request, limited under load to a rate that a disk and a reader can take."""

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
MAX_WAITING = 1000  # lines in memory while a disk, or the reader of a pipe, takes none
MAX_BYTES = 50_000_000  # of a file; the file before it is kept as FILE.1


class AuditLog:
    """Audit log of one worker. Several workers append to one file, and each of them may rotate it."""

    def __init__(self, file: Path, per_second: float = PER_SECOND) -> None:
        """Open the file for appending.

        Args:
            file: file of JSON lines; created if it does not exist.
            per_second: average number of lines; in a second after a quiet one there may be three times as many.

        Raises:
            OSError: if the file cannot be opened.
        """
        self._file = file
        self._logger = logging.Logger("audit")  # outside the hierarchy, so that no configuration mutes or repeats it
        self._logger.addHandler(_File(file, encoding="utf-8"))
        self._waiting: deque[Mapping[str, Any]] = deque()
        self._per_second, self._quota = per_second, per_second
        # One thread may reserve lines while another writes, so each has its own count. The third counts both.
        self._denied, self._failures, self._reported = 0, 0, 0
        self._refilled = self._written = time.monotonic()
        self._failed = False

    def reserve(self, wanted: int) -> int:
        """Return the number of lines that the caller must append now. The other wanted lines count as left out.

        A batch gets all of its lines (at most one second's quota) or none, and the quota is deducted afterwards. The
        first line of a group accounts for most of the cost.
        """
        now = time.monotonic()
        self._quota = min(self._quota + (now - self._refilled) * self._per_second, self._per_second)
        self._refilled = now
        granted = min(wanted, int(self._per_second)) if self._quota >= 1 and len(self._waiting) < MAX_WAITING else 0
        self._quota -= granted
        self._denied += wanted - granted
        return granted

    def append(self, line: Mapping[str, Any]) -> None:
        """Keep a line for `flush`, which another thread may call."""
        self._waiting.append(line)

    def flush(self, *, last: bool = False) -> None:
        """Write the waiting lines.

        If nothing was written for a second, or at the end, also write the number of left-out lines.
        """
        first = True
        while self._waiting:
            try:
                self._write(self._waiting.popleft(), check=first)
            except Exception:
                self._failures += 1
                logger.exception("a line of the audit log could not be written")
            first = False
        quiet = time.monotonic() - self._written >= 1
        if (quiet or last) and not self._failed and self._denied + self._failures > self._reported:
            self._write({"time": timestamp(time.time())}, check=True)

    def _write(self, line: Mapping[str, Any], *, check: bool) -> None:
        """Write a line, with the number of lines left out before it.

        A line that cannot be written, for example on a full disk, is left out. The log says so once, until a line can
        be written again.

        Args:
            line: fields of the line.
            check: rotate or repair the file first if necessary. The check takes longer than the write, so it is done
                once for several lines.
        """
        self._written = time.monotonic()
        count = self._denied + self._failures
        left_out = {"left_out": count - self._reported} if count > self._reported else {}
        try:
            if check or self._failed:
                self._rotate()
                self._end_cut_line()
            self._logger.info(json.dumps({**line, **left_out}, separators=(",", ":")))
        except OSError as error:
            self._failures += 1
            if not self._failed:
                logger.error("the audit log %s can't be written, and lines are left out: %s", self._file, error)
            self._failed = True
        else:
            self._reported, self._failed = count, False

    def _rotate(self) -> None:
        """Rename a file that has reached its maximum size; a pipe or a terminal never does."""
        with contextlib.suppress(OSError):  # another worker was first
            if self._is_full():
                with lock(self._file) as held:
                    # Another worker may have rotated it meanwhile; a second rename would overwrite the file just kept.
                    if held is not False and self._is_full():
                        self._file.replace(self._file.with_name(f"{self._file.name}.1"))

    def _is_full(self) -> bool:
        return self._file.is_file() and self._file.stat().st_size > MAX_BYTES

    def _end_cut_line(self) -> None:
        """End a line of any worker that a full disk has cut."""
        with contextlib.suppress(FileNotFoundError):  # another worker renamed it
            if self._is_cut():
                with lock(self._file, wait=True) as held:
                    # Another worker may have ended it meanwhile, and a line looks cut while it is being written.
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
    """Return seconds since 1970 in the format of an audit-log line."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


class _File(WatchedFileHandler):
    def handleError(self, _: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Raise the error, because logging would print a traceback for each line."""
        self.stream = None  # its buffer has the line, which counts as left out
        raise  # logging calls this method while it handles the error
