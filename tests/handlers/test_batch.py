"""handlers.batch: each request of a batch gets its own answer, independently of the others."""

import json
import logging
import re
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest

from handlers.batch import MAX_BODY, answer_batch
from handlers.http import Request, Response
from schemas.problems import Problem, ProblemError


@dataclass
class Doubled:
    value: int

    def to_json(self) -> bytes:
        if self.value == 2 * 13:
            raise ValueError("can't be written")
        return b"%d" % self.value


@dataclass
class Model:
    """Doubles whole numbers. It fails for any batch with 7, and has a problem for 404."""

    batches: list[list[int]] = field(default_factory=list)

    def run(self, requests: Sequence[int]) -> list[Doubled | Problem]:
        self.batches.append(list(requests))
        if 7 in requests:
            raise RuntimeError("seven")
        return [Problem.of("unknown-store", "404") if r == 404 else Doubled(2 * r) for r in requests]


def parse(request: Request) -> int:
    body = request.body()
    if body == b"bug":
        raise KeyError("a bug in parse")
    try:
        return int(body)
    except ValueError:
        raise ProblemError(Problem.of("malformed-request", "not a number")) from None


def responses_to(bodies: Sequence[bytes | None], run: Callable[..., Any] | None = None) -> Sequence[Response]:
    """Return the responses to requests with these bodies; None is no body."""
    requests = [Request({} if body is None else {"body": body}) for body in bodies]
    return answer_batch(requests, parse=parse, run=run or Model().run).responses


def answer(bodies: Sequence[bytes | None], run: Callable[..., Any] | None = None) -> list[tuple[int, str, Any]]:
    """Return status, content type and content of each response."""
    return [(status, kind, json.loads(body)) for status, kind, body, _ in responses_to(bodies, run)]


def test_valid_requests_run_as_one_batch_in_order() -> None:
    model = Model()
    answers = answer([b"3", b"1", b"2"], model.run)
    assert answers == [(200, "application/json", 6), (200, "application/json", 2), (200, "application/json", 4)]
    assert model.batches == [[3, 1, 2]]


def test_an_invalid_request_affects_no_other() -> None:
    model = Model()
    answers = answer([b"1", b"x", b"404", b"", None, b"2"], model.run)
    assert [status for status, _, _ in answers] == [200, 400, 404, 400, 400, 200]
    assert [kind for _, kind, _ in answers][1:5] == ["application/problem+json"] * 4
    assert [answers[0][2], answers[5][2]] == [2, 4]
    assert model.batches == [[1, 404, 2]]


def test_a_batch_of_invalid_requests_does_not_reach_the_model() -> None:
    model = Model()
    assert [status for status, _, _ in answer([b"x", b"y"], model.run)] == [400, 400]
    assert model.batches == []
    assert answer([], model.run) == []


def test_only_a_500_forbids_a_retry() -> None:
    """The gateway retries when a worker died, not when a request failed."""
    assert [response.is_final for response in responses_to([b"1", b"7", b"x"])] == [False, True, False]


def test_only_the_request_that_fails_alone_gets_a_500(caplog: pytest.LogCaptureFixture) -> None:
    model = Model()
    answers = answer([b"1", b"7", b"x", b"2"], model.run)
    assert [status for status, _, _ in answers] == [200, 500, 400, 200]
    assert model.batches == [[1, 7, 2], [1], [7], [2]]
    (error_id,) = re.findall(r"under the id ([0-9a-f]{12})", answers[1][2]["detail"])
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert error_id in record.getMessage()
    assert record.exc_info is not None
    assert "seven" in str(record.exc_info[1])
    assert "seven" not in json.dumps(answers[1][2])  # the cause is for the log, not for the client


def test_an_error_in_parsing_or_serializing_fails_one_request() -> None:
    answers = answer([b"1", b"bug", b"13", b"2"])
    assert [status for status, _, _ in answers] == [200, 500, 500, 200]


@pytest.mark.parametrize("wrong", [[], [Doubled(1)] * 3])
def test_a_wrong_number_of_answers_is_an_error(wrong: list[Doubled]) -> None:
    assert [status for status, _, _ in answer([b"1", b"2"], lambda requests: wrong)] == [500, 500]


def test_a_problem_raised_by_the_model_goes_to_its_request() -> None:
    def run(requests: Sequence[int]) -> list[Doubled]:
        if 5 in requests:
            raise ProblemError(Problem.of("unknown-store", "five"))
        return [Doubled(2 * request) for request in requests]

    assert [status for status, _, _ in answer([b"1", b"5"], run)] == [200, 404]


def test_a_batch_that_runs_out_of_memory_is_run_one_by_one() -> None:
    def run(requests: Sequence[int]) -> list[Doubled]:
        if len(requests) > 1:
            raise MemoryError
        return [Doubled(2 * request) for request in requests]

    assert [status for status, _, _ in answer([b"1", b"2"], run)] == [200, 200]


def test_an_exit_is_not_caught() -> None:
    def run(requests: Sequence[int]) -> list[Doubled]:
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        answer([b"1"], run)


def test_parse_gets_the_request_with_its_headers() -> None:
    requests = [Request({"body": b"1"}, [(b"X-Place", b"%d" % index)], explain=index == 1) for index in range(2)]
    seen = []

    def keep(request: Request) -> int:
        seen.append(request)
        return 1

    answer_batch(requests, parse=keep, run=Model().run)
    assert seen == requests


def test_an_answer_too_large_to_send_is_a_problem() -> None:
    class Huge:
        def to_json(self) -> bytes:
            return b"x" * (MAX_BODY + 1)

    ((status, _, content),) = answer([b"1"], lambda requests: [Huge()])
    assert status == 422
    assert "ask for less" in content["detail"]


# Threads that answer requests beside each other


def test_on_threads_each_request_gets_its_own_answer() -> None:
    """Damaged, failing and good requests beside each other; each runs alone, so that no other one runs twice."""
    bodies = [b"%d" % number for number in range(40)]
    bodies[3:6] = [b"bug", b"nonsense", b"404"]
    model = Model()
    with ThreadPoolExecutor(8) as pool:
        requests = [Request({"body": body}) for body in bodies]
        responses = answer_batch(requests, parse=parse, run=model.run, pool=pool).responses
    expected = [200] * 40
    expected[3:6] = [500, 400, 404]
    expected[7] = expected[13] = 500  # 7 fails in the model, and the answer to 13 can't be written
    assert [response.status for response in responses] == expected
    good = [number for number in range(40) if expected[number] == 200]
    assert [int(responses[number].body) for number in good] == [2 * number for number in good]
    assert sorted(map(tuple, model.batches)) == [(number,) for number in sorted([*({*range(40)} - {3, 4, 5}), 404])]


def test_on_threads_a_request_is_parsed_while_another_is_computed() -> None:
    parsed = threading.Barrier(3, timeout=30)

    def meet(request: Request) -> int:
        parsed.wait()
        return parse(request)

    with ThreadPoolExecutor(3) as pool:
        requests = [Request({"body": b"%d" % number}) for number in (1, 2, 3)]
        responses = answer_batch(requests, parse=meet, run=Model().run, pool=pool).responses
    assert [response.body for response in responses] == [b"2", b"4", b"6"]
