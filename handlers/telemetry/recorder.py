"""Record metrics and request-log lines for a worker's batches, after the responses have been sent."""

import atexit
import logging
import math
import threading
import time
from collections import Counter as Tally
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from handlers.http import MAX_ID, Request, header_columns
from handlers.telemetry import metrics
from handlers.telemetry.observer import Observer
from handlers.telemetry.request_log import RequestLog, timestamp
from handlers.telemetry.spans import ID_HEADER, TRACE_HEADER, Spans
from runtime.clock import Clock
from schemas.problems import Problem

logger = logging.getLogger(__name__)

# Headers that the gateway sets, and removes if a client sends them.
START_HEADER = b"x-request-start"  # time when it received the request, in microseconds since 1970
CLIENT_HEADER = b"x-shopcat-client"  # name of the client's API key

_FLUSH_INTERVAL_S = 0.25
MAX_QUEUE_S = 300.0  # a longer wait in the queue is impossible, if the model's settings do not say less
_CLOCK_STEP_S = 0.05  # a larger change of the wall clock within a flush interval is a step and no correction
_MAX_CLIENTS = 100  # values of a metric's label in one worker; further clients count together as "other"


class BatchRecord(NamedTuple):
    """Values of a batch that are kept until they are counted.

    The answers are not kept: their memory, reused at once, stays in the cache, so keeping them would cost more than
    counting them.

    Attributes:
        size: number of requests.
        seconds: seconds by stage.
        starts: time when the gateway received each request, as its header has it.
        clients: name of each request's client; empty if no request has one.
        end: time when the responses were serialized, in seconds since 1970.
        trusted: False if the wall clock was set while a request may have waited, so that the wait is unknown.
        statuses: HTTP statuses of the requests with a problem, by index.
        summary: the observer's summary of all other answers.
        traces: ``traceparent`` of each request; empty without traces.
        request_ids: id of each request; empty without traces.
        error_ids: ids of internal errors, by index.
    """

    size: int
    seconds: Mapping[str, float]
    starts: Sequence[bytes | None]
    clients: Sequence[bytes | None]
    end: float
    trusted: bool
    statuses: Mapping[int, int]
    summary: Any
    traces: Sequence[bytes | None] = ()
    request_ids: Sequence[bytes | None] = ()
    error_ids: Mapping[int, str] = MappingProxyType({})

    def total_seconds(self) -> float:
        """Return the seconds of all stages together."""
        return sum(self.seconds.values())


class Telemetry:
    """Telemetry of one worker. It records a batch after its responses, and a thread counts the records of 0.25 s.

    Counting at once would take a tenth of a worker's time. Code that runs once a batch, after all other work of the
    batch, is no longer in the processor's caches. A killed worker loses its last records. A second thread writes the
    request log, so that no metric waits for a disk.

    Attributes:
        clock: stopwatch of the current batch; the code that answers the batch marks the end of each stage.
    """

    def __init__(
        self,
        model: str,
        version: str,
        observer: Observer[Any, Any],
        *,
        request_log: RequestLog | None = None,
        behind_gateway: bool = True,
        max_queue_s: float = MAX_QUEUE_S,
        spans: Spans | None = None,
    ) -> None:
        """Initialize the telemetry; `start` begins it.

        Args:
            model: name of the model, the label of all metrics.
            version: version of the bundle.
            observer: observer of the model's answers.
            request_log: request log; None for none.
            behind_gateway: True if headers that only the gateway sets can be trusted.
            max_queue_s: longest possible time between gateway and worker, the model's timeout.
            spans: maker of spans; None for none.
        """
        self.clock = Clock()
        self._model, self._version, self._observer, self._log = model, version, observer, request_log
        self._stages = {stage: metrics.STAGE_SECONDS.labels(model, stage) for stage in metrics.STAGES}
        self._batch_size = metrics.BATCH_SIZE.labels(model)
        self._starts: Sequence[bytes | None] = ()  # of the current batch
        self._clients: Sequence[bytes | None] = ()
        self._spans = spans
        self._traces: tuple[Sequence[bytes | None], Sequence[bytes | None]] = (), ()
        self._behind_gateway, self._max_queue_s = behind_gateway, max_queue_s
        self._offset, self._distrusted_until = math.nan, -math.inf
        self._seen_clients: set[str] = set()
        self._logged: dict[str, int] = {}  # lines of the request log that are counted, by outcome
        self._records: deque[BatchRecord] = deque()
        self._counting, self._writing = threading.Lock(), threading.Lock()

    def start(self) -> None:
        """Flush the records regularly from now on, and once more when the process ends."""
        for flush in (self._count_records, self._write_lines):
            threading.Thread(target=_repeat, args=(flush,), name="telemetry", daemon=True).start()
        atexit.register(self.flush, last=True)

    def begin(self, requests: Sequence[Request]) -> None:
        """Read the gateway's headers of a batch's requests, while they are in the processor's caches."""
        if self._behind_gateway:
            self._starts, clients = header_columns(requests, START_HEADER, CLIENT_HEADER)
            self._clients = clients if any(clients) else ()
        else:
            self._starts = ()
        if self._spans:
            traces, ids = header_columns(requests, TRACE_HEADER, ID_HEADER)
            self._traces = (traces, ids) if any(traces) else ((), ())

    def record(self, requests: Sequence[Request], outcomes: Sequence[tuple[Any, bytes]], end: float) -> None:
        """Record the batch that began last.

        Args:
            requests: the requests.
            outcomes: answer or problem of each request, and its body.
            end: time when the responses were serialized, in seconds since 1970.
        """
        try:
            problems = {index: problem for index, (problem, _) in enumerate(outcomes) if isinstance(problem, Problem)}
            record = self._make_record(outcomes, problems, end)
            self._records.append(record)
            if self._log:
                self._log_batch(requests, outcomes, problems, record)
        except Exception:
            logger.exception("telemetry of a batch is incomplete")

    def _make_record(
        self, outcomes: Sequence[tuple[Any, bytes]], problems: Mapping[int, Problem], end: float
    ) -> BatchRecord:
        answers = [outcome for index, (outcome, _) in enumerate(outcomes) if index not in problems]
        statuses = {index: problem.status for index, problem in problems.items()}
        summary, seconds, trusted = self._observer.summarize(answers), self.clock.seconds, self._trusts(end)
        record = BatchRecord(len(outcomes), seconds, self._starts, self._clients, end, trusted, statuses, summary)
        if not self._traces[0]:
            return record
        error_ids = {index: problem.error_id for index, problem in problems.items() if problem.error_id}
        traces, request_ids = self._traces
        return record._replace(traces=traces, request_ids=request_ids, error_ids=error_ids)

    def _log_batch(
        self,
        requests: Sequence[Request],
        outcomes: Sequence[tuple[Any, bytes]],
        problems: Mapping[int, Problem],
        record: BatchRecord,
    ) -> None:
        """Write the lines of a batch that the request log takes."""
        assert self._log
        n_answers, n_problems = self._log.reserve(len(outcomes) - len(problems), len(problems))
        if not n_answers and not n_problems:
            return
        indices = sorted(
            [
                *[*problems][:n_problems],
                *[index for index in range(len(outcomes)) if index not in problems][:n_answers],
            ]
        )
        totals = record.total_seconds() + np.nan_to_num(self._queue_seconds([record]))
        for index in indices:
            total = float(totals[index])
            self._log.append(self._line(requests[index], index, *outcomes[index], record, total))

    def count_refusals(self, refusals: Tally[str]) -> None:
        """Count requests that the worker refused without asking the model, by kind of problem, and log them."""
        if refusals:
            metrics.add(metrics.REFUSALS, self._model, refusals)
            kinds = ", ".join(f"{number:,} {kind}" for kind, number in sorted(refusals.items()))
            logger.warning("refused without asking the model: %s", kinds)

    def flush(self, *, last: bool = False) -> None:
        """Count all records and write all lines. An error is logged, since no client is concerned."""
        self._count_records()
        self._write_lines(last=last)
        if self._spans and last:
            self._spans.flush()

    def _write_lines(self, *, last: bool = False) -> None:
        if self._log:
            with self._writing:
                self._log.flush(last=last)
                counts = self._log.counts
                lines = {outcome: count - self._logged.get(outcome, 0) for outcome, count in counts.items()}
                metrics.add(metrics.LOG_LINES, self._model, Tally(lines))
                self._logged = counts

    def _count_records(self) -> None:
        with self._counting:
            records = [self._records.popleft() for _ in range(len(self._records))]
            if not records:
                return
            try:
                for stage, seconds in self._seconds_by_stage(records).items():
                    self._stages[stage].observe_many(seconds)
                self._batch_size.observe_many([record.size for record in records])
                metrics.add(metrics.REQUESTS, self._model, self._count_statuses(records))
                self._observer.count(self._model, [record.summary for record in records])
            except Exception:
                logger.exception("metrics of %d batches are incomplete", len(records))
        if self._spans:
            for record in records:
                if record.traces:
                    self._spans.record(record, self._queue_seconds([record]).tolist())

    def _line(
        self,
        request: Request,
        index: int,
        outcome: Any,
        body: bytes,
        record: BatchRecord,
        total: float,
    ) -> dict[str, Any]:
        """Return the request-log line of one request of a batch."""
        trace = request.header(TRACE_HEADER)
        client = self._client(record, index)
        failed = isinstance(outcome, Problem)
        return {
            "time": timestamp(record.end),
            "id": request.id,
            **({"traceparent": trace[:MAX_ID]} if trace else {}),
            **({"client": client} if client else {}),
            "model": self._model,
            "version": self._version,
            "status": outcome.status if failed else 200,
            "bytes_in": sum(map(len, request.fields.values())),
            "bytes_out": len(body),
            "batch": record.size,
            "seconds": {stage: round(seconds, 6) for stage, seconds in (*record.seconds.items(), ("total", total))},
            **({"problem": outcome.type} if failed else self._observer.log_fields(outcome)),
            **({"error_id": outcome.error_id} if failed and outcome.error_id else {}),
        }

    @staticmethod
    def _client(record: BatchRecord, index: int) -> str:
        """Return the name of a request's client; empty if it has none."""
        name = record.clients[index] if record.clients else None
        return name.decode(errors="replace")[:MAX_ID] if name else ""

    def _count_statuses(self, records: Sequence[BatchRecord]) -> Tally[tuple[int, str]]:
        """Return the number of requests by status and client."""
        counts = Tally[tuple[int, str]]()
        for record in records:
            if record.clients:
                for index in range(record.size):
                    counts[record.statuses.get(index, 200), self._client_label(self._client(record, index))] += 1
            else:
                counts.update((status, "") for status in record.statuses.values())
                counts[200, ""] += record.size - len(record.statuses)
        return +counts

    def _client_label(self, client: str) -> str:
        if client not in self._seen_clients:
            if len(self._seen_clients) >= _MAX_CLIENTS:
                return "other"
            self._seen_clients.add(client)
        return client

    def _seconds_by_stage(self, records: Sequence[BatchRecord]) -> dict[str, Sequence[float] | NDArray[np.float64]]:
        """Return the seconds of each stage: one value per request in ``queue`` and ``total``, else per batch."""
        by_batch: dict[str, list[float]] = {stage: [] for stage in metrics.STAGES}
        for record in records:
            for stage, seconds in record.seconds.items():
                by_batch[stage].append(seconds)
        queue = self._queue_seconds(records)
        worked = np.repeat([record.total_seconds() for record in records], [record.size for record in records])
        return {**by_batch, "queue": queue[~np.isnan(queue)], "total": worked + np.nan_to_num(queue)}

    def _queue_seconds(self, records: Sequence[BatchRecord]) -> NDArray[np.float64]:
        """Return the seconds of each request between the gateway and the worker; NaN where they are unknown.

        Both times are the wall clock's. After a step of it, the seconds of all requests that may have begun before the
        step are unknown.
        """
        starts = np.array(
            [_start_seconds(start) for record in records for start in record.starts or [None] * record.size]
        )
        begun = np.repeat(
            [record.end - record.total_seconds() if record.trusted else math.nan for record in records],
            [record.size for record in records],
        )
        queue = begun - starts
        return np.where(queue < self._max_queue_s, np.maximum(queue, 0.0), np.nan)

    def _trusts(self, end: float) -> bool:
        """Return False if the wall clock was set while a request of the batch that ended now may have waited."""
        offset = end - self.clock.now
        if abs(offset - self._offset) > _CLOCK_STEP_S:
            self._distrusted_until = self.clock.now + self._max_queue_s
        self._offset = offset
        return self.clock.now >= self._distrusted_until


def _repeat(flush: Callable[[], None]) -> None:
    while True:
        time.sleep(_FLUSH_INTERVAL_S)
        try:
            flush()
        except Exception:  # or figures and lines would stop for good
            logger.exception("telemetry could not be flushed; trying again in %g s", _FLUSH_INTERVAL_S)


def _start_seconds(start: bytes | None) -> float:
    """Return the time when the gateway received a request, in seconds since 1970; NaN if the header has none."""
    # A client may have forged it. 17 digits, enough until the year 5138, keep int() fast.
    return int(start) / 1e6 if start is not None and len(start) <= 17 and start.isdigit() else math.nan
