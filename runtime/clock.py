"""Where the time of a batch goes: a stopwatch whose laps have names."""

from time import perf_counter


class Clock:
    """Seconds by stage since the last start. Laps follow each other, so that the stages add up to the whole.

    >>> clock = Clock()
    >>> clock.start()
    >>> clock.lap("parse")
    >>> clock.lap("inference")
    >>> list(clock.seconds)
    ['parse', 'inference']
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.start()

    def start(self) -> None:
        """Begin anew."""
        self.seconds = {}
        self._last = perf_counter()

    def lap(self, stage: str) -> None:
        """What has passed since the last lap was of this stage; a stage may have several laps."""
        now = perf_counter()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._last
        self._last = now
