"""Rate limits of a client: numbers of requests per second, minute, hour or day."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_SECONDS = {"s": 1, "min": 60, "h": 3600, "day": 86400}
_NAMES = {"s": "second", "min": "minute", "h": "hour", "day": "day"}
UNITS = tuple(_SECONDS)  # shortest period first
_RATE = re.compile(rf"([1-9][0-9]{{0,8}})/({'|'.join(_SECONDS)})")


@dataclass(frozen=True)
class RateLimit:
    """Largest number of requests in a period.

    A client may use all of them at once. The period's requests come back evenly, not all at its end.

    Attributes:
        requests: number of requests.
        unit: ``s``, ``min``, ``h`` or ``day``.
    """

    requests: int
    unit: str

    @property
    def seconds(self) -> int:
        """Length of the period in seconds."""
        return _SECONDS[self.unit]

    def __str__(self) -> str:
        return f"{self.requests:,} per {_NAMES[self.unit]}"


def parse_rate_limits(texts: Iterable[str]) -> tuple[RateLimit, ...]:
    """Return the limits of texts like ``10/s`` and ``5000/day``, shortest period first.

    Raises:
        ValueError: if a text has another form or two have the same period. The message does not repeat the text, which
            may be a part of a key.

    >>> [str(limit) for limit in parse_rate_limits(["5000/day", "10/s"])]
    ['10 per second', '5,000 per day']
    """
    limits: dict[str, RateLimit] = {}
    for text in texts:
        match = _RATE.fullmatch(text)
        if not match:
            raise ValueError("text that is not a rate limit, like 10/s, 100/min, 1000/h or 5000/day")
        limit = RateLimit(int(match[1]), match[2])
        if limits.setdefault(limit.unit, limit) != limit:
            raise ValueError(f"two limits per {_NAMES[limit.unit]}; write one for each period")
    return tuple(sorted(limits.values(), key=lambda limit: limit.seconds))


def describe(limits: Sequence[RateLimit]) -> str:
    """Return the limits in words.

    >>> describe(parse_rate_limits(["10/s", "5000/day"]))
    '10 requests per second and 5,000 per day'
    """
    first, *others = limits
    texts = [f"{first.requests:,} request{'s' * (first.requests > 1)} per {_NAMES[first.unit]}", *map(str, others)]
    return " and ".join([", ".join(texts[:-1]), texts[-1]]) if len(texts) > 1 else texts[0]
