"""Output of a started process: its lines go to the service's log, and the last ones are kept for error messages."""

import logging
import os
import select
import threading
import time
from collections import Counter, deque
from typing import IO

from runtime.log_lines import Source, read_line, set_fields, set_level

logger = logging.getLogger(__name__)

_KEPT = 40  # lines of a process
_LAST_WORDS_S = 5.0  # for the output of a process that has ended to be read
_MAX_BYTES = 64_000  # of a line; the rest of a longer one is dropped
# Limits of a process for each window of time. Lines above them are counted.
_WINDOW_S = 10.0
_REPEATED = 10  # lines with the same content
_LINES = 2_000
_TIMES = {"created", "msecs", "relativeCreated"}  # attributes of a record that differ between equal lines


class ProcessOutput:
    """Output of one process, read line by line until the process and its descendants have closed it.

    A line of JSON as `runtime.log_lines` writes it keeps its fields; any other line becomes a message. Lines that a
    process repeats without end are counted and not written, so that they fill no disk.

    Attributes:
        source: part of the service that the process is.
        instance: number of the instance; None for another process.
        pid: PID of the process, once it runs.
        stopping: set before the process is stopped; then its end is expected, and so are its warnings.
        ended: set when all output has been read.
    """

    def __init__(self, source: Source, instance: int | None = None) -> None:
        """Set up for a process that is not started yet."""
        self.source, self.instance = source, instance
        self.pid: int | None = None
        self.stopping = False
        self.ended = threading.Event()
        self._kept: deque[str] = deque(maxlen=_KEPT)
        self._limit = _Limit()

    def tail(self) -> str:
        """Return the last lines, for an error message."""
        lines = list(self._kept)  # in one step, because the reader's thread goes on
        if not lines:
            return "It has written nothing."
        return "\n".join(["The last lines of its output:", *(f"  {line}" for line in lines)])

    def last_words(self) -> str:
        """Return the last lines of a process that has ended, once they are read."""
        self.ended.wait(_LAST_WORDS_S)  # a descendant may hold the pipe open
        return self.tail()

    def read(self, stream: IO[bytes]) -> None:
        """Read a pipe to its end."""
        poll, rest, is_cut = select.poll(), b"", False
        poll.register(stream, select.POLLIN)
        while True:
            # The timeout lets the log count repeated lines even if the process then writes nothing.
            if not poll.poll(_WINDOW_S * 1000 if self._limit.counting else None):
                self._write_all(self._limit.next_window())
                continue
            content = os.read(stream.fileno(), 65536)
            *lines, rest = (rest + content).split(b"\n")
            for line in lines:
                if not is_cut:
                    self._take(line)
                is_cut = False
            if len(rest) > _MAX_BYTES:
                if not is_cut:
                    self._take(rest)
                is_cut, rest = True, b""
            if not content:
                break
        if rest and not is_cut:
            self._take(rest)
        self._write_all([*self.last_records(), *self._limit.next_window()])
        self.ended.set()

    def records(self, line: str) -> list[logging.LogRecord]:
        """Return the log records of a line of output; a subclass knows more about its process."""
        return [read_line(line) or logging.makeLogRecord({"msg": line, "levelno": logging.INFO, "levelname": "INFO"})]

    def last_records(self) -> list[logging.LogRecord]:
        """Return the records that are complete only at the end of the output."""
        return []

    def _take(self, line: bytes) -> None:
        text = line[:_MAX_BYTES].decode(errors="replace").rstrip()
        if text:
            self._write_all(self._limit.next_window() if self._limit.is_over() else [])
            if self._limit.admits_line():
                self._write_all([record for record in self.records(text) if self._limit.admits(record)])

    def _write_all(self, records: list[logging.LogRecord]) -> None:
        for record in records:
            record.name = logger.name
            if not hasattr(record, "source"):
                set_fields(record, {"source": self.source, "pid": self.pid})
            record.instance = self.instance
            if self.stopping and record.levelno > logging.INFO:
                set_level(record, "info")
            self._kept.extend(f"{record.getMessage()}\n{record.exc_text or ''}".rstrip().splitlines())
            if logger.isEnabledFor(record.levelno):
                logger.handle(record)


class _Limit:
    """Limit of a process's lines: how many of the same content, and how many at all, in a window of time."""

    def __init__(self) -> None:
        self._until, self._lines = time.monotonic() + _WINDOW_S, 0
        self._seen: Counter[tuple[object, ...]] = Counter()
        self._repeated: dict[tuple[object, ...], logging.LogRecord] = {}

    @property
    def counting(self) -> bool:
        """True if lines of this window were left out."""
        return bool(self._repeated) or self._lines > _LINES

    def is_over(self) -> bool:
        """Return True if the window has ended."""
        return time.monotonic() > self._until

    def admits_line(self) -> bool:
        """Count a line; return False if there were too many."""
        self._lines += 1
        return self._lines <= _LINES

    def admits(self, record: logging.LogRecord) -> bool:
        """Count a record; return False if there were too many with the same content."""
        key = tuple(sorted((name, repr(value)) for name, value in vars(record).items() if name not in _TIMES))
        self._seen[key] += 1
        if self._seen[key] <= _REPEATED:
            return True
        self._repeated[key] = record
        return False

    def next_window(self) -> list[logging.LogRecord]:
        """Begin a new window, and return records with the numbers of lines that the last one left out."""
        left_out = []
        for key, record in self._repeated.items():
            record.msg = f"{record.getMessage()} (repeated {self._seen[key] - _REPEATED} more times)"
            record.args, record.exc_text = None, None
            left_out.append(record)
        if self._lines > _LINES:
            message = f"{self._lines - _LINES} lines were left out: more than {_LINES} came in {_WINDOW_S:g} s"
            left_out.append(logging.makeLogRecord({"msg": message, "levelno": 30, "levelname": "WARNING"}))
        self._until, self._lines = time.monotonic() + _WINDOW_S, 0
        self._seen.clear()
        self._repeated.clear()
        return left_out
