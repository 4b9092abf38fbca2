"""Metrics of the host, which is the container if it has limits, and of its GPUs."""

import contextlib
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from runtime.cores import cpu_seconds, n_cores
from runtime.memory import available_memory, memory_limit

_GPU = {
    "shopcat_gpu_utilization_ratio": "Share of the last sample period in which a kernel ran.",
    "shopcat_gpu_memory_used_bytes": "Used memory of the GPU.",
    "shopcat_gpu_memory_total_bytes": "Total memory of the GPU.",
    "shopcat_gpu_temperature_celsius": "Temperature of the GPU.",
    "shopcat_gpu_power_watts": "Power that the GPU draws.",
}


class HostCollector(Collector):
    """Collector of the metrics of the host and of its GPUs, if it has any."""

    def __init__(self, folder: Path) -> None:
        """Set up.

        Args:
            folder: folder on the file system that has the service's sockets, archives and metrics.
        """
        self._folder = folder
        self._nvml, self._gpus = _open_nvml()

    def describe(self) -> Iterable[CounterMetricFamily | GaugeMetricFamily]:
        """Return no families, so that registration does not collect."""
        return []

    def collect(self) -> Iterable[CounterMetricFamily | GaugeMetricFamily]:
        """Return the current metrics."""
        yield CounterMetricFamily("shopcat_host_cpu_seconds", "CPU time in use, of all cores.", cpu_seconds())
        yield GaugeMetricFamily("shopcat_host_cpu_cores", "Number of cores that programs may use.", n_cores())
        available = available_memory()
        yield GaugeMetricFamily(
            "shopcat_host_memory_available_bytes", "Memory that is available to programs.", available
        )
        limit = memory_limit()
        yield GaugeMetricFamily("shopcat_host_memory_limit_bytes", "Memory that programs may use in all.", limit)
        with contextlib.suppress(OSError):
            disk = shutil.disk_usage(self._folder)
            about = "file system with the service's sockets, archives and metrics."
            yield GaugeMetricFamily("shopcat_tmp_available_bytes", f"Free space of the {about}", disk.free)
            yield GaugeMetricFamily("shopcat_tmp_size_bytes", f"Size of the {about}", disk.total)
        if self._nvml is not None:
            families = {name: GaugeMetricFamily(name, about, labels=("gpu",)) for name, about in _GPU.items()}
            for gpu in range(self._gpus):
                for name, value in _gpu(self._nvml, gpu).items():
                    families[name].add_metric((str(gpu),), value)
            yield from families.values()


def _open_nvml() -> tuple[Any, int]:
    """Return NVIDIA's library, or None without a driver, and the number of GPUs."""
    try:
        import pynvml
    except ImportError:
        return None, 0
    try:
        pynvml.nvmlInit()
        return pynvml, pynvml.nvmlDeviceGetCount()
    except pynvml.NVMLError:
        return None, 0


def _gpu(nvml: Any, place: int) -> dict[str, float]:
    """Return the metrics that one GPU supports."""

    def gpu() -> Any:
        return nvml.nvmlDeviceGetHandleByIndex(place)

    asked: dict[str, Callable[[], float]] = {
        "shopcat_gpu_utilization_ratio": lambda: nvml.nvmlDeviceGetUtilizationRates(gpu()).gpu / 100,
        "shopcat_gpu_memory_used_bytes": lambda: nvml.nvmlDeviceGetMemoryInfo(gpu()).used,
        "shopcat_gpu_memory_total_bytes": lambda: nvml.nvmlDeviceGetMemoryInfo(gpu()).total,
        "shopcat_gpu_temperature_celsius": lambda: nvml.nvmlDeviceGetTemperature(gpu(), nvml.NVML_TEMPERATURE_GPU),
        "shopcat_gpu_power_watts": lambda: nvml.nvmlDeviceGetPowerUsage(gpu()) / 1000,
    }
    found = {}
    for name, ask in asked.items():
        try:
            found[name] = float(ask())
        except nvml.NVMLError:  # a virtual GPU has no thermometer; a lost GPU has no metrics
            continue
    return found
