"""Memory that this process and its children may use: the limit of the container, or the memory of the machine."""

import os
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
_PROCESS = Path("/proc/self/cgroup")


def memory_limit(root: Path = _ROOT, process: Path = _PROCESS) -> int:
    """Return the smallest memory limit of this process's control groups in bytes, or else the machine's memory.

    Args:
        root: where the control groups are mounted.
        process: file with the control groups of this process.
    """
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    try:
        lines = process.read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        return limits[0]
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":  # version 2
            mount, name = root, "memory.max"
        elif "memory" in controllers.split(","):  # version 1
            mount, name = root / "memory", "memory.limit_in_bytes"
        else:
            continue
        group = mount / path.lstrip("/")
        # In a container the path may be the host's, which does not exist here; its own group is at the mount.
        for folder in (group, *group.parents):
            if not folder.is_relative_to(mount):
                break
            try:
                text = (folder / name).read_text(encoding="ascii").strip()
            except OSError:
                continue
            if text.isdecimal():  # not "max"
                limits.append(int(text))
    return min(limits)
