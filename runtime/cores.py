"""Processor cores that this process and its children may use."""

import math
import os
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
_PROCESS = Path("/proc/self/cgroup")


def n_cores(root: Path = _ROOT, process: Path = _PROCESS) -> int:
    """Return the number of cores: those of the affinity mask, and at most the quota of the control groups.

    Args:
        root: where the control groups are mounted.
        process: file with the control groups of this process.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        lines = process.read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        return cores
    for line in lines:
        _, controllers, path = line.split(":", 2)
        mount = root if controllers == "" else root / "cpu"
        if controllers and "cpu" not in controllers.split(","):
            continue
        group = mount / path.lstrip("/")
        for folder in (group, *group.parents):
            if not folder.is_relative_to(mount):
                break
            cores = min(cores, _quota(folder, cores))
    return cores


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
