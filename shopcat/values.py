"""Values as Python programs have them, in the types of a request."""

import datetime as dt
from collections.abc import Mapping
from typing import Any


def plain(value: Any) -> Any:
    """Return a value in the type of a request: no numpy scalar, no midnight.

    >>> plain({"date": dt.datetime(2015, 8, 1), "promo": True})
    {'date': datetime.date(2015, 8, 1), 'promo': True}
    """
    if isinstance(value, Mapping):
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if hasattr(value, "dtype") and getattr(value, "ndim", None) == 0:
        value = value.item()
    if isinstance(value, dt.datetime) and value.time() == dt.time() and value.tzinfo is None:
        return value.date()
    return value
