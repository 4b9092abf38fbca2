"""handlers.safeguards.poison: requests in hand of workers that end, among real processes."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from handlers.safeguards.poison import DEATHS, MEMORY_S, PoisonGuard
from tests.handlers.safeguards import poison_worker
from tests.handlers.safeguards.poison_worker import batch

MODEL = "pets"


class Workers:
    """Starts workers that share a file."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.running: list[subprocess.Popen[str]] = []

    def compute(self, *bodies: str) -> subprocess.Popen[str]:
        """Start a worker and wait until it computes a request ``fatal``, or has answered all."""
        worker = subprocess.Popen(
            [sys.executable, "-m", poison_worker.__name__, str(self.file), MODEL, *bodies],
            stdout=subprocess.PIPE,
            text=True,
        )
        self.running.append(worker)
        assert worker.stdout is not None
        assert worker.stdout.readline() == ("computing\n" if bodies[0].startswith("fatal") else "done\n")
        return worker

    def end(self, worker: subprocess.Popen[str]) -> None:
        """End a worker as the kernel does."""
        worker.kill()
        worker.wait()


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Workers]:
    started = Workers(tmp_path / "in_hand")
    yield started
    for worker in started.running:
        worker.kill()
        worker.communicate()


class Clock:
    """Seconds that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        self.now += 0.02  # so that each batch looks at the other workers
        return self.now


def guard(workers: Workers, clock: Callable[[], float] | None = None, model: str = MODEL) -> PoisonGuard:
    """Return the guard of a worker in this process."""
    made = PoisonGuard(workers.file, clock or Clock())
    made.set_model(model)
    return made


def turns(guard: PoisonGuard, *bodies: str, explain: bool = False) -> list[tuple[Sequence[int], int]]:
    """Return the groups of a batch, with the deaths that each has caused."""
    return [([*indices], deaths) for indices, deaths in guard.in_turn(batch(*bodies, explain=explain))]


def test_a_request_that_ended_two_workers_is_rejected_by_the_survivor(workers: Workers) -> None:
    survivor = guard(workers)
    assert turns(survivor, "fatal", "innocent") == [([0, 1], 0)]
    for _ in range(DEATHS):
        workers.end(workers.compute("fatal"))
    assert turns(survivor, "innocent", "fatal", "another") == [([0, 2], 0), ([1], DEATHS)]
    assert turns(survivor, "fatal") == [([0], DEATHS)]


def test_a_replacement_knows_what_its_predecessors_had_in_hand(workers: Workers) -> None:
    for _ in range(DEATHS):  # the second one takes the slot of the first
        workers.end(workers.compute("fatal"))
    assert turns(guard(workers), "fatal") == [([0], DEATHS)]


def test_a_suspect_is_computed_alone_and_cleared_by_its_answer(workers: Workers) -> None:
    survivor, other = guard(workers), workers.compute("fatal", "innocent", "answered")
    workers.end(other)
    assert turns(survivor, "new", "fatal", "innocent") == [([0], 0), ([1], 1), ([2], 1)]
    assert turns(survivor, "new", "fatal", "innocent", "answered") == [([0, 1, 2], 0), ([3], 1)]
    workers.end(workers.compute("fatal"))
    assert turns(survivor, "fatal") == [([0], 1)]  # the answer made the first death void


def test_a_second_death_counts_against_the_computed_suspect_alone(workers: Workers) -> None:
    survivor = guard(workers)
    for _ in range(DEATHS):
        workers.end(workers.compute("fatal", "innocent"))
    assert turns(survivor, "innocent", "fatal") == [([0], 1), ([1], DEATHS)]


def test_equal_requests_of_one_worker_count_as_one(workers: Workers) -> None:
    """Many clients send the same request, and any cause can end a worker."""
    survivor = guard(workers)
    workers.end(workers.compute("fatal", "fatal"))
    assert turns(survivor, "fatal", "fatal") == [([0], 1), ([1], 1)]


def test_workers_that_end_at_once_make_their_request_a_suspect_only(workers: Workers) -> None:
    """They end with their TorchServe instance."""
    survivor = guard(workers)
    for worker in [workers.compute("fatal") for _ in range(3)]:
        workers.end(worker)
    assert turns(survivor, "fatal") == [([0], 1)]


def test_a_request_in_hand_of_a_living_worker_is_no_suspect(workers: Workers) -> None:
    workers.compute("fatal")
    assert turns(guard(workers), "fatal") == [([0], 0)]


def test_a_worker_that_ends_with_nothing_in_hand_leaves_no_suspect(workers: Workers) -> None:
    workers.compute("innocent").wait()
    assert turns(guard(workers), "innocent", "answered") == [([0, 1], 0)]


def test_a_death_is_forgotten_after_ten_minutes(workers: Workers) -> None:
    clock = Clock()
    survivor = guard(workers, clock)
    for _ in range(DEATHS):
        workers.end(workers.compute("fatal"))
    assert turns(survivor, "fatal") == [([0], DEATHS)]
    clock.now += MEMORY_S
    assert turns(survivor, "fatal") == [([0], 0)]


def test_a_large_request_is_recognised_by_its_length_and_samples(workers: Workers) -> None:
    """Its text as an argument stands for a photo."""
    survivor = guard(workers)
    for _ in range(DEATHS):
        workers.end(workers.compute("fatal", "x" * 100_000))
    assert turns(survivor, "fatal") == [([0], DEATHS)]
    assert turns(survivor, "y" + "x" * 99_999, "x" * 99_999) == [([0, 1], 0)]


@pytest.mark.parametrize(("model", "explain"), [("cats", False), (MODEL, True)])
def test_an_equal_request_to_another_address_is_no_suspect(workers: Workers, model: str, explain: bool) -> None:
    survivor, other = guard(workers), guard(workers, model=model)
    for _ in range(DEATHS):
        workers.end(workers.compute("fatal"))
    assert turns(survivor, "fatal") == [([0], DEATHS)]
    assert turns(other, "fatal", explain=explain) == [([0], 0)]


def test_a_full_table_forgets_the_oldest(workers: Workers) -> None:
    survivor = guard(workers, time.monotonic)
    for group in range(5):
        workers.end(workers.compute(f"fatal {group}", *(f"{group} {number}" for number in range(31))))
    assert turns(survivor, "4 30") == [([0], 1)]
    assert turns(survivor, "0 5") == [([0], 0)]
