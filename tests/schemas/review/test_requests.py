"""schemas.review: answers, appeals and texts that are accepted, and those that are not."""

import pytest
from pydantic import ValidationError

from schemas.review.appeals import AppealStep, NewAppeal
from schemas.review.cases import ReviewAnswer, ReviewFilter
from schemas.review.times import utc


@pytest.mark.parametrize(
    "content",
    [
        {"verdict": "breed", "breed": "Bengal"},
        {"verdict": "not_a_pet"},
        {"verdict": "other_breed", "note": "looks like a Savannah"},
        {"verdict": "cant_tell"},
        {"verdict": "skip", "reason": "private_content"},
    ],
)
def test_every_verdict_can_be_sent(content: dict[str, str]) -> None:
    assert ReviewAnswer.model_validate(content).verdict == content["verdict"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"verdict": "breed"}, "breed is for the verdict breed, which needs it"),
        ({"verdict": "not_a_pet", "breed": "Bengal"}, "breed is for the verdict breed"),
        ({"verdict": "skip"}, "reason is for the verdict skip, which needs it"),
        ({"verdict": "cant_tell", "reason": "other"}, "reason is for the verdict skip"),
        ({"verdict": "accept"}, "Input should be"),
        ({"verdict": "cant_tell", "who": "somebody else"}, "Extra inputs"),
        ({"verdict": "breed", "breed": "x" * 101}, "at most 100 characters"),
        ({"verdict": "cant_tell", "note": "x" * 501}, "at most 500 characters"),
    ],
)
def test_an_answer_without_meaning_is_rejected(content: dict[str, str], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ReviewAnswer.model_validate(content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"action": "decide"}, "decision is for the action decide, which needs it"),
        ({"action": "decide", "decision": "upheld"}, "reason is for the action decide, which needs it"),
        ({"action": "decide", "decision": "upheld", "reason": " \n "}, "at least 1 character"),
        ({"action": "decide", "decision": "upheld", "reason": "ok", "breed": "Bengal"}, "decision changed"),
        ({"action": "assign", "reason": "mine"}, "reason is for the action decide"),
        ({"action": "decide", "decision": "withdrawn", "reason": "ok"}, "Input should be"),
    ],
)
def test_a_decision_needs_a_reason(content: dict[str, str], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        AppealStep.model_validate(content)


def test_a_changed_answer_may_be_no_breed_of_the_model() -> None:
    step = AppealStep.model_validate({"action": "decide", "decision": "changed", "reason": "It is a rabbit."})
    assert step.breed is None


def test_markup_and_other_scripts_are_text() -> None:
    claim = "<script>alert(1)</script> Das ist <b>kein</b> Bengal: هذا قط 👩‍🌾"
    assert NewAppeal(receipt="r", claim=claim).claim == claim
    assert ReviewAnswer(verdict="cant_tell", note=" two\nlines\t").note == "two\nlines"


@pytest.mark.parametrize("character", ["\0", "\x1b", "\x7f", "\u202e", "\u2066", "\ufeff", "\ue000", "\u200b"])
def test_hidden_characters_are_rejected(character: str) -> None:
    with pytest.raises(ValidationError, match="hidden characters; it has U"):
        NewAppeal(receipt="r", claim=f"It is{character} a dog")


def test_a_filter_has_known_values() -> None:
    assert ReviewFilter.model_validate({"reason": "random_check", "waiting_for": "second"}).model is None
    with pytest.raises(ValidationError):
        ReviewFilter.model_validate({"reason": "appeal"})


def test_times_are_utc_with_whole_seconds() -> None:
    assert utc(1795907121.9) == "2026-11-28T23:05:21Z"
