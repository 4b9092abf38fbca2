"""training.loop.threads: the number of threads of a training, and how they wait."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from training.loop.batches import TensorBatches
from training.loop.learner import Learner
from training.loop.threads import MIN_ROWS_FOR_THREADS, threads_for, wait_passively

ROOT = Path(__file__).parents[3]


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize(("rows", "threads"), [(MIN_ROWS_FOR_THREADS - 1, 1), (MIN_ROWS_FOR_THREADS, 2)])
def test_small_batches_use_one_thread_and_the_number_is_restored(rows: int, threads: int) -> None:
    with threads_for(rows) as number:
        assert torch.get_num_threads() == number == threads
    assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("two_threads")
def test_a_learner_trains_and_finds_its_rate_with_the_threads_of_its_batch() -> None:
    numbers: list[int] = []

    def loss(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        numbers.append(torch.get_num_threads())
        return torch.nn.functional.mse_loss(output, target)

    learner = Learner(torch.nn.Linear(2, 1), loss, progress=False)
    rows = torch.randn(2 * MIN_ROWS_FOR_THREADS, 2), torch.randn(2 * MIN_ROWS_FOR_THREADS, 1)
    learner.fit_one_cycle(TensorBatches(*rows, batch_size=MIN_ROWS_FOR_THREADS), 1)
    learner.fit_one_cycle(TensorBatches(*rows, batch_size=MIN_ROWS_FOR_THREADS // 2), 1)
    assert numbers == [2, 2, 1, 1, 1, 1]
    learner.lr_find(TensorBatches(*rows, batch_size=32))
    assert {*numbers[6:]} == {1}


def test_threads_wait_passively_unless_the_environment_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    monkeypatch.setenv("KMP_BLOCKTIME", "200")
    wait_passively()
    assert {name: os.environ[name] for name in ("OMP_WAIT_POLICY", "KMP_BLOCKTIME")} == {
        "OMP_WAIT_POLICY": "ACTIVE",
        "KMP_BLOCKTIME": "200",
    }
    monkeypatch.delenv("OMP_WAIT_POLICY")
    wait_passively()
    assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"


def test_a_command_that_trains_waits_passively_before_it_loads_torch(tmp_path: Path) -> None:
    script = (
        "import builtins, os, sys\n"
        "from cli import main\n"
        "original = builtins.__import__\n"
        "def record(name, *rest):\n"
        "    if name == 'torch':\n"
        "        print('policy:', os.environ.get('OMP_WAIT_POLICY'))\n"
        "        sys.exit()\n"
        "    return original(name, *rest)\n"
        "builtins.__import__ = record\n"
        f"main(['train', 'sales', {str(tmp_path)!r}, '--out', {str(tmp_path / 'bundle')!r}])"
    )
    command = [sys.executable, "-c", script]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.stdout == "policy: PASSIVE\n", result.stderr
