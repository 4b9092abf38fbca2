"""Metrics of the workers, added up over all workers, including those that have ended."""

import contextlib
import logging
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path

import psutil
from prometheus_client.core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

logger = logging.getLogger(__name__)


class WorkersCollector(Collector):
    """Collector that reads the files of running workers, and keeps the metrics of workers that have ended.

    It removes the files of ended workers, which would otherwise cost disk space and time at each scrape. Only one
    process reads the folder, and both end together, so the kept metrics need no file.
    """

    def __init__(self, folder: Path) -> None:
        """Set up without reading.

        Args:
            folder: folder of prometheus-client's files (TYPE_PID.db) with counters and histograms; no other process
                reads it.
        """
        self._folder = folder
        self._ended: Iterable[Metric] = ()
        self._collecting = threading.Lock()  # a scrape must find each metric exactly once: kept or in a file

    def collect(self) -> Iterable[Metric]:
        """Return the current metrics."""
        with self._collecting:
            for file in self._of_the_ended():
                ended = _total(self._ended, self._read([file]))
                file.unlink(missing_ok=True)
                self._ended = ended
            return _total(self._ended, self._read(list(self._folder.glob("*.db"))))

    def _read(self, files: Sequence[Path]) -> Iterable[Metric]:
        """Return the metrics of some files, and set unreadable files aside, so that later scrapes have the others."""
        try:
            return _merge(files)
        except Exception:
            return _merge([file for file in files if self._is_readable(file)])

    def _is_readable(self, file: Path) -> bool:
        try:
            _merge([file])
        except Exception as error:  # a cut or overwritten file fails in prometheus-client in several ways
            logger.error("the metrics of a worker in %s can't be read, and are left out from now on: %r", file, error)
            with contextlib.suppress(OSError):
                file.rename(file.with_suffix(".unreadable"))
            return False
        return True

    def _of_the_ended(self) -> Iterable[Path]:
        """Yield the files of ended workers.

        A new worker may get the PID of one that has ended, open its file and count on in it. So the file is renamed
        first, so that no new process can open it. If its PID is still unused after the rename, no process has it open.
        """
        for file in list(self._folder.glob("*.db")):
            kind, pid, *_ = file.stem.split("_")
            if not psutil.pid_exists(int(pid)):
                renamed = file.rename(file.with_stem(f"{kind}_{pid}_{file.stat().st_ino}"))
                if not psutil.pid_exists(int(pid)):
                    yield renamed


def _merge(files: Iterable[Path]) -> Iterable[Metric]:
    begun = [
        str(file) for file in files if file.stat().st_size
    ]  # empty files were just made, or their workers were killed then
    families: Iterable[Metric] = MultiProcessCollector.merge(begun)  # type: ignore[no-untyped-call]
    return families


def _total(*groups: Iterable[Metric]) -> list[Metric]:
    """Return the families of all groups, with samples of the same name and labels (also buckets) added up."""
    families: dict[str, Metric] = {}
    values: dict[str, dict[tuple[str, tuple[tuple[str, str], ...]], float]] = {}
    for group in groups:
        for family in group:
            families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
            added = values.setdefault(family.name, {})
            for sample in family.samples:
                key = sample.name, tuple(sample.labels.items())
                added[key] = added.get(key, 0.0) + sample.value
    for name, family in families.items():
        family.samples = [
            Sample(sample_name, dict(labels), value) for (sample_name, labels), value in values[name].items()
        ]
    return list(families.values())
