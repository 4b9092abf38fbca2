"""Waiting for a condition, in place of fixed sleeps."""

import time
from collections.abc import Callable


def until(done: Callable[[], object], seconds: float = 30.0) -> bool:
    """Return True as soon as a condition holds, and False if it does not within some seconds."""
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True
