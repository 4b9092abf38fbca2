"""What is told of a worker's batches after they were answered: figures for Prometheus, lines for the audit log."""

import atexit
import logging
import threading
import time
from collections import Counter as Tally
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from handlers import metrics
from handlers.audit import AuditLog
from handlers.context import Context
from runtime.clock import Clock
from schemas.problems import Problem

logger = logging.getLogger(__name__)

START_HEADER = "x-request-start"  # when the front door had the request: microseconds since 1970
_EVERY_S, _MANY = 0.1, 64  # seconds, batches
_LONGEST_S = 300.0  # that a request may have taken; what says more was written by a client
MAX_ECHO = 128  # characters of what a client names itself by


class _Noted:
    """What is kept of batches until they are counted: numbers, and what little of a reply is counted.

    To keep the replies would cost more than to count them: their memory, used again at once, stays in the cache.

    Attributes:
        sizes: requests, by batch.
        statuses: of the requests that have a problem.
        gists: of the replies to the others.
        seconds: by stage.
    """

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.statuses: list[int] = []
        self.gists: list[Any] = []
        self.seconds: dict[str, list[float]] = {stage: [] for stage in metrics.STAGES}


class Telemetry:
    """One worker's. A batch is noted when it is answered, and counted with some others.

    Counting batch by batch would take a tenth of a worker's time. So it is done every 64th batch, and by a thread, ten
    times a second, for what is left and for the audit log, which waits for a disk. The thread has little to do under
    load: while it works the worker can't. A worker that is killed takes a tenth of a second's figures with it.

    Attributes:
        clock: the batch's; whoever answers it says where a stage ends.
    """

    def __init__(
        self,
        model: str,
        version: str,
        *,
        gist: Callable[[Sequence[Any]], Sequence[Any]],
        count: Callable[[str, Sequence[Any]], None],
        describe: Callable[[Any], dict[str, Any]],
        audit: AuditLog | None = None,
    ) -> None:
        """Set up.

        Args:
            model: the model's name, a label of all figures.
            version: the bundle's.
            gist: what is counted of a batch's replies, and nothing else of them.
            count: counts it, of many batches.
            describe: what the audit line has of a reply.
            audit: where lines go, if anywhere.
        """
        self.clock = Clock()
        self._model, self._version = model, version
        self._gist, self._count, self._describe, self._audit = gist, count, describe, audit
        self._stages = {stage: metrics.STAGE_SECONDS.labels(model, stage) for stage in metrics.STAGES}
        self._batch_size = metrics.BATCH_SIZE.labels(model)
        self._noted = _Noted()
        self._lines: deque[dict[str, Any]] = deque()  # of the audit log
        self._noting, self._telling, self._writing = threading.Lock(), threading.Lock(), threading.Lock()

    def start(self) -> None:
        """Forget what was noted, which no client asked for, and tell of what is noted from now on."""
        self._noted = _Noted()
        self._lines.clear()
        threading.Thread(target=self._tell_forever, name="telemetry", daemon=True).start()
        atexit.register(self.tell)

    def note(self, context: Context, data: Sequence[Mapping[str, Any]], written: Sequence[tuple[Any, bytes]]) -> None:
        """Keep what is to be told of a batch: of its requests' fields, and of each its outcome and body."""
        try:
            totals = self._note(context, [outcome for outcome, _ in written])
            for place in range(self._audit.room(len(written)) if self._audit else 0):
                seconds = {**self.clock.seconds, "total": totals[place]}
                self._lines.append(self._line(context, place, data[place], *written[place], len(written), seconds))
        except Exception:
            logger.exception("a batch was answered, and not all is told of it")
        if len(self._noted.sizes) >= _MANY:
            self._count_noted()

    def _note(self, context: Context, outcomes: Sequence[Any]) -> Sequence[float]:
        """Keep what is counted of a batch; returns each request's seconds from its start, or of the worker's work."""
        seconds = self.clock.seconds
        worked = sum(seconds.values())
        queued, totals = list[float](), [worked] * len(outcomes)
        # The front door says it of all requests. Without one only a client can, whose word is not looked for in each.
        if outcomes and context.get_request_header(0, START_HEADER) is not None:
            end = time.time()
            for place in range(len(outcomes)):
                since = _since(context.get_request_header(place, START_HEADER), end)
                if since is not None:
                    queued.append(max(since - worked, 0.0))
                    totals[place] = max(since, worked)
        problems = [outcome.status for outcome in outcomes if isinstance(outcome, Problem)]
        replies = [outcome for outcome in outcomes if not isinstance(outcome, Problem)] if problems else outcomes
        gists = self._gist(replies)
        with self._noting:
            noted = self._noted
            noted.sizes.append(len(outcomes))
            noted.statuses += problems
            noted.gists += gists
            noted.seconds["queue"] += queued
            noted.seconds["total"] += totals
            for stage, spent in seconds.items():
                noted.seconds[stage].append(spent)
        return totals

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
            with self._noting:
                noted, self._noted = self._noted, _Noted()
            if not noted.sizes:
                return
            try:
                for stage, spents in noted.seconds.items():
                    self._stages[stage].observe_many(spents)
                self._batch_size.observe_many(noted.sizes)
                good = sum(noted.sizes) - len(noted.statuses)
                metrics.add(metrics.REQUESTS, self._model, Tally(noted.statuses) + Tally({200: good}))
                self._count(self._model, noted.gists)
            except Exception:
                logger.exception("%d batches were answered but not counted", len(noted.sizes))

    def _tell_forever(self) -> None:
        while True:
            time.sleep(_EVERY_S)
            self.tell()

    def _line(
        self,
        context: Context,
        place: int,
        fields: Mapping[str, Any],
        outcome: Any,
        body: bytes,
        batch: int,
        seconds: Mapping[str, float],
    ) -> dict[str, Any]:
        """The audit line of a request of a batch of some size, with these fields, that was answered with this body."""
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
            "batch": batch,
            "seconds": {stage: round(spent, 6) for stage, spent in seconds.items()},
            **({"problem": outcome.type} if failed else self._describe(outcome)),
        }


def _since(start: str | None, end: float) -> float | None:
    """Seconds since the front door had a request, if its header says when, and that can be; 0 if it is to come."""
    # A client may have written it: no digit but ASCII's, and no more than the year 5138 has, are a number to int.
    if start is None or len(start) > 17 or not (start.isascii() and start.isdigit()):
        return None
    since = end - int(start) / 1e6
    return max(since, 0.0) if since < _LONGEST_S else None
