"""Request log: a JSON line for each request, limited under load to a rate that a disk and a reader can take."""

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

PER_SECOND = 20.0  # answers that one worker writes
PROBLEMS_PER_SECOND = 100.0  # problems that one worker writes besides
_ALL = 1e12  # lines per second
MAX_WAITING = 10_000  # lines in memory while a disk, or the reader of a pipe, takes none
MAX_BYTES = 50_000_000  # of a file; the file before it is kept as FILE.1


class _Quota:
    """A number of lines per second; a second without lines gives the next one twice as many."""

    def __init__(self, per_second: float) -> None:
        self._per_second, self._most = per_second, max(per_second, 1.0)
        self._left, self._refilled = self._most, time.monotonic()

    def take(self, wanted: int) -> int:
        """Return how many of the wanted lines may be written.

        A batch gets all of its lines (at most one second's quota) or none, and the quota is deducted afterwards. The
        first line of a group accounts for most of the cost.
        """
        if not wanted:
            return 0
        now = time.monotonic()
        self._left = min(self._left + (now - self._refilled) * self._per_second, self._most)
        self._refilled = now
        granted = min(wanted, int(self._most)) if self._left >= 1 else 0
        self._left -= granted
        return granted


class RequestLog:
    """Request log of one worker. Several workers append to one file, and each of them may rotate it.

    Attributes:
        counts: number of lines so far by outcome: written, left_out (beyond the quota) and failed.
    """

    def __init__(self, file: Path, per_second: float = PER_SECOND) -> None:
        """Open the file for appending.

        Args:
            file: file of JSON lines; created if it does not exist.
            per_second: average number of lines about answers; 0 for all. Problems have a quota of their own.

        Raises:
            OSError: if the file cannot be opened.
        """
        self._file = file
        self._logger = logging.Logger("request log")  # outside the hierarchy, so that no configuration mutes it
        self._logger.addHandler(_File(file, encoding="utf-8"))
        self._waiting: deque[Mapping[str, Any]] = deque()
        self._answers = _Quota(per_second or _ALL)
        self._problems = _Quota(PROBLEMS_PER_SECOND if per_second else _ALL)
        # One thread may reserve lines while another writes, so each has its own count.
        self._denied, self._lost, self._failures, self._n_written, self._reported = 0, 0, 0, 0, 0
        self._written = time.monotonic()
        self._failed = False

    @property
    def counts(self) -> dict[str, int]:
        """Return the number of lines so far by outcome."""
        return {"written": self._n_written, "left_out": self._denied, "failed": self._lost + self._failures}

    def reserve(self, n_answers: int, n_problems: int = 0) -> tuple[int, int]:
        """Return the number of lines that the caller must append now, about answers and about problems.

        The other lines count as left out by the quota, or as failed if too many wait for the disk.
        """
        if len(self._waiting) >= MAX_WAITING:
            self._lost += n_answers + n_problems
            return 0, 0
        granted = self._answers.take(n_answers), self._problems.take(n_problems)
        self._denied += n_answers + n_problems - sum(granted)
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
                logger.exception("a line of the request log could not be written")
            first = False
        quiet = time.monotonic() - self._written >= 1
        if (quiet or last) and not self._failed and self._n_missing() > self._reported:
            self._write({"time": timestamp(time.time())}, check=True)

    def _n_missing(self) -> int:
        return self._denied + self._lost + self._failures

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
        count = self._n_missing()
        left_out = {"left_out": count - self._reported} if count > self._reported else {}
        try:
            if check or self._failed:
                self._rotate()
                self._end_cut_line()
            self._logger.info(json.dumps({**line, **left_out}, separators=(",", ":")))
        except OSError as error:
            self._failures += 1
            if not self._failed:
                logger.error("the request log %s can't be written, and lines are left out: %s", self._file, error)
            self._failed = True
        else:
            self._reported, self._failed = count, False
            self._n_written += "id" in line  # not a line that only counts others

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
    """Return seconds since 1970 in the format of a request-log line."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


class _File(WatchedFileHandler):
    def handleError(self, _: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Raise the error, because logging would print a traceback for each line."""
        self.stream = None  # its buffer has the line, which counts as left out
        raise  # logging calls this method while it handles the error
