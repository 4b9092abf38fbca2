"""Figures that workers count, added up over all of them, those that have ended too."""

import threading
from collections.abc import Iterable
from pathlib import Path

import psutil
from prometheus_client.core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample


class WorkersCollector(Collector):
    """Reads the files of workers that run; the figures of those that have ended it keeps, and removes their files.

    Otherwise each worker that ever ran would cost disk, and time of each scrape. One process of a server reads them,
    and its folder of files goes with it, so that what it keeps needs no file.
    """

    def __init__(self, folder: Path) -> None:
        """Set up.

        Args:
            folder: of prometheus-client's files, TYPE_PID.db, of counters and histograms; no other process reads it.
        """
        self._folder = folder
        self._ended: Iterable[Metric] = ()
        self._collecting = threading.Lock()  # a scrape must not find figures both kept and in a file, nor in neither

    def collect(self) -> Iterable[Metric]:
        """The figures of now."""
        with self._collecting:
            for file in self._of_the_ended():
                ended = _total(self._ended, _read([file]))
                file.unlink()
                self._ended = ended
            return _total(self._ended, _read(self._folder.glob("*.db")))

    def _of_the_ended(self) -> Iterable[Path]:
        """The files in which nobody counts any more.

        Another worker may get the number of one that has ended, open its file and count on in it. So the file first
        loses its name: who opens it must have done so before, and if then no process has the number, nobody has.
        """
        for file in list(self._folder.glob("*.db")):
            kind, pid, *_ = file.stem.split("_")
            if not psutil.pid_exists(int(pid)):
                renamed = file.rename(file.with_stem(f"{kind}_{pid}_{file.stat().st_ino}"))
                if not psutil.pid_exists(int(pid)):
                    yield renamed


def _read(files: Iterable[Path]) -> Iterable[Metric]:
    begun = [str(file) for file in files if file.stat().st_size]  # others were just made, or their workers killed then
    families: Iterable[Metric] = MultiProcessCollector.merge(begun)  # type: ignore[no-untyped-call]
    return families


def _total(*groups: Iterable[Metric]) -> list[Metric]:
    """The families of all groups, the samples of the same name and labels added up; buckets, being cumulative, too."""
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
        family.samples = [Sample(each, dict(labels), value) for (each, labels), value in values[name].items()]
    return list(families.values())
