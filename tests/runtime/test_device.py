"""runtime.device: the requested device, or the best one."""

import ctypes
from types import SimpleNamespace
from typing import Any

import onnxruntime
import pytest

from runtime.device import DeviceError, count_gpus, pick_device


@pytest.mark.parametrize("gpus", [0, 1, 3])
def test_the_best_device_is_the_default(gpus: int) -> None:
    assert pick_device(count=lambda: gpus) == ("cuda:0" if gpus else "cpu")


@pytest.mark.parametrize("gpus", [0, 1, 3])
def test_a_named_device_is_used_or_an_error(gpus: int) -> None:
    assert pick_device("cpu", count=lambda: gpus) == "cpu"
    for wanted, index in (("cuda", 0), ("cuda:0", 0), ("cuda:1", 1), ("cuda:02", 2), ("cuda:3", 3)):
        if index < gpus:
            assert pick_device(wanted, count=lambda: gpus) == f"cuda:{index}"
        else:
            with pytest.raises(
                DeviceError, match=rf"'{wanted}' is not there: {gpus} CUDA devices can be used; use cpu"
            ):
                pick_device(wanted, count=lambda: gpus)


@pytest.mark.parametrize("wanted", ["gpu", "CUDA", "cuda:x", "cuda:-1", "cuda:1.0", "cpu:0", "", "mps", "cuda0"])
def test_an_unknown_device_is_rejected(wanted: str) -> None:
    with pytest.raises(DeviceError, match=f"device '{wanted}' is not known; use cpu, cuda or cuda:N"):
        pick_device(wanted, count=lambda: 1)


def test_gpus_are_not_counted_for_the_cpu() -> None:
    def count() -> int:
        raise AssertionError

    assert pick_device("cpu", count=count) == "cpu"


class Driver(SimpleNamespace):
    """The two functions of CUDA's driver library that are called."""

    def __init__(self, status: int, gpus: int) -> None:
        super().__init__(cuInit=lambda flags: status, cuDeviceGetCount=self.count)
        self.gpus = gpus

    def count(self, pointer: Any) -> int:
        pointer._obj.value = self.gpus
        return 0


@pytest.fixture
def cuda_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])


@pytest.mark.usefixtures("cuda_provider")
@pytest.mark.parametrize(("status", "gpus", "counted"), [(0, 2, 2), (0, 0, 0), (100, 2, 0)])
def test_the_driver_counts_the_gpus(monkeypatch: pytest.MonkeyPatch, status: int, gpus: int, counted: int) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: Driver(status, gpus))
    assert count_gpus() == counted


@pytest.mark.usefixtures("cuda_provider")
def test_without_a_driver_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise OSError(name)

    monkeypatch.setattr(ctypes, "CDLL", absent)
    assert count_gpus() == 0


def test_an_onnxruntime_without_cuda_uses_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    monkeypatch.setattr(ctypes, "CDLL", lambda name: Driver(0, 2))
    assert count_gpus() == 0
