"""serving.torchserve.server: the front end's command line."""

import pytest

from serving.torchserve import server

MIB = 1 << 20


@pytest.mark.parametrize(
    ("memory", "heap"), [(2048 * MIB, 512 * MIB), (512 * MIB, 256 * MIB), (256 * 1024 * MIB, 8192 * MIB)]
)
def test_the_heap_is_a_quarter_of_the_memory_within_limits(
    monkeypatch: pytest.MonkeyPatch, memory: int, heap: int
) -> None:
    monkeypatch.setattr(server, "memory_limit", lambda: memory)
    assert server._heap_bytes() == heap
