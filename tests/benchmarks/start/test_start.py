"""benchmarks.start: parts of a process's memory, and the steps of a worker's start."""

import shutil
from pathlib import Path

import pytest

from benchmarks.start.__main__ import java_parts, steps
from runtime.bundle import NETWORK

DEMO = Path(__file__).parents[3] / "model_store" / "demo"
SMAPS = """\
703c00000-74c580000 rw-p 00000000 00:00 0
Private_Clean:         0 kB
Private_Dirty:      2048 kB
74c580000-800000000 ---p 00000000 00:00 0
Private_Clean:         0 kB
Private_Dirty:         0 kB
800000000-800bcb000 rw-p 00001000 08:01 1234   /usr/lib/jvm/lib/server/classes.jsa
Private_Clean:        16 kB
Private_Dirty:        16 kB
7f2a10000000-7f2a10021000 rw-p 00000000 00:00 0
Private_Clean:         0 kB
Private_Dirty:       100 kB
563b2a000000-563b2a021000 rw-p 00000000 00:00 0      [heap]
Private_Clean:         0 kB
Private_Dirty:        28 kB
"""


def test_the_memory_of_java_is_told_apart_by_address_and_name() -> None:
    heap, other, files = java_parts(SMAPS).values()
    assert (heap, other, files) == (2048 << 10, 128 << 10, 32 << 10)


@pytest.mark.integration
def test_the_steps_load_and_verify_a_bundle(tmp_path: Path) -> None:
    figures = steps(DEMO)
    assert [*figures][-3:] == ["network in onnxruntime", "columns of all stores and days", "golden rows"]
    assert all(seconds >= 0 for seconds, _ in figures.values())
    _, network = figures["network in onnxruntime"]
    assert network > (DEMO / NETWORK).stat().st_size / 2
    damaged = shutil.copytree(DEMO, tmp_path / "damaged")
    (damaged / NETWORK).write_bytes(b"")
    with pytest.raises(Exception, match="non-zero exit status"):
        steps(damaged)
