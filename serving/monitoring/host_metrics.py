"""Metrics of the host and of its GPUs, from psutil and NVIDIA's library."""

from collections.abc import Callable, Iterable
from typing import Any

import psutil
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

_GPU = {
    "shopcat_gpu_utilization_ratio": "Share of the last sample period in which a kernel ran.",
    "shopcat_gpu_memory_used_bytes": "Used memory of the GPU.",
    "shopcat_gpu_memory_total_bytes": "Total memory of the GPU.",
    "shopcat_gpu_temperature_celsius": "Temperature of the GPU.",
    "shopcat_gpu_power_watts": "Power that the GPU draws.",
}


class HostCollector(Collector):
    """Collector of the metrics of the host and of its GPUs, if it has any."""

    def __init__(self) -> None:
        psutil.cpu_percent()  # the first call returns 0
        self._nvml, self._gpus = _open_nvml()

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Return no families, so that registration does not collect."""
        return []

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Return the current metrics."""
        cpu = psutil.cpu_percent() / 100
        yield GaugeMetricFamily("shopcat_host_cpu_ratio", "Share of all cores in use since the last scrape.", cpu)
        memory = psutil.virtual_memory().available
        yield GaugeMetricFamily("shopcat_host_memory_available_bytes", "Memory that is available to programs.", memory)
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
