"""runtime.memory: limits of control groups of both versions, and machines without any."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from runtime.memory import available_memory, memory_limit, memory_of
from tests.runtime.control_groups import write_control_groups

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
    assert memory_limit(*write_control_groups(tmp_path, groups, files)) == expected


@pytest.mark.parametrize(
    ("groups", "folder", "names"),
    [
        ("0::/\n", ".", ("memory.max", "memory.current", "inactive_file")),
        (
            "3:memory:/\n",
            "memory",
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ),
    ],
    ids=["version 2", "version 1"],
)
def test_cached_files_are_available_memory(
    tmp_path: Path, groups: str, folder: str, names: tuple[str, str, str]
) -> None:
    root, process = tmp_path / "cgroup", tmp_path / "self"
    process.write_text(groups)
    (root / folder).mkdir(parents=True)
    limit, used, cached = names
    (root / folder / limit).write_text("1000\n")
    (root / folder / used).write_text("900\n")
    (root / folder / "memory.stat").write_text(f"anon 600\n{cached} 250\n")
    assert available_memory(root, process) == 350
    (root / folder / used).write_text("1300\n")
    assert available_memory(root, process) == 0


def test_the_memory_of_a_process_includes_its_descendants() -> None:
    hold = "content = bytes(range(256)) * 200_000; print(1, flush=True); input()"  # 51 MB
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {hold!r}])"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        assert memory_of(parent.pid) > 51_200_000
        parent.communicate(b"\n")
    assert memory_of(parent.pid) == 0
