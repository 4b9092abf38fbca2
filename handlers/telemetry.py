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
_EVERY_S = 0.1
MAX_ECHO = 128  # characters of what a client names itself by


class _Noted(NamedTuple):
    """A batch that was answered.

    Attributes:
        context: the batch's.
        data: each request's fields.
        written: each request's outcome, a reply or a problem, and the body that was made of it.
        seconds: by stage.
        end: when it was done, in seconds since 1970.
    """

    context: Context
    data: Sequence[Mapping[str, Any]]
    written: Sequence[tuple[Any, bytes]]
    seconds: Mapping[str, float]
    end: float


class Telemetry:
    """One worker's. A batch is noted when it is answered; a thread tells of all that were noted, ten times a second.

    Telling batch by batch would take a tenth of a worker's time, and the client's. A worker that is killed takes a
    tenth of a second's figures with it.

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

    def start(self) -> None:
        """Forget what was noted, which no client asked for, and tell of what is noted from now on."""
        self._noted.clear()
        threading.Thread(target=self._tell_forever, name="telemetry", daemon=True).start()
        atexit.register(self.tell)

    def note(self, context: Context, data: Sequence[Mapping[str, Any]], written: Sequence[tuple[Any, bytes]]) -> None:
        """Keep a batch until it is told: its requests' fields, and of each its outcome and the body made of it."""
        self._noted.append(_Noted(context, data, written, self.clock.seconds, time.time()))

    def tell(self) -> None:
        """Tell of what was noted. What goes wrong here is logged; it is no client's business."""
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
        requests: list[tuple[_Noted, int, float]] = []  # batch, place, total
        for batch in batches:
            for stage, spent in batch.seconds.items():
                stages[stage].append(spent)
            worked = sum(batch.seconds.values())
            for place in range(len(batch.written)):
                since = _since_start(batch.context, place, batch.end)
                if since is not None:
                    stages["queue"].append(max(since - worked, 0.0))
                requests.append((batch, place, max(since or 0.0, worked)))
        stages["total"] = [total for _, _, total in requests]
        for stage, spents in stages.items():
            self._stages[stage].observe_many(spents)
        self._batch_size.observe_many([len(batch.written) for batch in batches])
        outcomes = [outcome for batch in batches for outcome, _ in batch.written]
        problems = [outcome for outcome in outcomes if isinstance(outcome, Problem)]
        statuses = Tally(problem.status for problem in problems)
        replies = [outcome for outcome in outcomes if not isinstance(outcome, Problem)] if problems else outcomes
        metrics.add(metrics.REQUESTS, self._model, statuses + Tally({200: len(replies)}))
        self._count(self._model, replies)
        if self._audit is not None:
            for batch, place, total in requests[: self._audit.room(len(requests))]:
                self._audit.write(self._line(batch, place, total))

    def _line(self, batch: _Noted, place: int, total: float) -> dict[str, Any]:
        """The audit line of a request."""
        context, (outcome, body) = batch.context, batch.written[place]
        asked = context.get_request_header(place, "x-request-id")
        trace = context.get_request_header(place, "traceparent")
        failed = isinstance(outcome, Problem)
        return {
            "id": (asked or context.get_request_id(place) or "")[:MAX_ECHO],
            **({"traceparent": trace[:MAX_ECHO]} if trace else {}),
            "model": self._model,
            "version": self._version,
            "status": outcome.status if failed else 200,
            "bytes_in": sum(len(value) for value in batch.data[place].values() if isinstance(value, (bytes, str))),
            "bytes_out": len(body),
            "batch": len(batch.written),
            "seconds": {**{stage: round(s, 6) for stage, s in batch.seconds.items()}, "total": round(total, 6)},
            **({"problem": outcome.type} if failed else self._describe(outcome)),
        }


def _since_start(context: Context, place: int, end: float) -> float | None:
    """Seconds since the front door had a request, if it says when, and that was not in the future."""
    start = context.get_request_header(place, START_HEADER)
    # A client may have written it: no digit but ASCII's, and no more than the year 5138 has, are a number to int.
    if start is None or len(start) > 17 or not (start.isascii() and start.isdigit()):
        return None
    return max(end - int(start) / 1e6, 0.0)
