"""Figures of the server as a whole: its workers, its bundles, its processes."""

from collections import Counter as Tally
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

import psutil
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from handlers.readiness import ReadyWorker
from serving.monitoring.watched import Watched


class ServerCollector(Collector):
    """What the exporter's process sees of a server."""

    def __init__(self, state: Callable[[], tuple[Watched, list[ReadyWorker]]]) -> None:
        self._state = state

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Nothing, so that registering it asks nobody."""
        return []

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """The figures of now."""
        watched, ready = self._state()
        wanted = GaugeMetricFamily("shopcat_workers", "Workers that a model should have.", labels=("model",))
        able = GaugeMetricFamily("shopcat_workers_ready", "Workers of a model that are ready.", labels=("model",))
        counted = Tally(each.model for each in ready)
        for model, workers in watched.models.items():
            wanted.add_metric((model,), workers)
            able.add_metric((model,), counted[model])
        bundles = GaugeMetricFamily(
            "shopcat_bundle_info", "The bundles that are served.", labels=("model", "version", "cutoff", "sha256")
        )
        for labels in sorted({(each.model, each.version, each.cutoff, each.sha256) for each in ready}):
            bundles.add_metric(labels, 1)
        # Rules can't read a date in a label, nor count workers that came and went between two scrapes.
        cutoffs = GaugeMetricFamily(
            "shopcat_bundle_cutoff_timestamp_seconds",
            "The last day whose data the oldest bundle of a model knows, its beginning in UTC.",
            labels=("model",),
        )
        started = GaugeMetricFamily(
            "shopcat_worker_start_timestamp_seconds", "When a model's newest ready worker started.", labels=("model",)
        )
        for model in sorted(counted):
            mine = [each for each in ready if each.model == model]
            started.add_metric((model,), max(each.created for each in mine))
            if cutoff := min(each.cutoff for each in mine):
                cutoffs.add_metric((model,), datetime.fromisoformat(cutoff).replace(tzinfo=UTC).timestamp())
        memory = GaugeMetricFamily(
            "shopcat_process_resident_bytes", "Resident memory, of all processes of a kind.", labels=("process",)
        )
        for kind, size in sorted(_resident(watched, {each.pid for each in ready}).items()):
            memory.add_metric((kind,), size)
        ready_now = GaugeMetricFamily(
            "shopcat_ready", "1 if /readyz says that the server is ready.", int(not watched.missing(ready))
        )
        return wanted, able, started, ready_now, bundles, cutoffs, memory


def _resident(watched: "Watched", workers: set[int]) -> Tally[str]:
    """Bytes by kind of process. What descends from the front end is a worker, or about to be one."""
    sizes: Tally[str] = Tally({"exporter": psutil.Process().memory_info().rss})
    for kind, leaders in watched.processes.items():
        for leader in leaders:
            try:
                process = psutil.Process(leader)
                sizes[kind] += process.memory_info().rss
                for child in process.children(recursive=True):
                    sizes["worker" if kind == "frontend" else kind] += child.memory_info().rss
            except psutil.Error:  # it has ended since
                continue
    return sizes
