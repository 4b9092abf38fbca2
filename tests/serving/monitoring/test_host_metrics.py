"""serving.monitoring.host_metrics: metrics of GPUs, also if a part of them fails."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from runtime.cores import n_cores
from serving.monitoring.host_metrics import HostCollector


class NVMLError(Exception):
    """As NVIDIA's library raises it."""


class Nvml(ModuleType):
    """NVIDIA's library on a host with two GPUs; ``fails`` has the calls that fail, by name and GPU."""

    NVMLError = NVMLError
    NVML_TEMPERATURE_GPU = 0

    def __init__(self) -> None:
        super().__init__("pynvml")
        self.fails: set[tuple[str, int]] = set()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        what = name.removeprefix("nvmlDeviceGet")
        answers: dict[str, Callable[[int], Any]] = {
            "nvmlInit": lambda _: None,
            "Count": lambda _: 2,
            "HandleByIndex": lambda gpu: gpu,
            "UtilizationRates": lambda gpu: SimpleNamespace(gpu=50 + gpu),
            "MemoryInfo": lambda gpu: SimpleNamespace(used=1000 + gpu, total=2000 + gpu),
            "Temperature": lambda gpu: 40 + gpu,
            "PowerUsage": lambda gpu: 70_000 + gpu,
        }
        if what not in answers:
            raise AttributeError(name)

        def answer(gpu: int = 0, *_: Any) -> Any:
            if (what, gpu) in self.fails:
                raise NVMLError(what)
            return answers[what](gpu)

        return answer


@pytest.fixture
def nvml(monkeypatch: pytest.MonkeyPatch) -> Nvml:
    library = Nvml()
    monkeypatch.setitem(sys.modules, "pynvml", library)
    return library


def figures(collector: HostCollector) -> dict[tuple[str, ...], float]:
    """Return metrics by name (without prefix and unit) and GPU, without the host's own."""
    found = {
        (sample.name.split("_", 1)[1].rsplit("_", 1)[0], *sample.labels.values()): sample.value
        for family in collector.collect()
        for sample in family.samples
    }
    assert 0 < found.pop(("host_memory_available",)) < found.pop(("host_memory_limit",))
    assert found.pop(("host_cpu_seconds",)) > 0
    assert found.pop(("host_cpu",)) == n_cores()
    assert 0 < found.pop(("tmp_available",)) < found.pop(("tmp_size",))
    return found


def gpu_figures(gpu: int) -> dict[tuple[str, ...], float]:
    """Return all metrics of a GPU."""
    values = {
        "gpu_utilization": 0.5 + gpu / 100,
        "gpu_memory_used": 1000 + gpu,
        "gpu_memory_total": 2000 + gpu,
        "gpu_temperature": 40 + gpu,
        "gpu_power": 70 + gpu / 1000,
    }
    return {(name, str(gpu)): value for name, value in values.items()}


def test_every_gpu_is_exported(nvml: Nvml) -> None:
    assert figures(HostCollector(Path())) == {**gpu_figures(0), **gpu_figures(1)}


def test_a_gpu_without_memory_or_thermometer_exports_the_rest(nvml: Nvml) -> None:
    nvml.fails = {("MemoryInfo", 0), ("Temperature", 0)}
    expected = {**gpu_figures(0), **gpu_figures(1)}
    for name in ("gpu_memory_used", "gpu_memory_total", "gpu_temperature"):
        del expected[name, "0"]
    assert figures(HostCollector(Path())) == expected


def test_a_lost_gpu_does_not_affect_other_metrics(nvml: Nvml) -> None:
    collector = HostCollector(Path())
    nvml.fails = {("HandleByIndex", 0), ("Count", 0)}
    assert figures(collector) == gpu_figures(1)
    nvml.fails = {("HandleByIndex", 0), ("HandleByIndex", 1)}
    assert figures(collector) == {}


def test_a_driver_that_cannot_count_gpus_is_ignored(nvml: Nvml) -> None:
    nvml.fails = {("Count", 0)}
    assert figures(HostCollector(Path())) == {}


def test_a_host_without_the_library_exports_its_own_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert figures(HostCollector(Path())) == {}
