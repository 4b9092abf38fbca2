"""Tracebacks in the output of a process: lines that become one log record."""

import logging
import re

from runtime.log_lines import set_level

_MAX_LINES = 200
_EXCEPTION, _FAULT = "Traceback (most recent call last):", "Fatal Python error: "  # the second from faulthandler
_STACK = "Thread 0x", "Current thread 0x"  # how a stack begins that faulthandler writes at a signal
# Lines of a traceback before its last one, which names the error.
_WITHIN = re.compile(
    r"\s|$|Traceback \(most|During handling of|The above exception was|Fatal Python error|Current thread|Thread 0x"
)


class Traceback:
    """The lines of a traceback that is not complete yet."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def add(self, line: str) -> list[logging.LogRecord] | None:
        """Add a line that may belong to a traceback.

        Returns:
            The record of the traceback, if the line completes it, or no record; None if the line belongs to none.
        """
        if not self._lines and not line.startswith((_EXCEPTION, _FAULT, *_STACK)):
            return None
        self._lines.append(line)
        return [] if _WITHIN.match(line) and len(self._lines) < _MAX_LINES else self.complete()

    def complete(self) -> list[logging.LogRecord]:
        """Return the record of the lines so far; none if there are no lines."""
        if not self._lines:
            return []
        first, last = self._lines[0], self._lines[-1]
        message = "stacks at a signal" if first.startswith(_STACK) else first if first.startswith(_FAULT) else last
        record = logging.makeLogRecord({"msg": message, "exc_text": "\n".join(self._lines)})
        set_level(record, "error")
        self._lines = []
        return [record]
