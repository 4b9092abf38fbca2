"""Metrics of a whole service: its workers, its bundles and its processes."""

from collections import Counter as Tally
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

import psutil
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from handlers.readiness import ReadyWorker
from serving.monitoring.watched import Watched


class ServerCollector(Collector):
    """Collector of the metrics that the exporter determines itself."""

    def __init__(self, state: Callable[[], tuple[Watched, list[ReadyWorker]]]) -> None:
        self._state = state

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Return no families, so that registration does not collect."""
        return []

    def collect(self) -> Iterable[GaugeMetricFamily | CounterMetricFamily]:
        """Return the current metrics."""
        watched, ready = self._state()
        wanted = GaugeMetricFamily("shopcat_workers", "Workers that a model should have.", labels=("model",))
        able = GaugeMetricFamily("shopcat_workers_ready", "Workers of a model that are ready.", labels=("model",))
        answered = GaugeMetricFamily(
            "shopcat_model_ready", "1 if /readyz/NAME says that the server is ready for a model.", labels=("model",)
        )
        counted = Tally(worker.model for worker in ready)
        for model, workers in watched.models.items():
            wanted.add_metric((model,), workers)
            able.add_metric((model,), counted[model])
            answered.add_metric((model,), int(not watched.missing_of(model, ready)))
        restarts = CounterMetricFamily(
            "shopcat_restarts", "Processes that ended unexpectedly and were started again.", labels=("process",)
        )
        for kind, number in watched.restarts.items():
            restarts.add_metric((kind,), number)
        bundles = GaugeMetricFamily(
            "shopcat_bundle_info", "The bundles that are served.", labels=("model", "version", "cutoff", "sha256")
        )
        for labels in sorted({(worker.model, worker.version, worker.cutoff, worker.sha256) for worker in ready}):
            bundles.add_metric(labels, 1)
        # Alerting rules can't read a date in a label, and can't see workers that came and went between two scrapes.
        cutoffs = GaugeMetricFamily(
            "shopcat_bundle_cutoff_timestamp_seconds",
            "Start (UTC) of the last day in the training data of a model's oldest bundle.",
            labels=("model",),
        )
        started = GaugeMetricFamily(
            "shopcat_worker_start_timestamp_seconds", "Start time of a model's newest ready worker.", labels=("model",)
        )
        for model in sorted(counted):
            mine = [worker for worker in ready if worker.model == model]
            started.add_metric((model,), max(worker.created for worker in mine))
            if cutoff := min(worker.cutoff for worker in mine):
                cutoffs.add_metric((model,), datetime.fromisoformat(cutoff).replace(tzinfo=UTC).timestamp())
        memory = GaugeMetricFamily(
            "shopcat_process_resident_bytes", "Resident memory, of all processes of a kind.", labels=("process",)
        )
        for kind, size in sorted(_resident(watched, {worker.pid for worker in ready}).items()):
            memory.add_metric((kind,), size)
        ready_now = GaugeMetricFamily(
            "shopcat_ready", "1 if /readyz says that the server is ready.", int(not watched.missing(ready))
        )
        return wanted, able, answered, started, ready_now, bundles, cutoffs, memory, restarts


def _resident(watched: "Watched", workers: set[int]) -> Tally[str]:
    """Return resident bytes by kind of process. Descendants of a front end are workers, or become workers."""
    sizes: Tally[str] = Tally({"exporter": psutil.Process().memory_info().rss})
    for kind, leaders in watched.processes.items():
        for leader in leaders:
            try:
                process = psutil.Process(leader)
                sizes[kind] += process.memory_info().rss
                for child in process.children(recursive=True):
                    sizes["worker" if kind == "frontend" else kind] += child.memory_info().rss
            except psutil.Error:  # the process has ended
                continue
    return sizes
