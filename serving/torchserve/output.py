"""Output of a TorchServe instance: lines of its front end, and of its workers, which the front end passes on."""

import logging
import re
from collections import defaultdict, deque
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from runtime.log_lines import read_line, set_fields, set_level
from serving.output import ProcessOutput
from serving.tracebacks import Traceback

_WORKER_LINES = 5  # lines of a worker that are kept
# Names of log4j's threads and loggers (settings/log4j2.xml writes both).
_THREAD = re.compile(r"W-(?P<worker>\d+)-(?P<model>.+)-(stdout|stderr)")
_WORKER_LOGGER = "MODEL_LOG"
_PID = re.compile(r"\[PID\](\d+)")
_STREAM_ENDED = "Stopped Scanner - "
# Lines that a worker writes at each start. There are enough of them to hide others.
_START_LINES = re.compile(
    r"s_name_part0=|Listening on port: |Successfully loaded .*metrics\.yaml|\[PID\]\d|Python runtime: "
    r"|Connection accepted: |model_name: "
)


@dataclass
class _Worker:
    """State of a worker's output: its PID, last lines, a traceback that is not complete yet, and ended streams."""

    model: str
    pid: int | None = None
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=_WORKER_LINES))
    traceback: Traceback = field(default_factory=Traceback)
    ended: int = 0


class TorchServeOutput(ProcessOutput):
    """Output of a TorchServe instance, whose front end passes on the lines of its workers."""

    def __init__(self, instance: int, models: Collection[str]) -> None:
        """Set up for an instance that is not started yet.

        Args:
            instance: as for `ProcessOutput`.
            models: names of its models.
        """
        super().__init__("torchserve", instance)
        self._models = sorted(models, key=len, reverse=True)
        self._workers: defaultdict[str, _Worker] = defaultdict(lambda: _Worker(""))
        self._errors: deque[str] = deque(maxlen=_WORKER_LINES)

    def worker_errors(self) -> list[str]:
        """Return the last lines of the last tracebacks of workers, in their order."""
        return list(self._errors)

    def records(self, line: str) -> list[logging.LogRecord]:
        """Return the log records of a line that log4j wrote, or of a worker's line within it."""
        record = read_line(line)
        if record is None:  # Java writes it before log4j starts, or when it crashes
            return [_record(line)]
        fields: dict[str, Any] = getattr(record, "fields", {})
        found, name = _THREAD.fullmatch(str(fields.pop("thread", ""))), fields.get("logger")
        if found is None:
            return [record]
        worker = self._workers[found["worker"]]
        worker.model = self._model(found["model"])
        if name == _WORKER_LOGGER:
            return self._worker_records(worker, record)
        if record.msg.startswith(_STREAM_ENDED):
            worker.ended += 1
            if worker.ended < 2:  # stdout and stderr
                return []
            del self._workers[found["worker"]]
            return [*self._complete(worker), *self._end(worker)]
        return [self._of_worker(record, worker)]

    def last_records(self) -> list[logging.LogRecord]:
        """Return the incomplete tracebacks of all workers."""
        return [record for worker in self._workers.values() for record in self._complete(worker)]

    def _model(self, name_and_version: str) -> str:
        return next((name for name in self._models if name_and_version.startswith(f"{name}_")), name_and_version)

    def _worker_records(self, worker: _Worker, record: logging.LogRecord) -> list[logging.LogRecord]:
        """Return the records of a worker's line. The lines of a traceback become one record."""
        text = record.getMessage()
        if found := _PID.search(text):
            worker.pid = int(found[1])
        if (completed := worker.traceback.add(text)) is not None:
            return [self._of_worker(traceback, worker) for traceback in completed]
        if inner := read_line(text):
            return [self._of_worker(inner, worker)]
        del record.__dict__["fields"]
        if _START_LINES.match(text):
            set_level(record, "debug")
        return [self._of_worker(record, worker)]

    def _complete(self, worker: _Worker) -> list[logging.LogRecord]:
        """Return a worker's traceback as one record, if it has written one."""
        return [self._of_worker(traceback, worker) for traceback in worker.traceback.complete()]

    def _end(self, worker: _Worker) -> list[logging.LogRecord]:
        """Return the record of a worker's end, unless the instance is being stopped."""
        if self.stopping:
            return []
        lines = "".join(f"\n  {line}" for line in worker.lines)
        message = f"a worker of {worker.model} ended, and TorchServe starts another; its last lines:{lines}"
        return [self._of_worker(_record(message, "error"), worker)]

    def _of_worker(self, record: logging.LogRecord, worker: _Worker) -> logging.LogRecord:
        """Add the fields that a worker's record does not have, and remember its line."""
        known = {"source": "worker", "model": worker.model, "pid": worker.pid}
        set_fields(record, {name: value for name, value in known.items() if not hasattr(record, name)})
        if record.levelno > logging.DEBUG:
            worker.lines.append(record.getMessage())
        if record.exc_text:
            error = record.exc_text.splitlines()[-1]
            worker.lines.append(error)
            self._errors.append(error)
        return record


def _record(message: str, level: str = "info") -> logging.LogRecord:
    record = logging.makeLogRecord({"msg": message})
    set_level(record, level)
    return record
