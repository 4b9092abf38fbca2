"""handlers.safeguards.faults: a worker is broken if different requests fail, and not if a client repeats one."""

from collections.abc import Sequence

import pytest

from handlers import protocol
from handlers.batch import answer_batch
from handlers.safeguards.faults import DIFFERENT, FAILED_BATCHES, FaultMonitor
from handlers.safeguards.safeguards import Safeguards
from tests.handlers.test_batch import Doubled, parse


def broken_after(bodies: Sequence[bytes], error: Exception) -> str | None:
    """Send requests one by one to a model that fails, and return the reason why the worker must end."""

    def run(_requests: Sequence[int]) -> list[Doubled]:
        raise error

    safeguards = Safeguards(FaultMonitor("cpu"))
    for body in bodies:
        batch = protocol.Batch()
        batch.append(b"id", [], [("body", b"", body)])
        answer_batch(batch.fields, batch, parse=parse, run=run, safeguards=safeguards)
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
