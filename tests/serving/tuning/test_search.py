"""serving.tuning.search: which of several measured settings is taken."""

import pytest

from serving.tuning.search import Candidate, Measured, batches, best, max_concurrent, processes


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


@pytest.mark.parametrize("cores", [1, 2, 3, 4, 7, 64])
def test_candidates_fit_the_machine(cores: int) -> None:
    found = processes(cores, 16)
    assert len(set(found)) == len(found) <= 24
    assert {candidate.workers for candidate in found} >= {cores, max(1, cores - 1)}
    assert all(candidate.workers * candidate.threads <= cores for candidate in found)
    assert all(1 <= candidate.gateway_threads <= max(1, cores // 4) for candidate in found)


def test_batches_keep_the_numbers_of_processes() -> None:
    chosen = Candidate(2, 1, 1, 12)
    found = batches(chosen)
    assert chosen in found
    assert {(candidate.workers, candidate.threads, candidate.gateway_threads) for candidate in found} == {(2, 1, 1)}


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
