"""Sales requests with a what-if, or for an explanation."""

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.problems import ProblemError
from schemas.sales.parse import MAX_EXPLAINED, parse_request
from schemas.sales.request import Item, Weather
from tests.schemas.sales.sales_requests import GOOD, RANGE, items_of, parse, problem_of


def changed_items(request: Any) -> list[Item]:
    parsed = parse(request)
    assert parsed.what_if is not None
    assert (parsed.what_if.single, parsed.what_if.is_range) == (parsed.single, parsed.is_range)
    assert len(parsed.what_if.items) == len(parsed.items)
    return [item for item in parsed.what_if.items if isinstance(item, Item)]


def test_a_what_if_changes_the_stated_facts_of_a_day() -> None:
    facts = {**GOOD, "promo": False, "school_holiday": True}
    (item,) = changed_items({**facts, "what_if": {"promo": True}})
    assert item == Item.model_validate({**facts, "promo": True})


def test_a_what_if_keeps_the_weather_that_it_does_not_change() -> None:
    weather = {"precipitation": 5, "events": "Rain"}
    (item,) = changed_items({**GOOD, "weather": weather, "what_if": {"weather": {"events": None, "cloud_cover": 1}}})
    assert item.weather == Weather(precipitation=5, events="Rain", cloud_cover=1)


def test_one_changed_item_compares_all_items() -> None:
    changed = changed_items({"items": [GOOD, {**GOOD, "what_if": {"state_holiday": 0}}]})
    assert [item.state_holiday for item in changed] == [None, "0"]


def test_a_what_if_changes_all_days_or_some_of_a_range() -> None:
    changed = changed_items({**RANGE, "promo": False, "what_if": {"promo": [None, True, False], "open": True}})
    assert [item.promo for item in changed] == [False, True, False]
    assert [item.open for item in changed] == [True] * 3


def test_a_what_if_of_nulls_is_still_compared() -> None:
    assert changed_items({**RANGE, "promo": True, "what_if": {"promo": [None] * 3}}) == items_of(
        {**RANGE, "promo": True}
    )


@pytest.mark.parametrize("request_", [GOOD, RANGE, {"items": [GOOD]}])
def test_a_null_what_if_is_ignored(request_: dict[str, Any]) -> None:
    assert parse(request_).what_if is None
    items = [{**item, "what_if": None} for item in request_.get("items", [])]
    assert parse({**request_, **({"items": items} if items else {"what_if": None})}).what_if is None


@pytest.mark.parametrize("base", [GOOD, RANGE])
@pytest.mark.parametrize(
    ("what_if", "path", "words"),
    [
        ({}, "/what_if", "is empty; name one or more facts to change: open, promo,"),
        ({"promos": True}, "/what_if/promos", "unknown field"),
        ({"store": 2}, "/what_if/store", "unknown field"),
        ({"promo": "perhaps"}, "/what_if/promo", ""),
        ({"promo": None}, "/what_if/promo", ""),
        ({"state_holiday": "d"}, "/what_if/state_holiday", ""),
        ({"weather": {"cloud_cover": 10}}, "/what_if/weather/cloud_cover", ""),
        ({"weather": {"fog": 1}}, "/what_if/weather/fog", "unknown field"),
        ({"what_if": {"promo": True}}, "/what_if/what_if", "unknown field"),
        (True, "/what_if", ""),
        ([{"promo": True}], "/what_if", ""),
        ("promo", "/what_if", ""),
    ],
)
def test_an_invalid_what_if_is_reported_with_its_path(
    base: dict[str, Any], what_if: Any, path: str, words: str
) -> None:
    problem = problem_of({**base, "what_if": what_if})
    assert [error.path for error in problem.errors] == [path]
    assert words in problem.detail


@pytest.mark.parametrize(
    ("promo", "path"), [([True], "/what_if/promo"), ([True, False, "x"], "/what_if/promo/2"), ([], "/what_if/promo")]
)
def test_an_invalid_list_in_a_what_if_is_reported_with_its_path(promo: Any, path: str) -> None:
    assert problem_of({**RANGE, "what_if": {"promo": promo}}).errors[0].path == path


def test_a_what_if_belongs_into_an_item_and_not_beside_items() -> None:
    assert problem_of({"items": [GOOD], "what_if": {"promo": True}}).errors[0].path == "/what_if"
    problem = problem_of({"items": [{**GOOD, "what_if": {}}]})
    assert problem.errors[0].path == "/items/0/what_if"


# Explanations.


@pytest.mark.parametrize("request_", [GOOD, RANGE, {"items": [GOOD] * MAX_EXPLAINED}, RANGE | {"days": MAX_EXPLAINED}])
def test_explanations_accept_the_same_forms(request_: dict[str, Any]) -> None:
    plain, explained = parse(request_), parse(request_, explain=True)
    assert (plain.explain, explained.explain) == (False, True)
    assert (explained.items, explained.single, explained.is_range) == (plain.items, plain.single, plain.is_range)


@pytest.mark.parametrize(
    ("request_", "path"),
    [({"items": [GOOD] * (MAX_EXPLAINED + 1)}, "/items"), (RANGE | {"days": MAX_EXPLAINED + 1}, "/days")],
)
def test_the_number_of_explanations_is_limited(request_: dict[str, Any], path: str) -> None:
    problem = problem_of(request_, explain=True)
    assert (problem.errors[0].path, problem.errors[0].value) == (path, str(MAX_EXPLAINED + 1))
    assert f"at most {MAX_EXPLAINED}" in problem.detail


@pytest.mark.parametrize(
    ("request_", "path"),
    [
        (GOOD | {"what_if": {"promo": True}}, "/what_if"),
        ({"items": [GOOD, GOOD | {"what_if": {"promo": True}}]}, "/items/1/what_if"),
        (RANGE | {"what_if": {"promo": [None, True, None]}}, "/what_if"),
    ],
)
def test_an_explanation_with_a_what_if_is_rejected(request_: dict[str, Any], path: str) -> None:
    problem = problem_of(request_, explain=True)
    assert problem.errors[0].path == path
    assert "/predictions/sales" in problem.detail


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["0", "a", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["promo", "weather", "open", "x"]), inner, max_size=2)
    ),
    max_leaves=6,
)


@given(values, st.sampled_from([GOOD, RANGE]), st.booleans())
def test_only_problems_escape(what_if: Any, base: dict[str, Any], explain: bool) -> None:
    with contextlib.suppress(ProblemError):
        assert parse({**base, "what_if": what_if}, explain=explain).items


def test_an_explanation_with_a_what_if_of_nulls_is_rejected() -> None:
    request = {"store": 1, "start": "2015-08-01", "days": 2, "what_if": {"promo": [None, None]}}
    with pytest.raises(ProblemError) as raised:
        parse_request(request, explain=True)
    assert [error.path for error in raised.value.problem.errors] == ["/what_if"]
