"""Memory that this process and its children may use: the limit of the container, or the memory of the machine."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import psutil

_ROOT = Path("/sys/fs/cgroup")
_PROCESS = Path("/proc/self/cgroup")


def memory_limit(root: Path = _ROOT, process: Path = _PROCESS) -> int:
    """Return the smallest memory limit of this process's control groups in bytes, or else the machine's memory.

    Args:
        root: where the control groups are mounted.
        process: file with the control groups of this process.
    """
    return min(
        [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), *(limit for limit, _ in _groups(root, process))]
    )


def available_memory(root: Path = _ROOT, process: Path = _PROCESS) -> int:
    """Return the memory in bytes that this process's control groups and the machine still have.

    The kernel frees cached files when memory is needed, so they do not count as used. Files in a tmpfs count.

    Args:
        root: where the control groups are mounted.
        process: file with the control groups of this process.
    """
    return max(0, min([psutil.virtual_memory().available, *(limit - used for limit, used in _groups(root, process))]))


def memory_of(pid: int) -> int:
    """Return the memory in bytes that would be free if a process and its descendants ended."""
    size = 0
    with contextlib.suppress(psutil.Error):
        leader = psutil.Process(pid)
        for process in (leader, *leader.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                size += process.memory_full_info().uss
    return size


def _groups(root: Path, process: Path) -> Iterator[tuple[int, int]]:
    """Yield the limit and the used memory of each control group of a process that has a limit."""
    try:
        lines = process.read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":  # version 2
            mount, limit_file, used_file, cached = root, "memory.max", "memory.current", "inactive_file"
        elif "memory" in controllers.split(","):  # version 1
            mount, limit_file, used_file = root / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes"
            cached = "total_inactive_file"
        else:
            continue
        group = mount / path.lstrip("/")
        # In a container the path may be the host's, which does not exist here; its own group is at the mount.
        for folder in (group, *group.parents):
            if not folder.is_relative_to(mount):
                break
            limit = _read(folder / limit_file)
            if limit.isdecimal():  # not "max"
                statistics = dict(line.split() for line in _read(folder / "memory.stat").splitlines())
                yield int(limit), int(_read(folder / used_file) or 0) - int(statistics.get(cached, 0))


def _read(file: Path) -> str:
    """Return the text of a control group's file; nothing if there is none."""
    try:
        return file.read_text(encoding="ascii").strip()
    except OSError:
        return ""
