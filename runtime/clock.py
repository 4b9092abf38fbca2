"""Stopwatch with named laps, for the stages of a batch."""

from threading import Lock
from time import perf_counter


class Clock:
    """Seconds by stage since the last start. Every lap begins where the last one ended, so the stages have no gaps.

    Several threads may share a clock. The time between two laps then counts for the stage that ends, whichever thread
    ends it, so that the stages still add up to the time of the batch.

    >>> clock = Clock()
    >>> clock.start()
    >>> clock.lap("parse")
    >>> clock.lap("inference")
    >>> list(clock.seconds)
    ['parse', 'inference']
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._lock = Lock()
        self.start()

    @property
    def now(self) -> float:
        """Return the time when the last lap ended, in seconds of a clock that is never set."""
        return self._last

    def start(self) -> None:
        """Reset all stages and start the first lap."""
        self.seconds = {}
        self._last = perf_counter()

    def lap(self, stage: str) -> None:
        """End the current lap and add its seconds to a stage, which may have several laps."""
        with self._lock:
            now = perf_counter()
            self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._last
            self._last = now
