"""serving.signals: a signal ends a wait, whichever thread receives it and whatever the main thread does."""

import signal
import threading
import time

import pytest

from serving.signals import stop_on_signal, wait_for


def test_a_condition_ends_the_wait() -> None:
    event = threading.Event()
    threading.Thread(target=event.set).start()
    wait_for(event.is_set)


@pytest.mark.parametrize("delay", [0.0, 0.01, 0.03, 0.049, 0.05, 0.051, 0.07, 0.1])
def test_a_signal_to_another_thread_ends_the_wait_and_breaks_no_lock(delay: float) -> None:
    """The main thread runs the handler at any point of its wait."""
    event, ready = threading.Event(), threading.Event()

    def send() -> None:
        ready.wait()
        time.sleep(delay)
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

    sender = threading.Thread(target=send)
    sender.start()
    stopped = True
    with stop_on_signal():
        ready.set()
        wait_for(event.is_set)
        stopped = False
    sender.join()
    assert stopped
    event.set()
    assert event.wait(0)
