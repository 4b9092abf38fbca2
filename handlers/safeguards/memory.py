"""Limit of a worker's memory, so that a request that needs too much fails and the kernel ends no process."""

import ctypes
import gc
import os
import resource
from pathlib import Path

MIN_REQUEST_MEMORY = 256 << 20  # bytes; why: the largest photo takes 201 MB (tests/pets/test_images.py)
# Texts of errors by which libraries report that the system refused memory.
_TEXTS = ("bad_alloc", "bad allocation", "Failed to allocate memory", "cannot allocate memory", "Unable to allocate")


def request_memory(memory_limit: int, workers: int) -> int:
    """Return the memory that requests may take in a worker beyond the loaded model, in bytes.

    Half of all memory is for requests. The other half is for the loaded models, the gateway and TorchServe's front end,
    if there is one.

    Args:
        memory_limit: memory of the container or the machine, in bytes.
        workers: number of workers of all models and instances.
    """
    return max(memory_limit // 2 // max(workers, 1), MIN_REQUEST_MEMORY)


class MemoryGuard:
    """Limit of the memory that a worker may take for requests, beyond what it takes when it is created.

    The limit is that of data (RLIMIT_DATA). A limit of the address space would count the large ranges that the
    allocator and CUDA reserve and never use.

    Attributes:
        allowed: memory for requests in bytes.
    """

    def __init__(self, allowed: int) -> None:
        self.allowed = allowed
        self._before = _data_size()
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        limit = self._before + allowed
        resource.setrlimit(resource.RLIMIT_DATA, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))

    def has_recovered(self) -> bool:
        """Return freed memory to the system after a MemoryError.

        Returns:
            True if at least half of the memory for requests is free again.
        """
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)
        return _data_size() - self._before <= self.allowed / 2


def is_memory_error(error: BaseException) -> bool:
    """Return True if the system refused memory."""
    return isinstance(error, MemoryError) or any(text in str(error) for text in _TEXTS)


def _data_size() -> int:
    """Return the size of this process's data in bytes, as the kernel compares it with the limit."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[5]) * os.sysconf("SC_PAGE_SIZE")
