"""Log of `shopcat serve`: the lines of all processes of the service, on stderr and in a file."""

import contextlib
import copy
import logging
import queue
import sys
from collections.abc import Iterator
from logging.handlers import QueueHandler, QueueListener, WatchedFileHandler
from pathlib import Path

from runtime.errors import UserError
from runtime.log_lines import JsonFormatter, LogFormat, TextFormatter

logger = logging.getLogger(__name__)

_WAITING = 10_000  # lines in memory while nobody reads stderr, or a disk is slow; further ones are left out
_STOP_S = 5.0  # time to write the last lines


class LogError(UserError):
    """The file of the log can't be opened."""


@contextlib.contextmanager
def logging_to(log_format: LogFormat, file: Path | None = None) -> Iterator[None]:
    """Write all log lines to stderr, and to a file, until the block ends.

    A thread writes them, so that a full disk or a reader that hangs does not stop the service.

    Args:
        log_format: form of the lines on stderr. Text leaves out the lines of other processes below the level "warning".
        file: file to append the lines to, as JSON. If it is renamed, a new one begins.

    Raises:
        LogError: if the file can't be opened.
    """
    stderr = _Stderr(sys.stderr)
    stderr.setFormatter(TextFormatter() if log_format == "text" else JsonFormatter())
    if log_format == "text":
        stderr.addFilter(lambda record: record.levelno > logging.INFO or not hasattr(record, "source"))
    handlers: list[logging.Handler] = [stderr]
    if file:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            handlers.append(_File(file, stderr))
        except OSError as error:
            raise LogError(f"--log {file} can't be opened: {error}; name a file in a writable folder") from error
    root = logging.getLogger()
    before, writer = root.handlers[:], _Writer(handlers)
    root.handlers = [writer.handler]
    writer.start()
    try:
        yield
    finally:
        root.handlers = before
        writer.stop()
        if file:
            handlers[-1].close()


class _Queue(QueueHandler):
    """Handler that puts records into a bounded queue.

    Attributes:
        left_out: number of records that did not fit.
    """

    def __init__(self) -> None:
        self.queue: queue.Queue[logging.LogRecord | None] = queue.Queue(_WAITING)
        super().__init__(self.queue)
        self.left_out = 0

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        """Return a copy that does not depend on objects that may change."""
        record = copy.copy(record)
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        record.msg, record.args, record.exc_info = record.getMessage(), None, None
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        """Put a record into the queue if it fits."""
        try:
            self.queue.put_nowait(record)
        except queue.Full:
            self.left_out += 1


class _Writer(QueueListener):
    """Thread that writes the queue's records."""

    def __init__(self, handlers: list[logging.Handler]) -> None:
        self.handler = _Queue()
        super().__init__(self.handler.queue, *handlers)

    def handle(self, record: logging.LogRecord) -> None:
        """Write a record, and the number of those that did not fit into the queue, once it has room."""
        super().handle(record)
        if self.handler.left_out and self.handler.queue.empty():
            count, self.handler.left_out = self.handler.left_out, 0
            message = f"{count} log lines were left out, because they came faster than they could be written"
            super().handle(_warning(message))

    def stop(self) -> None:
        """Write the waiting records and end, within a few seconds even if a handler hangs."""
        with contextlib.suppress(queue.Full):
            self.handler.queue.put(None, timeout=_STOP_S)  # the listener's mark for its end
        if self._thread is not None:
            self._thread.join(_STOP_S)
            self._thread = None


class _Stderr(logging.StreamHandler):  # type: ignore[type-arg]
    def handleError(self, _: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Ignore an error: if nobody reads stderr, there is no place to report it."""


class _File(WatchedFileHandler):
    """Handler of the file. It reports to stderr once that the file can't be written, until it can again."""

    def __init__(self, file: Path, stderr: logging.Handler) -> None:
        super().__init__(file, encoding="ascii")
        self.setFormatter(JsonFormatter())
        self._stderr, self._failed = stderr, False

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record."""
        try:
            if self.stream is None:
                self.stream = self._open()
            self.reopenIfNeeded()
            # A failed write may have cut a line.
            self.stream.write(f"{self.terminator * self._failed}{self.format(record)}{self.terminator}")
            self.stream.flush()
            self._failed = False
        except (OSError, ValueError) as error:
            if not self._failed:
                self._stderr.handle(_warning(f"the log {self.baseFilename} can't be written, and lacks lines: {error}"))
            self._failed = True
            stream, self.stream = self.stream, None
            if stream is not None:
                with contextlib.suppress(OSError):  # it tries once more to write what it holds
                    stream.close()


def _warning(message: str) -> logging.LogRecord:
    return logging.makeLogRecord({"msg": message, "levelno": logging.WARNING, "levelname": "WARNING"})
