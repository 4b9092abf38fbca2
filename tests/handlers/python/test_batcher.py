"""handlers.python.batcher: batches, limits, and what ends the process."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.batch import AnsweredBatch
from handlers.http import Request, Response
from handlers.python.batcher import Batcher, OverloadedError
from handlers.python.settings import Limit, Limits


def request(body: bytes, *, explain: bool = False) -> Request:
    """Return a request with a body."""
    return Request({"body": body}, explain=explain)


class Model:
    """A model that keeps the bodies of its batches and returns them.

    Attributes:
        batches: the bodies of each batch.
        events: batches, replies and the ends of batches, in order.
        ended: number of times that the batcher ended the process.
        replies: bodies of the responses.
    """

    def __init__(self) -> None:
        self.batches: list[list[bytes]] = []
        self.events: list[str] = []
        self.ended = 0
        self.replies: list[bytes] = []

    def answer(self, requests: Sequence[Request]) -> AnsweredBatch:
        """Answer a batch."""
        bodies = [request.fields["body"] for request in requests]
        self.batches.append(bodies)
        self.events.append("batch")
        return AnsweredBatch([Response(200, "", body) for body in bodies], lambda: self.events.append("finish"))

    def end(self) -> None:
        """End the process."""
        self.ended += 1

    def reply(self, response: Response) -> None:
        """Take a response."""
        self.events.append("reply")
        self.replies.append(response.body)

    def batcher(self, size: int = 3, limits: Limits | None = None, answer: Any = None) -> Batcher:
        """Return a batcher of this model in the running loop."""
        return Batcher(
            answer or self.answer,
            size=size,
            timeout=60,
            limits=limits or Limits(),
            loop=asyncio.get_running_loop(),
            end=self.end,
        )


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> list[BaseException]:
    """Run a coroutine and what it has scheduled; return the unhandled exceptions of callbacks."""
    errors: list[BaseException] = []

    async def whole() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context["exception"]))
        await main()
        for _ in range(100):
            await asyncio.sleep(0)

    asyncio.run(whole())
    return errors


def test_a_batch_is_what_has_arrived_up_to_the_size() -> None:
    model = Model()

    async def main() -> None:
        batcher = model.batcher(size=3)
        for number in range(7):
            batcher.submit(request(b"%d" % number), model.reply)
        assert model.batches == []
        await asyncio.sleep(0.01)
        batcher.submit(request(b"later"), model.reply)

    assert run(main) == []
    assert model.batches == [[b"0", b"1", b"2"], [b"3", b"4", b"5"], [b"6"], [b"later"]]
    assert model.replies == [b"0", b"1", b"2", b"3", b"4", b"5", b"6", b"later"]


def test_a_batch_is_recorded_after_its_replies_and_before_the_next_one() -> None:
    model = Model()

    async def main() -> None:
        batcher = model.batcher(size=2)

        def reply(response: Response) -> None:
            model.reply(response)
            if response.body == b"0":
                batcher.submit(request(b"more"), model.reply)

        for number in range(3):
            batcher.submit(request(b"%d" % number), reply)

    assert run(main) == []
    assert model.events == ["batch", "reply", "reply", "finish"] * 2
    assert model.batches == [[b"0", b"1"], [b"2", b"more"]]


def test_cancelled_requests_take_no_place_in_a_batch() -> None:
    model = Model()

    async def main() -> None:
        batcher = model.batcher(size=2)
        waiting = [batcher.submit(request(b"%d" % number), model.reply) for number in range(6)]
        for index in (0, 2, 3):
            waiting[index].cancel()

    assert run(main) == []
    assert model.batches == [[b"1", b"4"], [b"5"]]


def test_nothing_is_computed_if_all_requests_were_cancelled() -> None:
    model = Model()

    async def main() -> None:
        batcher = model.batcher()
        batcher.submit(request(b"a"), model.reply).cancel()
        await asyncio.sleep(0.01)
        batcher.submit(request(b"b"), model.reply)

    assert run(main) == []
    assert model.batches == [[b"b"]]


def test_a_request_can_be_cancelled_by_the_reply_to_another() -> None:
    model = Model()

    async def main() -> None:
        batcher = model.batcher()
        batcher.submit(request(b"a"), lambda _: second.cancel())
        second = batcher.submit(request(b"b"), model.reply)
        batcher.submit(request(b"c"), model.reply)

    assert run(main) == []
    assert model.replies == [b"c"]


LIMITS = Limits(4, {"explanations": Limit(1), "predictions": Limit(2, min_body_bytes=10)})


def test_limits() -> None:
    model = Model()

    async def main() -> None:
        batcher = model.batcher(size=1, limits=LIMITS)

        def is_accepted(body: bytes, *, explain: bool = False) -> bool:
            try:
                batcher.submit(request(body, explain=explain), model.reply)
            except OverloadedError:
                return False
            return True

        assert is_accepted(b"", explain=True)
        assert not is_accepted(b"", explain=True)
        assert is_accepted(b"x" * 10)
        assert is_accepted(b"x" * 10)
        assert not is_accepted(b"x" * 10)
        assert is_accepted(b"x" * 9)
        assert not is_accepted(b"")
        while len(model.replies) < 4:
            await asyncio.sleep(0)
        assert is_accepted(b"", explain=True)
        assert is_accepted(b"x" * 10)

    assert run(main) == []


def test_without_limits_all_requests_wait() -> None:
    model = Model()

    async def main() -> None:
        batcher = model.batcher(size=64)
        for _ in range(5000):
            batcher.submit(request(b"a"), model.reply)

    assert run(main) == []
    assert len(model.replies) == 5000


STEPS = st.lists(
    st.tuples(st.sampled_from(["submit", "explain", "large", "cancel", "wait"]), st.integers(0, 30)), max_size=60
)


@given(steps=STEPS, size=st.integers(1, 4))
@settings(deadline=None)
def test_counts_return_to_zero(steps: list[tuple[str, int]], size: int) -> None:
    model = Model()
    submitted: list[Any] = []
    cancelled = set()

    async def main() -> None:
        batcher = model.batcher(size=size, limits=LIMITS)
        for step, number in steps:
            if step == "wait":
                for _ in range(number % 3):
                    await asyncio.sleep(0)
            elif step == "cancel":
                if submitted:
                    index = number % len(submitted)
                    if b"%d" % index not in b"".join(model.replies).split(b" "):
                        cancelled.add(index)
                    submitted[index].cancel()
            else:
                body = (b"%d " % len(submitted)).ljust(10 if step == "large" else 0)
                try:
                    submitted.append(batcher.submit(request(body, explain=step == "explain"), model.reply))
                except OverloadedError:
                    assert len(batcher._waiting) > 0
        for _ in range(100):
            await asyncio.sleep(0)
        assert not any(batcher._expensive.values())
        assert not batcher._waiting
        assert not batcher._is_scheduled

    assert run(main) == []
    replied = [int(body) for body in model.replies]
    assert replied == sorted(set(range(len(submitted))) - cancelled)


def fail(_: Sequence[Request]) -> AnsweredBatch:
    """Fail as a whole, as no handler should."""
    raise ZeroDivisionError


def too_few(requests: Sequence[Request]) -> AnsweredBatch:
    """Answer one request only."""
    return AnsweredBatch([Response(200, "", b"")], lambda: None)


@pytest.mark.parametrize(("answer", "error"), [(fail, ZeroDivisionError), (too_few, ValueError)])
def test_a_batch_that_fails_as_a_whole_ends_the_process(
    answer: Any, error: type[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    """Otherwise its clients would wait for ever. The log has the traceback."""
    model = Model()

    async def main() -> None:
        batcher = model.batcher(answer=answer)
        for _ in range(2):
            batcher.submit(request(b"a"), model.reply)

    try:
        (raised,) = run(main)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    assert isinstance(raised, error)
    assert model.ended == 1
    (record,) = caplog.records
    assert record.exc_info is not None
    assert record.exc_info[0] is error


def test_the_alarm_is_set_for_the_batch_only() -> None:
    model = Model()
    during: list[tuple[float, float]] = []

    def answer(requests: Sequence[Request]) -> AnsweredBatch:
        during.append(signal.getitimer(signal.ITIMER_REAL))
        return model.answer(requests)

    async def main() -> None:
        model.batcher(answer=answer).submit(request(b"a"), model.reply)

    assert run(main) == []
    assert 0 < during[0][0] <= 60
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


PROGRAM = """
import asyncio, faulthandler, signal, time
from handlers.http import Request
from handlers.python.batcher import Batcher
from handlers.python.settings import Limits
from handlers.python.server import end_slow_batches

def endless(requests):
    sum(iter(int, 1))

async def main():
    loop = asyncio.get_running_loop()
    batcher = Batcher(endless, size=1, timeout=0.2, limits=Limits(), loop=loop, end=lambda: None)
    batcher.submit(Request({}), print)
    await asyncio.sleep(60)

end_slow_batches()
asyncio.run(main())
"""


def test_a_batch_that_takes_too_long_ends_the_process() -> None:
    """It runs native code that no exception of Python's can end. The log has the stack."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == -signal.SIGALRM
    assert " in endless" in done.stderr
    assert done.stdout == ""
