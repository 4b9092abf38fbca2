"""What is told of a worker's batches after they were answered: figures for Prometheus, lines for the audit log."""

import atexit
import logging
import threading
import time
from collections import Counter as Tally
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from handlers import metrics
from handlers.audit import AuditLog
from handlers.context import Context
from runtime.clock import Clock
from schemas.problems import Problem

logger = logging.getLogger(__name__)

START_HEADER = "x-request-start"  # when the front door had the request: microseconds since 1970
_EVERY_S, _MANY = 0.1, 16  # seconds, batches
MAX_ECHO = 128  # characters of what a client names itself by


class _Noted(NamedTuple):
    """What is kept of a batch that was answered.

    Not its requests: keeping them costs more than all counting; their memory, used again at once, stays in the cache.

    Attributes:
        outcomes: each request's, a reply or a problem.
        starts: when the front door had each request, as its header says.
        seconds: by stage.
        end: when it was done, in seconds since 1970.
    """

    outcomes: Sequence[Any]
    starts: Sequence[str | None]
    seconds: Mapping[str, float]
    end: float

    def total(self, place: int) -> float:
        """Seconds from a request's start to its answer, or of the worker's work if it has no start."""
        return max(_since(self.starts[place], self.end) or 0.0, sum(self.seconds.values()))


class Telemetry:
    """One worker's. A batch is noted when it is answered, and told of with some others.

    Telling batch by batch would take a tenth of a worker's time. So it is done every sixteenth batch, and by a thread,
    ten times a second, for what is left and for the audit log, which waits for a disk. The thread has little to do
    under load: while it works the worker can't. A worker that is killed takes a tenth of a second's figures with it.

    Attributes:
        clock: the batch's; whoever answers it says where a stage ends.
    """

    def __init__(
        self,
        model: str,
        version: str,
        *,
        count: Callable[[str, Sequence[Any]], None],
        describe: Callable[[Any], dict[str, Any]],
        audit: AuditLog | None = None,
    ) -> None:
        """Set up.

        Args:
            model: the model's name, a label of all figures.
            version: the bundle's.
            count: counts what a model's replies say.
            describe: what the audit line has of a reply.
            audit: where lines go, if anywhere.
        """
        self.clock = Clock()
        self._model, self._version, self._count, self._describe, self._audit = model, version, count, describe, audit
        self._stages = {stage: metrics.STAGE_SECONDS.labels(model, stage) for stage in metrics.STAGES}
        self._batch_size = metrics.BATCH_SIZE.labels(model)
        self._noted: deque[_Noted] = deque()
        self._lines: deque[dict[str, Any]] = deque()  # of the audit log
        self._telling, self._writing = threading.Lock(), threading.Lock()

    def start(self) -> None:
        """Forget what was noted, which no client asked for, and tell of what is noted from now on."""
        self._noted.clear()
        self._lines.clear()
        threading.Thread(target=self._tell_forever, name="telemetry", daemon=True).start()
        atexit.register(self.tell)

    def note(self, context: Context, data: Sequence[Mapping[str, Any]], written: Sequence[tuple[Any, bytes]]) -> None:
        """Keep what is to be told of a batch: of its requests' fields, and of each its outcome and body."""
        starts = [context.get_request_header(place, START_HEADER) for place in range(len(written))]
        batch = _Noted([outcome for outcome, _ in written], starts, self.clock.seconds, time.time())
        self._noted.append(batch)
        if self._audit is not None:
            try:
                for place in range(self._audit.room(len(written))):
                    self._lines.append(self._line(batch, place, context, data[place], written[place][1]))
            except Exception:
                logger.exception("a request was answered and has no line in the audit log")
        if len(self._noted) >= _MANY:
            self._count_noted()

    def tell(self) -> None:
        """Tell of all that was noted. What goes wrong here is logged; it is no client's business."""
        self._count_noted()
        with self._writing:
            while self._audit is not None and self._lines:
                try:
                    self._audit.write(self._lines.popleft())
                except Exception:
                    logger.exception("a line of the audit log could not be written")

    def _count_noted(self) -> None:
        with self._telling:
            batches = [self._noted.popleft() for _ in range(len(self._noted))]
            if not batches:
                return
            try:
                self._tell(batches)
            except Exception:
                logger.exception("%d batches were answered but not counted", len(batches))

    def _tell_forever(self) -> None:
        while True:
            time.sleep(_EVERY_S)
            self.tell()

    def _tell(self, batches: Sequence[_Noted]) -> None:
        stages: dict[str, list[float]] = {stage: [] for stage in metrics.STAGES}
        for batch in batches:
            for stage, spent in batch.seconds.items():
                stages[stage].append(spent)
            worked = sum(batch.seconds.values())
            for start in batch.starts:
                since = _since(start, batch.end)
                if since is not None:
                    stages["queue"].append(max(since - worked, 0.0))
                stages["total"].append(max(since or 0.0, worked))
        for stage, spents in stages.items():
            self._stages[stage].observe_many(spents)
        self._batch_size.observe_many([len(batch.outcomes) for batch in batches])
        outcomes = [outcome for batch in batches for outcome in batch.outcomes]
        problems = [outcome for outcome in outcomes if isinstance(outcome, Problem)]
        statuses = Tally(problem.status for problem in problems)
        replies = [outcome for outcome in outcomes if not isinstance(outcome, Problem)] if problems else outcomes
        metrics.add(metrics.REQUESTS, self._model, statuses + Tally({200: len(replies)}))
        self._count(self._model, replies)

    def _line(
        self, batch: _Noted, place: int, context: Context, fields: Mapping[str, Any], body: bytes
    ) -> dict[str, Any]:
        """The audit line of a request, with these fields, that was answered with this body."""
        outcome = batch.outcomes[place]
        asked = context.get_request_header(place, "x-request-id")
        trace = context.get_request_header(place, "traceparent")
        failed = isinstance(outcome, Problem)
        return {
            "id": (asked or context.get_request_id(place) or "")[:MAX_ECHO],
            **({"traceparent": trace[:MAX_ECHO]} if trace else {}),
            "model": self._model,
            "version": self._version,
            "status": outcome.status if failed else 200,
            "bytes_in": sum(len(value) for value in fields.values() if isinstance(value, (bytes, str))),
            "bytes_out": len(body),
            "batch": len(batch.outcomes),
            "seconds": {stage: round(s, 6) for stage, s in (*batch.seconds.items(), ("total", batch.total(place)))},
            **({"problem": outcome.type} if failed else self._describe(outcome)),
        }


def _since(start: str | None, end: float) -> float | None:
    """Seconds since the front door had a request, if its header says when, and that was not in the future."""
    # A client may have written it: no digit but ASCII's, and no more than the year 5138 has, are a number to int.
    if start is None or len(start) > 17 or not (start.isascii() and start.isdigit()):
        return None
    return max(end - int(start) / 1e6, 0.0)
