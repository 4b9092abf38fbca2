"""A worker that can't compute any more ends itself, and the runner starts another."""

import logging
import re
from collections.abc import Collection

logger = logging.getLogger(__name__)

FAILED_BATCHES = 5  # batches in a row of which no request could be computed
DIFFERENT = 2  # different requests among them; a client that sends one request again and again breaks no worker
# A CUDA context that is lost stays lost, and onnxruntime's memory on a GPU stays full. Every later request would fail.
_DEVICE_FAULT = re.compile(r"CUDA|cuDNN|cuBLAS|out of memory|GPU|bfc_arena", re.IGNORECASE)


class FaultMonitor:
    """Decides whether a worker is broken: its device fails, or every request fails.

    Attributes:
        broken: the reason why the worker must end; None while it works.
    """

    def __init__(self, device: str) -> None:
        """Initialize.

        Args:
            device: the worker's device, ``cpu`` or ``cuda:N``.
        """
        self.broken: str | None = None
        self._has_gpu = device != "cpu"
        self._failed = 0
        self._failed_requests: set[int] = set()

    def is_device_fault(self, error: BaseException) -> bool:
        """Return True if an error is one of the GPU, which then answers no further request."""
        return self._has_gpu and bool(_DEVICE_FAULT.search(str(error)))

    def count(self, *, n_run: int, failed: Collection[int]) -> None:
        """Count a batch.

        Args:
            n_run: number of requests that were to be computed.
            failed: hashes of the requests that failed with an internal error.
        """
        if n_run == 0:
            return
        if len(failed) < n_run:
            self._failed = 0
            self._failed_requests.clear()
            return
        self._failed += 1
        self._failed_requests.update(failed)
        if self._failed >= FAILED_BATCHES and len(self._failed_requests) >= DIFFERENT:
            self.broken = f"every request of {self._failed} batches in a row failed"
