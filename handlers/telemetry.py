"""What is told of a worker's batches once their answers have left: figures for Prometheus, lines for the audit log."""

import logging
import time
from collections import Counter as Tally
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from handlers import metrics
from handlers.audit import AuditLog
from handlers.context import Context
from runtime.clock import Clock

logger = logging.getLogger(__name__)

START_HEADER = "x-request-start"  # when the front door had the request: microseconds since 1970
MAX_ECHO = 128  # characters of what a client names itself by


class Answered(NamedTuple):
    """A request and its answer.

    Attributes:
        received: bytes of the request's body.
        sent: bytes of the answer's.
        status: HTTP's.
        outcome: the reply, or the problem.
    """

    received: int
    sent: int
    status: int
    outcome: Any


class Telemetry:
    """One worker's. A batch is noted when it is answered, and told when its answers are on their way.

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
        self._noted: tuple[Context, Sequence[Answered], float] | None = None

    def note(self, context: Context, answered: Sequence[Answered]) -> None:
        """Keep a batch until it is told."""
        self._noted = context, answered, time.time()

    def tell(self) -> None:
        """Tell of the batch that was noted last. What goes wrong here is logged; it is no client's business."""
        if self._noted is None:
            return
        (context, answered, end), self._noted = self._noted, None
        try:
            self._tell(context, answered, end)
        except Exception:
            logger.exception("a batch of %d requests was answered but not counted", len(answered))

    def _tell(self, context: Context, answered: Sequence[Answered], end: float) -> None:
        seconds = self.clock.seconds
        worked = sum(seconds.values())
        for stage, spent in seconds.items():
            self._stages[stage].observe(spent)
        totals = [_since_start(context, place, end) or worked for place in range(len(answered))]
        self._stages["total"].observe_many(totals)
        self._stages["queue"].observe_many([total - worked for total in totals if total > worked])
        self._batch_size.observe(len(answered))
        metrics.add(metrics.REQUESTS, self._model, Tally(each.status for each in answered))
        self._count(self._model, [each.outcome for each in answered if each.status == 200])
        if self._audit is not None:
            for place, (each, total) in enumerate(zip(answered, totals, strict=True)):
                if self._audit.has_room():
                    self._audit.write(self._line(context, place, each, total, len(answered)))

    def _line(self, context: Context, place: int, each: Answered, total: float, batch: int) -> dict[str, Any]:
        """The audit line of a request."""
        asked = context.get_request_header(place, "x-request-id")
        trace = context.get_request_header(place, "traceparent")
        spent = {stage: round(seconds, 6) for stage, seconds in self.clock.seconds.items()}
        described = self._describe(each.outcome) if each.status == 200 else {"problem": each.outcome.type}
        return {
            "id": (asked or context.get_request_id(place) or "")[:MAX_ECHO],
            **({"traceparent": trace[:MAX_ECHO]} if trace else {}),
            "model": self._model,
            "version": self._version,
            "status": each.status,
            "bytes_in": each.received,
            "bytes_out": each.sent,
            "batch": batch,
            "seconds": {**spent, "total": round(total, 6)},
            **described,
        }


def _since_start(context: Context, place: int, end: float) -> float | None:
    """Seconds since the front door had a request, if it says when, and that was not in the future."""
    start = context.get_request_header(place, START_HEADER)
    if start is None or not start.isdigit():
        return None
    return max(end - int(start) / 1e6, 0.0)
