"""Batches of what has arrived while the last batch was computed."""

import asyncio
import logging
import signal
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from handlers.batch import AnsweredBatch
from handlers.http import Request, Response
from handlers.python.settings import Limits

logger = logging.getLogger(__name__)

AnswerBatch = Callable[[Sequence[Request]], AnsweredBatch]


class OverloadedError(Exception):
    """More requests wait than the worker may have."""


class Batcher:
    """Computes requests in batches on the thread of the event loop.

    A batch takes all requests that have arrived, up to its size, and waits for no others. Requests that arrive while it
    is computed are the next batch. A second thread would compute no faster, because it would share the interpreter with
    the event loop, and each hand-over would take longer than a forecast does.
    """

    def __init__(
        self,
        answer: AnswerBatch,
        *,
        size: int,
        timeout: float,
        limits: Limits,
        loop: asyncio.AbstractEventLoop,
        end: Callable[[], None],
    ) -> None:
        """Prepare for requests.

        Args:
            answer: function that answers a batch.
            size: largest number of requests in a batch.
            timeout: seconds for a batch; after them an alarm ends the process, because nothing else can stop it.
            limits: limits of the requests in progress.
            loop: the running event loop.
            end: function that ends the process, after a batch that failed as a whole.
        """
        self._answer, self._size, self._timeout, self._limits = answer, size, timeout, limits
        self._loop, self._end = loop, end
        self._waiting: deque[_Waiting] = deque()
        self._expensive = dict.fromkeys(limits.expensive, 0)
        self._is_scheduled = False

    def submit(self, request: Request, reply: Callable[[Response], None]) -> "_Waiting":
        """Take a request, and call ``reply`` with its response later.

        Returns:
            A handle with which the request can be cancelled before it is computed.

        Raises:
            OverloadedError: if a limit is reached.
        """
        limits = self._limits
        expensive = None
        if limits.max_concurrent is not None:
            if len(self._waiting) >= limits.max_concurrent:
                raise OverloadedError
            path = "explanations" if request.explain else "predictions"
            limit = limits.expensive.get(path)
            if limit and len(request.fields.get("body", b"")) >= limit.min_body_bytes:
                if self._expensive[path] >= limit.max_concurrent:
                    raise OverloadedError
                self._expensive[path] += 1
                expensive = path
        waiting = _Waiting(request, reply, expensive)
        self._waiting.append(waiting)
        if not self._is_scheduled:
            self._is_scheduled = True
            self._loop.call_soon(self._run)  # once all sockets with requests have been read
        return waiting

    def _run(self) -> None:
        """Compute a batch, reply, and schedule what is left."""
        batch = self._take()
        if batch:
            try:
                self._answer_all(batch)
            except BaseException:
                # Its clients would wait for ever. The end of the process closes their connections, and the gateway
                # sends their requests to another worker.
                logger.critical("this worker ends and is replaced: a batch failed as a whole", exc_info=True)
                self._end()
                raise
        if self._waiting:
            self._loop.call_soon(self._run)
        else:
            self._is_scheduled = False

    def _take(self) -> "list[_Waiting]":
        """Return the next requests that still wait; they count for no limit any more."""
        batch: list[_Waiting] = []
        while self._waiting and len(batch) < self._size:
            waiting = self._waiting.popleft()
            if waiting.expensive:
                self._expensive[waiting.expensive] -= 1
            if waiting.reply:
                batch.append(waiting)
        return batch

    def _answer_all(self, batch: "Sequence[_Waiting]") -> None:
        signal.setitimer(signal.ITIMER_REAL, self._timeout)
        responses, finish = self._answer([waiting.request for waiting in batch])
        signal.setitimer(signal.ITIMER_REAL, 0)
        for waiting, response in zip(batch, responses, strict=True):
            if waiting.reply:
                waiting.reply(response)
        self._loop.call_soon(finish)  # the loop writes the responses first


class _Waiting:
    """A request that waits for its batch.

    Attributes:
        request: the request.
        reply: function that takes the response; None after the request was cancelled.
        expensive: name of the limit that the request counts for; None for none.
    """

    __slots__ = ("expensive", "reply", "request")

    def __init__(self, request: Request, reply: Callable[[Response], None], expensive: str | None) -> None:
        self.request, self.expensive = request, expensive
        self.reply: Callable[[Response], None] | None = reply

    def cancel(self, *_: Any) -> None:
        """Do not compute the request if it still waits, and do not reply."""
        self.reply = None
