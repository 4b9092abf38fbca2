"""Output of a worker in Python."""

import logging

from runtime.log_lines import read_line
from serving.output import ProcessOutput
from serving.tracebacks import Traceback


class WorkerOutput(ProcessOutput):
    """Output of a worker, whose lines are JSON but for those that Python itself writes when it ends."""

    def __init__(self, instance: int) -> None:
        """Set up for a worker that is not started yet.

        Args:
            instance: number of its instance.
        """
        super().__init__("worker", instance)
        self._traceback = Traceback()

    def records(self, line: str) -> list[logging.LogRecord]:
        """Return the log records of a line. The lines of a traceback become one record."""
        if read_line(line):
            return [*self._traceback.complete(), *super().records(line)]
        found = self._traceback.add(line)
        return super().records(line) if found is None else found

    def last_records(self) -> list[logging.LogRecord]:
        """Return the traceback at the end."""
        return self._traceback.complete()
