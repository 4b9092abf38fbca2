"""What a worker counts for Prometheus.

Every worker writes its figures to files that all share (prometheus-client's multiprocess mode, in the folder that
PROMETHEUS_MULTIPROC_DIR names), and worker_metrics.py adds them up, those of workers that have died too.
docs/reference/metrics.md describes each metric.
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
_BYTES = 1 << 17  # of a file: more than twice what a worker's figures come to


class BatchHistogram(Histogram):
    """A histogram that takes many values at once: a batch's requests cost little more than one."""

    def observe_many(self, values: Sequence[float] | NDArray[np.float64]) -> None:
        """As ``observe`` for each value."""
        if not len(values):
            return
        self._raise_if_not_observable()  # type: ignore[no-untyped-call]
        # Of such numbers sums are exact (of seconds, up to 97 days), whatever the order. One that came out less by its
        # last digit, once a worker has ended and is added up first, would be a new beginning to Prometheus.
        self._sum.inc(round(float(np.sum(values)) * 2**30) / 2**30)
        counts = np.bincount(np.searchsorted(self._upper_bounds, values))
        for place in np.flatnonzero(counts).tolist():
            self._buckets[place].inc(float(counts[place]))


STAGE_SECONDS = BatchHistogram(
    "shopcat_stage_seconds",
    "Seconds in each stage. Queue and total are each request's own, the others a batch's, counted once.",
    ("model", "stage"),
    buckets=SECONDS,
)
BATCH_SIZE = BatchHistogram(
    "shopcat_batch_size", "Requests that ran together.", ("model",), buckets=(1, 2, 4, 8, 12, 16, 24, 32, 64)
)
REQUESTS = Counter("shopcat_requests", "Requests answered by a worker.", ("model", "status"))
FORECASTS = Counter("shopcat_forecasts", "Forecasts of one store and day.", ("model",))
INPUTS = Counter(
    "shopcat_inputs",
    "Inputs of forecasts that were not simply given: filled, unseen, out of range, assumed, and the other warnings.",
    ("model", "kind", "field"),
)
CONFIDENCE = BatchHistogram(
    "shopcat_breed_confidence",
    "Calibrated probability of the breed that was answered.",
    ("model",),
    buckets=(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0),
)
DECISIONS = Counter(
    "shopcat_decisions", "Breeds accepted, and photos to be reviewed by a person.", ("model", "decision")
)
HEATMAPS = Counter("shopcat_heatmaps", "Heatmaps made.", ("model", "kind"))


def allocate(folder: Path) -> None:
    """Get disk for all that this process will count, before it counts.

    prometheus-client makes files with holes and writes to them as to memory: a page that a full disk has no room for
    then kills the process. A file that is there already, it takes as it is.

    Args:
        folder: of prometheus-client's files.

    Raises:
        OSError: if there is no room.
    """
    for kind in ("counter", "histogram"):
        with (folder / f"{kind}_{os.getpid()}.db").open("ab") as file:  # one may be left of a process of this number
            file.write(bytes(max(_BYTES - file.tell(), 0)))


def add(counter: Counter, model: str, counts: Tally[Any]) -> None:
    """Add counts to a counter's series of a model; a count's key is the value, or the values, of the other labels."""
    for labels, count in counts.items():
        counter.labels(model, *(labels if isinstance(labels, tuple) else (labels,))).inc(count)
