"""Processor cores that this process and its children may use, the time that they have used, and their priority."""

import contextlib
import math
import os
from collections.abc import Iterator
from pathlib import Path

import psutil

_ROOT = Path("/sys/fs/cgroup")
_PROCESS = Path("/proc/self/cgroup")
_BACKGROUND = "SHOPCAT_BACKGROUND"  # environment variable; "normal" leaves the priority as it is


def n_cores(root: Path = _ROOT, process: Path = _PROCESS) -> int:
    """Return the number of cores: those of the affinity mask, and at most the quota of the control groups.

    Args:
        root: where the control groups are mounted.
        process: file with the control groups of this process.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min([cores, *(_quota(folder, cores) for folder in _groups(root, process))])


def cpu_seconds(root: Path = _ROOT, process: Path = _PROCESS) -> float:
    """Return the CPU time in seconds that the outermost control group with a quota has used, or else the machine.

    Args:
        root: where the control groups are mounted.
        process: file with the control groups of this process.
    """
    cores = os.cpu_count() or 1
    for folder in reversed(list(_groups(root, process))):
        if _quota(folder, cores + 1) <= cores:
            with contextlib.suppress(OSError, KeyError, ValueError):
                if (file := folder / "cpu.stat").exists() and not (folder / "cpuacct.usage").exists():
                    statistics = dict(line.split() for line in file.read_text(encoding="ascii").splitlines())
                    return int(statistics["usage_usec"]) / 1e6
                return int((folder / "cpuacct.usage").read_text(encoding="ascii")) / 1e9  # version 1
    times = psutil.cpu_times()
    idle = times.idle + getattr(times, "iowait", 0.0)
    return sum(times[: 8 if len(times) > 8 else None]) - idle  # without the time of guests, which "user" contains


def lower_priority() -> None:
    """Let this process run only while no other process wants the processor, and end first if the memory is full.

    Nothing changes if the environment variable ``SHOPCAT_BACKGROUND`` is ``normal``, for a machine that has nothing
    else to do.
    """
    if os.environ.get(_BACKGROUND) == "normal":
        return
    with contextlib.suppress(OSError):
        os.nice(19)
    with contextlib.suppress(OSError):  # Linux
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    if hasattr(os, "SCHED_IDLE"):  # Linux
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def _groups(root: Path, process: Path) -> Iterator[Path]:
    """Yield the folders of a process's control groups for the CPU, from the innermost to the outermost."""
    try:
        lines = process.read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        mount = root if controllers == "" else root / "cpu"
        if controllers and "cpu" not in controllers.split(","):
            continue
        group = mount / path.lstrip("/")
        for folder in (group, *group.parents):
            if not folder.is_relative_to(mount):
                break
            yield folder


def _quota(folder: Path, cores: int) -> int:
    """Return the number of cores that a control group may use; ``cores`` if it has no quota."""
    try:
        if (file := folder / "cpu.max").exists():  # version 2
            quota, period = file.read_text(encoding="ascii").split()
        else:
            quota = (folder / "cpu.cfs_quota_us").read_text(encoding="ascii").strip()
            period = (folder / "cpu.cfs_period_us").read_text(encoding="ascii").strip()
    except OSError:
        return cores
    return math.ceil(int(quota) / int(period)) if quota.isdecimal() else cores  # otherwise "max", or -1
