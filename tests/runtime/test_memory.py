"""runtime.memory: limits of control groups of both versions, and machines without any."""

import os
from pathlib import Path

import pytest

from runtime.memory import memory_limit

MACHINE = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@pytest.mark.parametrize(
    ("groups", "files", "expected"),
    [
        ("0::/\n", {"memory.max": "1048576\n"}, 1048576),  # in a container
        ("0::/a/b\n", {"memory.max": "max\n", "a/memory.max": "2048\n", "a/b/memory.max": "4096\n"}, 2048),
        ("0::/of/the/host\n", {"memory.max": "1024\n"}, 1024),
        ("3:cpu,memory:/x\n1:name=systemd:/\n", {"memory/x/memory.limit_in_bytes": "512\n"}, 512),
        ("3:memory:/\n", {"memory/memory.limit_in_bytes": "9223372036854771712\n"}, MACHINE),  # version 1's "max"
        ("0::/\n", {}, MACHINE),
        (None, {}, MACHINE),
    ],
)
def test_the_smallest_limit_counts(tmp_path: Path, groups: str | None, files: dict[str, str], expected: int) -> None:
    root, process = tmp_path / "cgroup", tmp_path / "self"
    if groups is not None:
        process.write_text(groups)
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    assert memory_limit(root, process) == expected
