"""What is told of a worker's batches after they were answered: figures for Prometheus, lines for the audit log."""

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

from handlers.context import Context
from handlers.telemetry import metrics
from handlers.telemetry.audit_log import AuditLog, timestamp
from runtime.clock import Clock
from schemas.problems import Problem

logger = logging.getLogger(__name__)

START_HEADER = "x-request-start"  # when the front door had the request: microseconds since 1970
_EVERY_S = 0.25  # seconds
_LONGEST_S = 300.0  # that a request may have taken; what says more was written by a client
MAX_ECHO = 128  # characters of what a client names itself by


class _Noted(NamedTuple):
    """What is kept of a batch until it is counted.

    It is little: to keep the replies would cost more than to count them, because their memory, used again at once,
    stays in the cache.

    Attributes:
        size: requests.
        seconds: by stage.
        starts: of each request when it came, as the front door says it.
        end: when their answers were written, in seconds since 1970.
        statuses: of the requests that have a problem.
        gist: of the replies to the others.
    """

    size: int
    seconds: Mapping[str, float]
    starts: Sequence[bytes | None]
    end: float
    statuses: Sequence[int]
    gist: Any

    def worked(self) -> float:
        """Seconds that all stages took."""
        return sum(self.seconds.values())


class Telemetry:
    """One worker's. A batch is noted when it was answered, and counted with others, by a thread, four times a second.

    To count it at once would take a tenth of a worker's time: code that runs once a batch, after all else that a batch
    takes, is no longer in the processor's caches. A worker that is killed takes the last figures with it. Another
    thread writes the audit log, so that no figure waits for a disk.

    Attributes:
        clock: the batch's; whoever answers it says where a stage ends.
    """

    def __init__(
        self,
        model: str,
        version: str,
        *,
        gist: Callable[[Sequence[Any]], Any],
        count: Callable[[str, Sequence[Any]], None],
        describe: Callable[[Any], dict[str, Any]],
        audit: AuditLog | None = None,
    ) -> None:
        """Set up.

        Args:
            model: the model's name, a label of all figures.
            version: the bundle's.
            gist: what is counted of a batch's replies, and nothing else of them.
            count: counts the gists of many batches.
            describe: what the audit line has of a reply.
            audit: where lines go, if anywhere.
        """
        self.clock = Clock()
        self._model, self._version = model, version
        self._gist, self._count, self._describe, self._audit = gist, count, describe, audit
        self._stages = {stage: metrics.STAGE_SECONDS.labels(model, stage) for stage in metrics.STAGES}
        self._batch_size = metrics.BATCH_SIZE.labels(model)
        self._starts: Sequence[bytes | None] = ()  # the batch's
        self._noted: deque[_Noted] = deque()
        self._counting, self._writing = threading.Lock(), threading.Lock()

    def start(self) -> None:
        """Tell, from now on until the process ends, of what is noted."""
        for tell in (self._count_noted, self._write_lines):
            threading.Thread(target=_again_and_again, args=(tell,), name="telemetry", daemon=True).start()
        atexit.register(self.tell, last=True)

    def begin(self, context: Context) -> None:
        """Pick out what the front door says of a batch's requests, while these are in the processor's caches."""
        self._starts = context.get_request_headers(START_HEADER)

    def note(
        self,
        context: Context,
        data: Sequence[Mapping[str, Any]],
        written: Sequence[tuple[Any, bytes]],
        problems: Sequence[Problem],
        end: float,
    ) -> None:
        """Keep what is to be told of a batch, since which no other has begun.

        Args:
            context: the batch's.
            data: the fields of each request.
            written: of each its outcome and body.
            problems: those among the outcomes.
            end: when they were written, in seconds since 1970.
        """
        try:
            noted = self._note(written, problems, end)
            self._noted.append(noted)
            if self._audit and (room := self._audit.room(len(written))):
                totals = noted.worked() + np.nan_to_num(_queued([noted]))
                for place, total in enumerate(totals[:room].tolist()):
                    self._audit.put(self._line(context, place, data[place], *written[place], noted, total))
        except Exception:
            logger.exception("a batch was answered, and not all is told of it")

    def _note(self, written: Sequence[tuple[Any, bytes]], problems: Sequence[Problem], end: float) -> _Noted:
        if problems:
            replies = [outcome for outcome, _ in written if not isinstance(outcome, Problem)]
        else:
            replies = [outcome for outcome, _ in written]
        statuses = [problem.status for problem in problems]
        return _Noted(len(written), self.clock.seconds, self._starts, end, statuses, self._gist(replies))

    def tell(self, *, last: bool = False) -> None:
        """Tell of all that was noted. What goes wrong here is logged; it is no client's business."""
        self._count_noted()
        self._write_lines(last=last)

    def _write_lines(self, *, last: bool = False) -> None:
        if self._audit:
            with self._writing:
                self._audit.flush(last=last)

    def _count_noted(self) -> None:
        with self._counting:
            batches = [self._noted.popleft() for _ in range(len(self._noted))]
            if not batches:
                return
            try:
                for stage, seconds in _by_stage(batches).items():
                    self._stages[stage].observe_many(seconds)
                self._batch_size.observe_many([batch.size for batch in batches])
                statuses = Tally(status for batch in batches for status in batch.statuses)
                statuses[200] = sum(batch.size for batch in batches) - statuses.total()
                metrics.add(metrics.REQUESTS, self._model, +statuses)
                self._count(self._model, [batch.gist for batch in batches])
            except Exception:
                logger.exception("%d batches were answered, and not all is counted of them", len(batches))

    def _line(
        self,
        context: Context,
        place: int,
        fields: Mapping[str, Any],
        outcome: Any,
        body: bytes,
        batch: _Noted,
        total: float,
    ) -> dict[str, Any]:
        """The audit line of a request of a batch, with these fields, that was answered with this body."""
        # Without a front door names come as the client spelt them; and what is no text is of a field, not of a header.
        named = context.get_all_request_header(place).items()
        headers = {name.lower(): value for name, value in named if isinstance(value, str)}
        asked, trace = headers.get("x-request-id"), headers.get("traceparent")
        failed = isinstance(outcome, Problem)
        return {
            "time": timestamp(batch.end),
            "id": (asked or context.get_request_id(place) or "")[:MAX_ECHO],
            **({"traceparent": trace[:MAX_ECHO]} if trace else {}),
            "model": self._model,
            "version": self._version,
            "status": outcome.status if failed else 200,
            "bytes_in": sum(len(value) for value in fields.values() if isinstance(value, (bytes, str))),
            "bytes_out": len(body),
            "batch": batch.size,
            "seconds": {stage: round(spent, 6) for stage, spent in (*batch.seconds.items(), ("total", total))},
            **({"problem": outcome.type} if failed else self._describe(outcome)),
        }


def _again_and_again(tell: Callable[[], None]) -> None:
    while True:
        time.sleep(_EVERY_S)
        tell()


def _by_stage(batches: Sequence[_Noted]) -> dict[str, Sequence[float] | NDArray[np.float64]]:
    """The seconds of batches, or of their requests, by stage."""
    of_batches: dict[str, list[float]] = {stage: [] for stage in metrics.STAGES}
    for batch in batches:
        for stage, spent in batch.seconds.items():
            of_batches[stage].append(spent)
    queued = _queued(batches)
    worked = np.repeat([batch.worked() for batch in batches], [batch.size for batch in batches])
    return {**of_batches, "queue": queued[~np.isnan(queued)], "total": worked + np.nan_to_num(queued)}


def _queued(batches: Sequence[_Noted]) -> NDArray[np.float64]:
    """Of each request the seconds from the front door to the worker; NaN where that is not known."""
    starts = np.array([_seconds(start) for batch in batches for start in batch.starts])
    begun = np.repeat([batch.end - batch.worked() for batch in batches], [batch.size for batch in batches])
    queued = begun - starts
    return np.where(queued < _LONGEST_S, np.maximum(queued, 0.0), np.nan)


def _seconds(start: bytes | None) -> float:
    """When the front door had a request, in seconds since 1970; NaN if its header does not say so."""
    # A client may have written it: no more digits than the year 5138 has are a number to int.
    return int(start) / 1e6 if start is not None and len(start) <= 17 and start.isdigit() else math.nan
