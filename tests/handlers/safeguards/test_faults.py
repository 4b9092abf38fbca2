"""handlers.safeguards.faults: a worker is broken if different requests fail, and not if a client repeats one."""

from collections.abc import Sequence

import pytest

from handlers.batch import answer_batch
from handlers.http import Request
from handlers.safeguards.faults import DIFFERENT, FAILED_BATCHES, FaultMonitor
from handlers.safeguards.safeguards import Safeguards
from tests.handlers.test_batch import Doubled, parse


def broken_after(bodies: Sequence[bytes], error: Exception) -> str | None:
    """Send requests one by one to a model that fails, and return the reason why the worker must end."""

    def run(_requests: Sequence[int]) -> list[Doubled]:
        raise error

    safeguards = Safeguards(FaultMonitor("cpu"))
    for body in bodies:
        answer_batch([Request({"body": body})], parse=parse, run=run, safeguards=safeguards)
    return safeguards.faults.broken


DIFFERENT_BODIES = [b"%d" % (number % DIFFERENT) for number in range(FAILED_BATCHES)]


def test_different_requests_that_all_fail_break_the_worker() -> None:
    assert broken_after(DIFFERENT_BODIES, RuntimeError("the device is gone")) is not None
    assert broken_after(DIFFERENT_BODIES[:-1], RuntimeError("the device is gone")) is None


def test_one_request_sent_again_and_again_breaks_no_worker() -> None:
    assert broken_after([b"1"] * 3 * FAILED_BATCHES, RuntimeError("a bug for this request")) is None


@pytest.mark.parametrize("error", [MemoryError(), MemoryError("std::bad_alloc")])
def test_requests_that_take_too_much_memory_break_no_worker(error: Exception) -> None:
    assert broken_after(DIFFERENT_BODIES * 3, error) is None


def test_an_answer_in_between_starts_again() -> None:
    monitor = FaultMonitor("cpu")
    for number in range(FAILED_BATCHES - 1):
        monitor.count(n_run=1, failed=[number])
    monitor.count(n_run=2, failed=[1])
    monitor.count(n_run=1, failed=[2])
    assert monitor.broken is None


def test_a_broken_worker_ends_after_its_responses_were_sent() -> None:
    """The server sends them before it finishes the batch."""
    ended: list[bool] = []

    def run(_requests: Sequence[int]) -> list[Doubled]:
        raise RuntimeError("CUDA failure 700: an illegal memory access was encountered")

    faults = FaultMonitor("cuda:0")
    safeguards = Safeguards(faults, end=lambda: ended.append(True))
    (response,), finish = answer_batch([Request({"body": b"1"})], parse=parse, run=run, safeguards=safeguards)
    assert (response.status, response.is_final, ended) == (503, False, [])
    finish()
    assert ended == [True]
