"""Record metrics and audit-log lines for a worker's batches, after the responses have been sent."""

import atexit
import logging
import math
import threading
import time
from collections import Counter as Tally
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from handlers.context import BatchContext
from handlers.telemetry import metrics
from handlers.telemetry.audit_log import AuditLog, timestamp
from handlers.telemetry.observer import Observer
from runtime.clock import Clock
from schemas.problems import Problem

logger = logging.getLogger(__name__)

START_HEADER = "x-request-start"  # time when the gateway received the request, in microseconds since 1970
_FLUSH_INTERVAL_S = 0.25
_MAX_QUEUE_S = 300.0  # a longer wait in the queue is a forged header
MAX_ECHO = 128  # characters of an id that the client chose


class BatchRecord(NamedTuple):
    """Values of a batch that are kept until they are counted.

    The answers are not kept: their memory, reused at once, stays in the cache, so keeping them would cost more than
    counting them.

    Attributes:
        size: number of requests.
        seconds: seconds by stage.
        starts: time when the gateway received each request, as its header has it.
        end: time when the responses were serialized, in seconds since 1970.
        statuses: HTTP statuses of the requests with a problem.
        summary: the observer's summary of all other answers.
    """

    size: int
    seconds: Mapping[str, float]
    starts: Sequence[bytes | None]
    end: float
    statuses: Sequence[int]
    summary: Any

    def total_seconds(self) -> float:
        """Return the seconds of all stages together."""
        return sum(self.seconds.values())


class Telemetry:
    """Telemetry of one worker. It records a batch after its responses, and a thread counts the records of 0.25 s.

    Counting at once would take a tenth of a worker's time. Code that runs once a batch, after all other work of the
    batch, is no longer in the processor's caches. A killed worker loses its last records. A second thread writes the
    audit log, so that no metric waits for a disk.

    Attributes:
        clock: stopwatch of the current batch; the code that answers the batch marks the end of each stage.
    """

    def __init__(
        self, model: str, version: str, observer: Observer[Any, Any], *, audit: AuditLog | None = None
    ) -> None:
        """Initialize the telemetry; `start` begins it.

        Args:
            model: name of the model, the label of all metrics.
            version: version of the bundle.
            observer: observer of the model's answers.
            audit: audit log; None for none.
        """
        self.clock = Clock()
        self._model, self._version, self._observer, self._audit = model, version, observer, audit
        self._stages = {stage: metrics.STAGE_SECONDS.labels(model, stage) for stage in metrics.STAGES}
        self._batch_size = metrics.BATCH_SIZE.labels(model)
        self._starts: Sequence[bytes | None] = ()  # of the current batch
        self._records: deque[BatchRecord] = deque()
        self._counting, self._writing = threading.Lock(), threading.Lock()

    def start(self) -> None:
        """Flush the records regularly from now on, and once more when the process ends."""
        for flush in (self._count_records, self._write_lines):
            threading.Thread(target=_repeat, args=(flush,), name="telemetry", daemon=True).start()
        atexit.register(self.flush, last=True)

    def begin(self, context: BatchContext) -> None:
        """Read the start times of a batch's requests, while its headers are in the processor's caches."""
        self._starts = context.get_request_headers(START_HEADER)

    def record(
        self,
        context: BatchContext,
        data: Sequence[Mapping[str, Any]],
        responses: Sequence[tuple[Any, bytes]],
        problems: Sequence[Problem],
        end: float,
    ) -> None:
        """Record the batch that began last.

        Args:
            context: context of the batch.
            data: fields of each request.
            responses: outcome and body of each response.
            problems: problems among the outcomes.
            end: time when the responses were serialized, in seconds since 1970.
        """
        try:
            record = self._make_record(responses, problems, end)
            self._records.append(record)
            if self._audit and (n_lines := self._audit.reserve(len(responses))):
                totals = record.total_seconds() + np.nan_to_num(_queue_seconds([record]))
                for index, total in enumerate(totals[:n_lines].tolist()):
                    self._audit.append(self._line(context, index, data[index], *responses[index], record, total))
        except Exception:
            logger.exception("telemetry of a batch is incomplete")

    def _make_record(
        self, responses: Sequence[tuple[Any, bytes]], problems: Sequence[Problem], end: float
    ) -> BatchRecord:
        if problems:
            answers = [outcome for outcome, _ in responses if not isinstance(outcome, Problem)]
        else:
            answers = [outcome for outcome, _ in responses]
        statuses = [problem.status for problem in problems]
        summary = self._observer.summarize(answers)
        return BatchRecord(len(responses), self.clock.seconds, self._starts, end, statuses, summary)

    def flush(self, *, last: bool = False) -> None:
        """Count all records and write all lines. An error is logged, since no client is concerned."""
        self._count_records()
        self._write_lines(last=last)

    def _write_lines(self, *, last: bool = False) -> None:
        if self._audit:
            with self._writing:
                self._audit.flush(last=last)

    def _count_records(self) -> None:
        with self._counting:
            records = [self._records.popleft() for _ in range(len(self._records))]
            if not records:
                return
            try:
                for stage, seconds in _seconds_by_stage(records).items():
                    self._stages[stage].observe_many(seconds)
                self._batch_size.observe_many([record.size for record in records])
                statuses = Tally(status for record in records for status in record.statuses)
                statuses[200] = sum(record.size for record in records) - statuses.total()
                metrics.add(metrics.REQUESTS, self._model, +statuses)
                self._observer.count(self._model, [record.summary for record in records])
            except Exception:
                logger.exception("metrics of %d batches are incomplete", len(records))

    def _line(
        self,
        context: BatchContext,
        index: int,
        fields: Mapping[str, Any],
        outcome: Any,
        body: bytes,
        record: BatchRecord,
        total: float,
    ) -> dict[str, Any]:
        """Return the audit-log line of one request of a batch."""
        # Without a gateway, header names are spelt as the client did. A value that is not text belongs to a form field.
        items = context.get_all_request_header(index).items()
        headers = {name.lower(): value for name, value in items if isinstance(value, str)}
        request_id, trace = headers.get("x-request-id"), headers.get("traceparent")
        failed = isinstance(outcome, Problem)
        return {
            "time": timestamp(record.end),
            "id": (request_id or context.get_request_id(index) or "")[:MAX_ECHO],
            **({"traceparent": trace[:MAX_ECHO]} if trace else {}),
            "model": self._model,
            "version": self._version,
            "status": outcome.status if failed else 200,
            "bytes_in": sum(len(value) for value in fields.values() if isinstance(value, (bytes, str))),
            "bytes_out": len(body),
            "batch": record.size,
            "seconds": {stage: round(seconds, 6) for stage, seconds in (*record.seconds.items(), ("total", total))},
            **({"problem": outcome.type} if failed else self._observer.audit_fields(outcome)),
        }


def _repeat(flush: Callable[[], None]) -> None:
    while True:
        time.sleep(_FLUSH_INTERVAL_S)
        flush()


def _seconds_by_stage(records: Sequence[BatchRecord]) -> dict[str, Sequence[float] | NDArray[np.float64]]:
    """Return the seconds of each stage: one value for each request in ``queue`` and ``total``, else for each batch."""
    by_batch: dict[str, list[float]] = {stage: [] for stage in metrics.STAGES}
    for record in records:
        for stage, seconds in record.seconds.items():
            by_batch[stage].append(seconds)
    queue = _queue_seconds(records)
    worked = np.repeat([record.total_seconds() for record in records], [record.size for record in records])
    return {**by_batch, "queue": queue[~np.isnan(queue)], "total": worked + np.nan_to_num(queue)}


def _queue_seconds(records: Sequence[BatchRecord]) -> NDArray[np.float64]:
    """Return the seconds of each request between the gateway and the worker; NaN where the start is unknown."""
    starts = np.array([_start_seconds(start) for record in records for start in record.starts])
    begun = np.repeat([record.end - record.total_seconds() for record in records], [record.size for record in records])
    queue = begun - starts
    return np.where(queue < _MAX_QUEUE_S, np.maximum(queue, 0.0), np.nan)


def _start_seconds(start: bytes | None) -> float:
    """Return the time when the gateway received a request, in seconds since 1970; NaN if the header has none."""
    # A client may have forged it. 17 digits, enough until the year 5138, keep int() fast.
    return int(start) / 1e6 if start is not None and len(start) <= 17 and start.isdigit() else math.nan
