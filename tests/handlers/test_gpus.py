"""handlers.gpus: each worker uses its entry of CUDA_VISIBLE_DEVICES, whatever form it has."""

import os

import pytest

from handlers.gpus import LISTED, VISIBLE, gpu_environment, listed_gpus, select_gpu

MIG = "MIG-GPU-8a2f/1/0"


@pytest.mark.parametrize(
    ("value", "gpus"),
    [
        (None, None),
        ("0", ["0"]),
        ("2, 3", ["2", "3"]),
        (f"GPU-8a2f,{MIG}", ["GPU-8a2f", MIG]),
        ("", []),
        ("-1", []),
        ("NoDevFiles", []),
        ("1,-1,0", ["1"]),
    ],
)
def test_the_list_ends_where_it_ends_for_cuda(value: str | None, gpus: list[str] | None) -> None:
    assert listed_gpus(value) == gpus


def test_each_worker_selects_its_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = gpu_environment(["GPU-8a2f", MIG])
    assert environment[VISIBLE] == "0,1"  # TorchServe reads numbers
    for number, gpu in enumerate(("GPU-8a2f", MIG)):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        assert select_gpu(number) == "cuda:0"
        assert os.environ[VISIBLE] == gpu


def test_without_a_list_torchserves_numbers_are_cudas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(LISTED, raising=False)
    assert (select_gpu(None), select_gpu(1)) == ("cpu", "cuda:1")
    assert gpu_environment(None) == gpu_environment([]) == {}
