"""Signals that stop or reload a running service."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

STOP = (signal.SIGINT, signal.SIGTERM)
_POLL_S = 0.05


def wait_for(is_done: Callable[[], bool]) -> None:
    """Wait in the main thread until a function returns True, in steps.

    Linux may pass a signal to a thread that is just starting another one. The main thread, which runs the handlers,
    would sleep on. (Measured: on a busy machine, three of four SIGTERM had no effect while probes came.)

    It sleeps and holds no lock meanwhile: the exception of a handler inside of `threading.Event.wait` would leave the
    event's lock in another state than its code expects.
    """
    while not is_done():
        time.sleep(_POLL_S)


@contextlib.contextmanager
def stop_on_signal() -> Iterator[None]:
    """Leave the block quietly on SIGINT or SIGTERM, which raise KeyboardInterrupt in it."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    # SIGINT too: a shell starts background jobs with SIGINT ignored.
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
    """Postpone SIGINT and SIGTERM until the block ends, so that a second signal does not interrupt the cleanup.

    Blocking the signals would not suffice: it affects one thread only, and Python runs the handler in the main thread
    whichever thread received the signal.
    """
    if threading.current_thread() is not threading.main_thread():  # signals interrupt only the main thread
        yield
        return
    received: list[int] = []
    previous = {number: signal.signal(number, lambda number, _: received.append(number)) for number in STOP}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        if received:
            signal.raise_signal(received[0])


@contextlib.contextmanager
def reload_requests() -> Iterator[threading.Event]:
    """Yield an event that SIGHUP sets. If the terminal was closed, SIGHUP raises KeyboardInterrupt instead."""
    event, terminal = threading.Event(), os.isatty(0)

    def request(_signal: int, _frame: FrameType | None) -> None:
        if terminal and not os.isatty(0):
            raise KeyboardInterrupt
        event.set()

    previous = signal.signal(signal.SIGHUP, request)
    try:
        yield event
    finally:
        signal.signal(signal.SIGHUP, previous)
