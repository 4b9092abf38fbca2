"""Times in answers: UTC, as RFC 3339 writes them."""

import datetime as dt


def utc(seconds: float) -> str:
    """Return a time in UTC.

    >>> utc(0)
    '1970-01-01T00:00:00Z'
    """
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
