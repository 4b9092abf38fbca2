"""Metrics of every model's worker for Prometheus.

Every worker writes its metrics to shared files: prometheus-client's multiprocess mode, in the folder that
PROMETHEUS_MULTIPROC_DIR names. `serving.monitoring.worker_metrics` adds them up, also those of workers that have ended.
docs/reference/metrics.md lists all metrics.
"""

import os
from collections import Counter as Tally
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from prometheus_client import Counter, Histogram

STAGES = ("queue", "parse", "features", "inference", "explain", "encode", "total")
SECONDS = (1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_FILE_BYTES = 1 << 17  # more than twice the size of all metrics of a worker


class BatchHistogram(Histogram):
    """A histogram that observes many values at once, at little more than the cost of one."""

    def observe_many(self, values: Sequence[float] | NDArray[np.float64]) -> None:
        """Observe each value."""
        if not len(values):
            return
        self._raise_if_not_observable()  # type: ignore[no-untyped-call]
        # Multiples of 2**-30 add up exactly in any order (seconds: up to 97 days). Otherwise the total could shrink in
        # its last digit when an ended worker is added in another order, and Prometheus would see a counter reset.
        self._sum.inc(round(float(np.sum(values)) * 2**30) / 2**30)
        counts = np.bincount(np.searchsorted(self._upper_bounds, values))
        for bucket in np.flatnonzero(counts).tolist():
            self._buckets[bucket].inc(float(counts[bucket]))


STAGE_SECONDS = BatchHistogram(
    "shopcat_stage_seconds",
    "Seconds in each stage: of each request for queue and total, of each batch for the others.",
    ("model", "stage"),
    buckets=SECONDS,
)
BATCH_SIZE = BatchHistogram(
    "shopcat_batch_size", "Requests in a batch.", ("model",), buckets=(1, 2, 4, 8, 12, 16, 24, 32, 64)
)
REQUESTS = Counter("shopcat_requests", "Requests answered by a worker.", ("model", "status", "client"))
REFUSALS = Counter(
    "shopcat_refusals",
    "Requests that a worker refused without asking the model, by kind of problem.",
    ("model", "kind"),
)
LOG_LINES = Counter(
    "shopcat_request_log_lines",
    "Lines of the request log: written, left_out by its rate, or failed because the file took none.",
    ("model", "outcome"),
)


def allocate(folder: Path) -> None:
    """Allocate disk space for all metrics of this process in advance.

    prometheus-client creates sparse files and maps them into memory. On a full disk, a write to a page without disk
    space kills the process. prometheus-client uses existing files as they are.

    Args:
        folder: folder of prometheus-client's files.

    Raises:
        OSError: if the disk is full.
    """
    for kind in ("counter", "histogram"):
        with (folder / f"{kind}_{os.getpid()}.db").open("ab") as file:  # left by an ended process of this PID
            file.write(bytes(max(_FILE_BYTES - file.tell(), 0)))


def add(counter: Counter, model: str, counts: Tally[Any]) -> None:
    """Add counts to a model's series of a counter; the keys are the values of the other labels, or tuples of these."""
    for labels, count in counts.items():
        counter.labels(model, *(labels if isinstance(labels, tuple) else (labels,))).inc(count)
