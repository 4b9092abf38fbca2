"""Distances to events of the calendar, which promotions, holidays and closures share."""

import numpy as np

from sales.arrays import AnyArray, Bool
from sales.calendar import count_last, days_since, days_until

UNTIL = 14  # days; plans are rarely known further ahead


def around(name: str, event: Bool) -> dict[str, AnyArray]:
    """Return the number of days with an event in the week up to each day, and in the week from it.

    Args:
        name: name of the event.
        event: ``[store, day]``, true on the days of the event.

    Returns:
        ``NAME_bw`` and ``NAME_fw``, each ``[store, day]`` and 0 to 7; both weeks include the day itself.
    """
    return {f"{name}_bw": count_last(event, 7), f"{name}_fw": count_last(event[:, ::-1], 7)[:, ::-1]}


def distance(name: str, event: Bool, longest: int) -> dict[str, AnyArray]:
    """Return the days since the last event, at most ``longest``, and the days until the next one, at most ``UNTIL``.

    Args:
        name: name of the event.
        event: ``[store, day]``, true on the days of the event.
        longest: value before the first event, and upper bound, in days.

    Returns:
        ``SinceNAME`` and ``UntilNAME``, each ``[store, day]``.
    """
    since, until = days_since(event), days_until(event)
    return {
        f"Since{name}": np.where(since < 0, longest, np.minimum(since, longest)),
        f"Until{name}": np.where(until < 0, UNTIL, np.minimum(until, UNTIL)),
    }
