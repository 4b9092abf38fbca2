"""serving.supervised: a part is started again whenever its process ends, whatever the error of a start."""

import contextlib
import subprocess
import threading
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from serving import supervised
from serving.process import ServerError
from serving.supervised import Process, Supervised, stop_all
from tests.integration.waiting import until


class Sleeper:
    """A part whose process sleeps; its next starts raise the errors in `errors`."""

    def __init__(self) -> None:
        self.errors: list[Exception] = []
        self.started = 0

    @contextlib.contextmanager
    def start(self, _cancelled: threading.Event) -> Iterator[Process]:
        if self.errors:
            raise self.errors.pop(0)
        with subprocess.Popen(["sleep", "60"]) as process:
            self.started += 1
            yield SimpleNamespace(process=process)
            process.kill()


@pytest.fixture
def sleeper() -> Sleeper:
    return Sleeper()


@pytest.fixture
def part(sleeper: Sleeper, monkeypatch: pytest.MonkeyPatch) -> Iterator[Supervised[Process]]:
    monkeypatch.setattr(supervised, "_LONGEST_WAIT_S", 0.01)
    made = Supervised("the sleeper", sleeper.start)
    yield made
    stop_all([made])
    assert made.current is None


def kill(part: Supervised[Process]) -> None:
    """Kill the part's process, and wait until another runs."""
    assert part.current is not None
    before = part.current
    before.process.kill()
    assert until(lambda: part.current not in (None, before))


def test_a_part_that_the_service_can_do_without_is_started_after_a_first_failure(
    sleeper: Sleeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervised, "_LONGEST_WAIT_S", 0.01)
    sleeper.errors = [ServerError("no database"), OSError("no disk")]
    part = Supervised("the pages", sleeper.start, retry_first=True)
    part.begin()
    assert part.wait_until_started() is part.current
    assert part.restarts == 2
    stop_all([part])


def test_a_killed_process_is_started_again(
    sleeper: Sleeper, part: Supervised[Process], caplog: pytest.LogCaptureFixture
) -> None:
    part.begin()
    part.wait_until_started()
    kill(part)
    kill(part)
    assert (part.restarts, sleeper.started) == (2, 3)
    assert (
        "the sleeper ended unexpectedly, killed by SIGKILL, perhaps because memory ran out; it is started again\n"
        in caplog.text
    )
    assert "it is started again in 0.01 s" in caplog.text  # the second time


@pytest.mark.parametrize("error", [ServerError("no memory"), OSError(28, "No space left"), RuntimeError("a bug")])
def test_a_start_that_fails_is_repeated(
    sleeper: Sleeper, part: Supervised[Process], error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    part.begin()
    part.wait_until_started()
    sleeper.errors += [error] * 3
    kill(part)
    assert (part.restarts, sleeper.started) == (4, 2)
    assert f"the sleeper can't be started: {error}" in caplog.text


def test_the_error_of_the_first_start_is_raised(sleeper: Sleeper, part: Supervised[Process]) -> None:
    sleeper.errors.append(ServerError("no Java"))
    part.begin()
    with pytest.raises(ServerError, match="no Java"):
        part.wait_until_started()
    assert sleeper.started == 0


def test_a_part_that_is_stopped_before_it_started_says_so(part: Supervised[Process]) -> None:
    part.stop()
    part.begin()
    with pytest.raises(ServerError, match="stopped before it was started"):
        part.wait_until_started()


def test_a_retired_part_ends_with_its_process(sleeper: Sleeper, part: Supervised[Process]) -> None:
    part.begin()
    process = part.wait_until_started().process
    part.retire()
    process.kill()
    part.join()
    assert (part.restarts, sleeper.started) == (0, 1)


def test_parts_are_stopped_at_the_same_time() -> None:
    """One after the other could take longer than the process manager waits for the service."""
    both = threading.Barrier(2, timeout=10)

    @contextlib.contextmanager
    def start(_cancelled: threading.Event) -> Iterator[Process]:
        with subprocess.Popen(["sleep", "60"]) as process:
            yield SimpleNamespace(process=process)
            both.wait()
            process.kill()

    parts = [Supervised[Process](f"part {number}", start) for number in range(2)]
    for part in parts:
        part.begin()
        part.wait_until_started()
    stop_all(parts)
    assert not both.broken
