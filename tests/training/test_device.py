"""The training device is one that torch can use."""

import pytest
import torch

from runtime.device import DeviceError
from training.device import pick_training_device


@pytest.mark.parametrize("gpus", [0, 2])
def test_torch_counts(monkeypatch: pytest.MonkeyPatch, gpus: int) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    assert pick_training_device() == ("cuda:0" if gpus else "cpu")
    with pytest.raises(DeviceError, match=f"'cuda:2' is not there: {gpus} CUDA devices"):
        pick_training_device("cuda:2")


def test_a_driver_that_does_not_work_gives_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch counts the cards even if it can't use them."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert pick_training_device() == "cpu"
    with pytest.raises(DeviceError, match="0 CUDA devices can be used"):
        pick_training_device("cuda")
