"""serving.monitoring.host_metrics: what a GPU has is told, and one that fails takes no other figure away."""

import sys
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from serving.monitoring.host_metrics import HostCollector


class NVMLError(Exception):
    """As NVIDIA's library raises it."""


class Nvml(ModuleType):
    """NVIDIA's library on a host with two GPUs; a test says what fails by its name, and for which GPU."""

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
    """Without `shopcat_` and units, by GPU where there is one; the host's own are always there."""
    found = {
        (sample.name.split("_", 1)[1].rsplit("_", 1)[0], *sample.labels.values()): sample.value
        for family in collector.collect()
        for sample in family.samples
    }
    assert found.pop(("host_memory_available",)) > 0
    assert found.pop(("host_cpu",)) >= 0
    return found


def of(gpu: int) -> dict[tuple[str, ...], float]:
    """All figures of a GPU."""
    values = {
        "gpu_utilization": 0.5 + gpu / 100,
        "gpu_memory_used": 1000 + gpu,
        "gpu_memory_total": 2000 + gpu,
        "gpu_temperature": 40 + gpu,
        "gpu_power": 70 + gpu / 1000,
    }
    return {(name, str(gpu)): value for name, value in values.items()}


def test_each_gpu_is_told_of(nvml: Nvml) -> None:
    assert figures(HostCollector()) == {**of(0), **of(1)}


def test_one_without_memory_or_thermometer_of_its_own_tells_the_rest(nvml: Nvml) -> None:
    nvml.fails = {("MemoryInfo", 0), ("Temperature", 0)}
    expected = {**of(0), **of(1)}
    for name in ("gpu_memory_used", "gpu_memory_total", "gpu_temperature"):
        del expected[name, "0"]
    assert figures(HostCollector()) == expected


def test_one_that_is_lost_takes_nothing_else_with_it(nvml: Nvml) -> None:
    collector = HostCollector()
    nvml.fails = {("HandleByIndex", 0), ("Count", 0)}
    assert figures(collector) == of(1)
    nvml.fails = {("HandleByIndex", 0), ("HandleByIndex", 1)}
    assert figures(collector) == {}


def test_a_driver_that_can_not_count_its_gpus_is_none(nvml: Nvml) -> None:
    nvml.fails = {("Count", 0)}
    assert figures(HostCollector()) == {}


def test_a_host_without_the_library_has_its_own_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert figures(HostCollector()) == {}
