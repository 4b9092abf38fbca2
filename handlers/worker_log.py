"""Log lines of a worker: JSON objects on stderr, which the runner passes on, and each traceback once."""

import logging
import os
import sys
import traceback
from collections import OrderedDict

from handlers.worker_settings import INSTANCE
from runtime.log_lines import JsonFormatter

_MAX_TRACEBACKS = 100  # kinds of tracebacks that are remembered


class TracebackLimiter(logging.Filter):
    """Filter that keeps the traceback of the first of several records whose tracebacks are the same.

    Each later record keeps its message and its error, and names the record with the traceback. Errors are the same if
    they have the same type and come from the same lines of code.
    """

    def __init__(self) -> None:
        super().__init__()
        self._seen: OrderedDict[tuple[object, ...], tuple[str, int]] = OrderedDict()

    def filter(self, record: logging.LogRecord) -> bool:
        """Remove a traceback that was logged before; never reject a record."""
        if not record.exc_info or record.exc_info[0] is None:
            return True
        error_type, error, frames = record.exc_info
        key = (error_type, *((frame.f_code, line) for frame, line in traceback.walk_tb(frames)))
        first, count = self._seen.pop(key, (getattr(record, "error_id", record.getMessage()), 0))
        self._seen[key] = first, count + 1
        if len(self._seen) > _MAX_TRACEBACKS:
            self._seen.popitem(last=False)
        if count:
            name = error_type.__name__
            record.msg = f"{record.getMessage()}: {name}: {error} (traceback as under {first}; seen {count + 1} times)"
            record.args, record.exc_info, record.exc_text = (), None, None
        return True


def log_lines(model: str) -> None:
    """Let this process write all its log records as JSON lines from now on.

    TorchServe logs two lines for each batch below the level of warnings. Without them a worker answers half as many
    requests again.

    Args:
        model: name of the model, a field of every line.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        JsonFormatter("worker", model=model, instance=int(os.environ.get(INSTANCE, "0")), pid=os.getpid())
    )
    handler.addFilter(TracebackLimiter())
    root = logging.getLogger()
    root.setLevel(logging.WARNING)
    root.handlers[:] = [handler]
