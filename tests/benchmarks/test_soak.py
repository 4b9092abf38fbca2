"""The verdict of the soak test: right answers, a share of them for each kind of request, and memory that stays."""

from collections import Counter

import pytest

from benchmarks.soak import REJECTED, Request, answer_faults, memory_faults

KINDS = [
    Request("one forecast", "/predictions/sales", b"{}", "application/json", 200, 3),
    Request("no date", "/predictions/sales", b"{}", "application/json", 422, 1),
]


def test_expected_answers_and_some_rejections_pass() -> None:
    answers = {("one forecast", 200): 90, ("one forecast", REJECTED): 10, ("no date", 422): 5}
    assert answer_faults(KINDS, answers, {}) == []


def test_a_service_that_rejects_every_request_fails() -> None:
    assert answer_faults(KINDS, {("one forecast", REJECTED): 100, ("no date", REJECTED): 50}, {}) == [
        "0 of 100 x one forecast were answered 200, less than 25% of them",
        "0 of 50 x no date were answered 422, less than 25% of them",
    ]


def test_a_service_that_answers_few_requests_of_one_kind_fails() -> None:
    answers = {("one forecast", 200): 9, ("one forecast", REJECTED): 91, ("no date", 422): 5}
    assert answer_faults(KINDS, answers, {}) == ["9 of 100 x one forecast were answered 200, less than 25% of them"]


def test_a_kind_that_was_never_answered_fails() -> None:
    (fault,) = answer_faults(KINDS, {("one forecast", 200): 5}, {})
    assert fault.startswith("0 of 0 x no date")


def test_wrong_statuses_and_missing_answers_fail() -> None:
    answers = Counter({("one forecast", 200): 100, ("one forecast", 500): 2, ("no date", 422): 5})
    assert answer_faults(KINDS, answers, {"no date: ConnectionResetError()": 3}) == [
        "2 x one forecast was answered 500, not 200",
        "3 x not answered: no date: ConnectionResetError()",
    ]


@pytest.mark.parametrize(
    ("at_the_end", "faults"), [(1020, []), (1040, ["java 1 grew by 4.0%"]), (0, ["java 1 did not live throughout"])]
)
def test_a_process_that_grows_or_ends_fails(at_the_end: int, faults: list[str]) -> None:
    samples = [(float(second), 1000 if second < 92 else at_the_end) for second in range(100)]
    assert memory_faults({"java 1": [pair for pair in samples if pair[1]]}, 100) == faults
