"""handlers.safeguards.memory: a process that is limited gets a MemoryError, in place of the kernel's killer."""

import subprocess
import sys

import pytest

from handlers.safeguards.memory import MIN_REQUEST_MEMORY, is_memory_error, request_memory

LIMITED = """
import sys, numpy as np
from handlers.safeguards.memory import MemoryGuard
kept = np.ones(300_000_000, np.uint8)  # a model
guard = MemoryGuard(100 << 20)
np.ones(50 << 20, np.uint8)
for _ in range(2):
    try:
        np.ones(150 << 20, np.uint8)
    except MemoryError:
        print("refused")
assert guard.has_recovered()
leak = np.ones(60 << 20, np.uint8)
assert not guard.has_recovered()
print("ok")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the data of a process")
def test_a_limited_process_gets_a_memory_error_and_goes_on() -> None:
    done = subprocess.run([sys.executable, "-c", LIMITED], capture_output=True, text=True, check=False)
    assert done.stdout == "refused\nrefused\nok\n", done.stderr


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : std::bad_alloc")]
)
def test_errors_of_libraries_that_get_no_memory_are_recognised(error: Exception) -> None:
    assert is_memory_error(error)
    assert not is_memory_error(ValueError("a bad value"))


def test_workers_share_half_of_the_memory() -> None:
    assert request_memory(16 << 30, 8) == 1 << 30
    assert request_memory(2 << 30, 32) == MIN_REQUEST_MEMORY
