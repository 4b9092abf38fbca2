"""Rate limits of a client: numbers of requests per second, minute, hour or day."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_SECONDS = {"s": 1, "min": 60, "h": 3600, "day": 86400}
_NAMES = {"s": "second", "min": "minute", "h": "hour", "day": "day"}
UNITS = tuple(_SECONDS)  # shortest period first
# A network of IPv6 is one client.
_ADDRESS = {"masked_remote_address": {"v4_prefix_mask_len": 32, "v6_prefix_mask_len": 64}}
_CLIENT = "x-shopcat-client"  # header with the client's name, by auth.lua
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


def client_filter(limits: Mapping[str, RateLimit]) -> dict[str, Any]:
    """Return the settings of Envoy's filter for the limits of clients with keys, by their names."""
    buckets = [([{"key": "client", "value": client}], limit) for client, limit in limits.items()]
    return _filter(buckets, [{"request_headers": {"header_name": _CLIENT, "descriptor_key": "client"}}])


def address_filter(limit: RateLimit) -> dict[str, Any]:
    """Return the settings of Envoy's filter for a limit of each address."""
    return _filter([([{"key": "masked_remote_address"}], limit)], [_ADDRESS])


def keyless_filter(limit: RateLimit) -> dict[str, Any]:
    """Return the settings of Envoy's filter for a limit of each address whose requests have no key."""
    header = {"name": _CLIENT, "present_match": True}
    keyless = {"descriptor_key": "keyless", "descriptor_value": "yes", "expect_match": False, "headers": [header]}
    entries = [{"key": "keyless", "value": "yes"}, {"key": "masked_remote_address"}]
    return _filter([(entries, limit)], [{"header_value_match": keyless}, _ADDRESS])


def _filter(
    buckets: Iterable[tuple[Sequence[Mapping[str, str]], RateLimit]], actions: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return the settings of a filter with a bucket for each descriptor that the actions may make of a request."""
    unlimited = {"max_tokens": 2**32 - 1, "tokens_per_fill": 2**32 - 1, "fill_interval": "1s"}
    return {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
        "stat_prefix": "clients",
        "filter_enabled": {"default_value": {"numerator": 100}},
        "filter_enforced": {"default_value": {"numerator": 100}},
        "enable_retry_after_header": True,
        # Each client has a bucket. Addresses get theirs when they send their first request.
        "always_consume_default_token_bucket": False,
        "token_bucket": unlimited,
        "max_dynamic_descriptors": 10_000,
        "descriptors": [{"entries": entries, "token_bucket": _bucket(limit)} for entries, limit in buckets],
        "rate_limits": [{"actions": actions}],
    }


def _bucket(limit: RateLimit) -> dict[str, Any]:
    fill = f"{limit.seconds}s"
    return {"max_tokens": limit.requests, "tokens_per_fill": limit.requests, "fill_interval": fill}
