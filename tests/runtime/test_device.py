"""The device is the one that was asked for, or the best there is."""

import sys

import pytest
import torch

from runtime.device import DeviceError, pick_device


@pytest.fixture(params=[0, 1, 3])
def gpus(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """As many GPUs as torch sees."""
    count: int = request.param
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    return count


def test_the_best_there_is(gpus: int) -> None:
    assert pick_device() == ("cuda:0" if gpus else "cpu")


def test_what_was_asked_for(gpus: int) -> None:
    assert pick_device("cpu") == "cpu"
    for wanted, index in (("cuda", 0), ("cuda:0", 0), ("cuda:1", 1), ("cuda:02", 2), ("cuda:3", 3)):
        if index < gpus:
            assert pick_device(wanted) == f"cuda:{index}"
        else:
            with pytest.raises(DeviceError, match=rf"'{wanted}' is not there: torch .* sees {gpus} CUDA devices"):
                pick_device(wanted)


@pytest.mark.parametrize("wanted", ["gpu", "CUDA", "cuda:x", "cuda:-1", "cuda:1.0", "cpu:0", "", "mps", "cuda0"])
def test_devices_that_are_none(wanted: str) -> None:
    with pytest.raises(DeviceError, match=f"device '{wanted}' is not known; use cpu, cuda or cuda:N"):
        pick_device(wanted)


def test_a_driver_that_does_not_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch counts the cards, and can't use them."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert pick_device() == "cpu"
    with pytest.raises(DeviceError, match="sees 0 CUDA devices"):
        pick_device("cuda")


def test_without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation that only serves: it can't look for a GPU, and says so, and a CPU needs no looking for."""
    monkeypatch.setitem(sys.modules, "torch", None)
    assert pick_device("cpu") == "cpu"
    for wanted in (None, "cuda"):
        with pytest.raises(DeviceError, match="choose the device cpu"):
            pick_device(wanted)
