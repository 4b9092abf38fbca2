"""serving.tuning.search: which of several measured settings is taken."""

import math

import pytest

from serving.tuning.search import Candidate, Measured, best, max_concurrent, searches


def measured(rate: float, p50: float = 1.0, *, workers: int = 1, threads: int = 1, batch_size: int = 16) -> Measured:
    return Measured(Candidate(workers, threads, 1, batch_size), rate, p50, 1 << 20)


def test_the_fastest_settings_are_taken() -> None:
    slow, fast = measured(1000, p50=0.5), measured(2000, workers=2)
    assert best([slow, fast]) is fast


def test_of_equally_fast_settings_the_ones_with_the_lower_latency_are_taken() -> None:
    quick, quicker = measured(2000, p50=2.0), measured(1950, p50=1.0, workers=2)
    assert best([quick, quicker]) is quicker


def test_of_equal_settings_the_ones_with_fewer_workers_are_taken() -> None:
    many, few = measured(2000, workers=2), measured(1960, p50=1.02)
    assert best([many, few]) is few


def walk(cores: int, gpus: int = 0) -> list[list[Candidate]]:
    """Return the candidates of each step; each takes the last one, which has the most of everything."""
    steps: list[list[Candidate]] = []
    chosen = None
    for _, candidates in searches(cores, gpus, 16):
        steps.append(candidates(chosen))
        chosen = steps[-1][-1]
    return steps


@pytest.mark.parametrize("cores", [1, 2, 3, 4, 7, 16, 64, 192])
def test_candidates_fit_the_machine(cores: int) -> None:
    steps = walk(cores)
    found = [candidate for step in steps for candidate in step]
    assert all(len(set(step)) == len(step) for step in steps)
    assert {candidate.workers for candidate in steps[0]} >= {cores, max(1, cores - 1), 1}
    assert all(candidate.workers * candidate.threads <= cores for candidate in found)
    assert all(1 <= candidate.gateway_threads <= max(1, cores // 4) for candidate in found)


@pytest.mark.parametrize("gpus", [0, 1, 4])
@pytest.mark.parametrize("cores", [4, 16, 64, 256])
def test_the_number_of_services_grows_with_the_logarithm_of_the_cores(cores: int, gpus: int) -> None:
    steps = walk(cores, gpus)
    assert max(map(len, steps)) <= max(math.log2(cores) + 3, 7)
    assert sum(map(len, steps)) <= 2 * math.log2(cores) + 11


def test_each_step_can_keep_what_was_chosen() -> None:
    chosen = Candidate(3, 2, 2, 12)
    for _, candidates in searches(16, 0, 12)[1:]:
        assert chosen in candidates(chosen)


@pytest.mark.parametrize(("gpus", "expected"), [(1, [1, 2, 4, 8]), (2, [2, 4, 8, 16]), (8, [8, 16]), (32, [32])])
def test_the_workers_on_gpus_are_multiples_of_them(gpus: int, expected: list[int]) -> None:
    assert [candidate.workers for candidate in walk(16, gpus)[0]] == expected


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (measured(10_000), 200),  # 10,000 requests/s for 20 ms
        (measured(10_000, workers=2), 100),
        (measured(40, batch_size=1), 4),  # bursts of four are always accepted
        (measured(100, batch_size=16), 32),  # a batch in progress and one that waits
    ],
)
def test_the_limit_is_what_a_worker_answers_within_the_longest_wait(found: Measured, expected: int) -> None:
    assert max_concurrent(found, 0.02) == expected
