"""Answers that are kept for a moment, so that many callers cost no more than one."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

Answer = TypeVar("Answer")


class Recent(Generic[Answer]):
    """Function whose answer is kept for some seconds; callers at the same time wait for one call and share its answer.

    >>> calls = []
    >>> count = Recent(lambda: calls.append(1) or len(calls), seconds=60)
    >>> count(), count()
    (1, 1)
    """

    def __init__(self, function: Callable[[], Answer], seconds: float = 1.0) -> None:
        """Set up without a call.

        Args:
            function: function to call.
            seconds: age at which an answer is old.
        """
        self._function, self._seconds = function, seconds
        self._lock = threading.Lock()
        self._answer: tuple[float, Answer] | None = None

    def __call__(self) -> Answer:
        """Return an answer that is not old."""
        with self._lock:
            if self._answer is None or time.monotonic() - self._answer[0] >= self._seconds:
                answer = self._function()
                self._answer = time.monotonic(), answer
            return self._answer[1]
