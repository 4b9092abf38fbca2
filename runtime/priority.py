"""Priority of processes that work in the background."""

import os
from contextlib import suppress
from pathlib import Path

SETTING = "SHOPCAT_BACKGROUND"  # environment variable; "normal" leaves the priority as it is


def lower_priority() -> None:
    """Let this process run only while no other process wants the processor, and end first if the memory is full.

    Nothing changes if the environment variable ``SHOPCAT_BACKGROUND`` is ``normal``, for a machine that has nothing
    else to do.
    """
    if os.environ.get(SETTING) == "normal":
        return
    with suppress(OSError):
        os.nice(19)
    with suppress(OSError):  # Linux
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    if hasattr(os, "SCHED_IDLE"):  # Linux
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
