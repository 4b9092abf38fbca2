"""A function that ends the worker which runs it, as a lack of memory does."""

import os
import signal


def end_the_process(*_: object) -> None:
    """Kill this process."""
    os.kill(os.getpid(), signal.SIGKILL)
