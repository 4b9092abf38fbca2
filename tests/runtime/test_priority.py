"""runtime.cores: work in the background gives way to all else, unless the environment says otherwise."""

import os
import subprocess
import sys

import pytest

PROGRAM = "import os; from runtime.cores import lower_priority; before = os.nice(0); lower_priority()"


def printed(expression: str, setting: str) -> str:
    """Return the value of an expression in a process that has called `lower_priority`."""
    command = [sys.executable, "-c", f"{PROGRAM}; print({expression})"]
    return subprocess.run(
        command, capture_output=True, text=True, check=True, env=os.environ | {"SHOPCAT_BACKGROUND": setting}
    ).stdout.strip()


@pytest.mark.parametrize(("setting", "gives_way"), [("", True), ("normal", False)])
def test_a_process_gives_way_unless_the_environment_says_otherwise(setting: str, gives_way: bool) -> None:
    assert printed("os.nice(0) == 19 and before < 19", setting) == str(gives_way)


@pytest.mark.skipif(not hasattr(os, "SCHED_IDLE"), reason="Linux has the idle class")
def test_it_runs_in_the_idle_class() -> None:
    assert printed("os.sched_getscheduler(0) == os.SCHED_IDLE", "") == "True"
