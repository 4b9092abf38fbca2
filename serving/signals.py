"""What a running service is told by signals."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

STOP = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def asked_to_stop() -> Iterator[None]:
    """Leave the block quietly at SIGINT or SIGTERM, which raise KeyboardInterrupt in it."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    # SIGINT too: a shell's background job starts with it ignored.
    previous = {number: signal.signal(number, stop) for number in STOP}
    try:
        yield
    except KeyboardInterrupt:
        return
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def postponed() -> Iterator[None]:
    """Let SIGINT and SIGTERM wait for the end of the block: told to stop a second time, we must not leave half of it.

    To block them would not do. It does so for one thread, and Python runs a handler in the main thread whichever got
    the signal.
    """
    if threading.current_thread() is not threading.main_thread():  # which no signal interrupts
        yield
        return
    came: list[int] = []
    previous = {number: signal.signal(number, lambda number, _: came.append(number)) for number in STOP}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])


@contextlib.contextmanager
def asked_to_reload() -> Iterator[threading.Event]:
    """An event that SIGHUP sets; where the signal means that the terminal is gone, it is SIGTERM's business."""
    event, terminal = threading.Event(), os.isatty(0)

    def note(_signal: int, _frame: FrameType | None) -> None:
        if terminal and not os.isatty(0):
            raise KeyboardInterrupt
        event.set()

    previous = signal.signal(signal.SIGHUP, note)
    try:
        yield event
    finally:
        signal.signal(signal.SIGHUP, previous)
