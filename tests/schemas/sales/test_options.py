"""schemas.sales.options: objective, levels and quantiles of a request."""

from typing import Any

import pytest

from schemas.problems import Problem, ProblemError
from schemas.sales.explanation import ExplanationDay, ExplanationItemList, ExplanationRange
from schemas.sales.options import NO_OPTIONS
from schemas.sales.parse import ForecastRequest, parse_items, parse_request
from schemas.sales.request import DayRequest, ItemList, Range

DAY = {"store": 1, "date": "2015-08-01"}
FORMS = [DAY, {"items": [DAY, DAY]}, {"store": 1, "start": "2015-08-01", "days": 3}]


def problem_of(body: Any, *, explain: bool = False) -> Problem:
    """Return the problem of a request."""
    with pytest.raises(ProblemError) as caught:
        parse_request(body, explain=explain)
    return caught.value.problem


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("explain", [False, True])
def test_options_stand_beside_the_store_the_items_or_the_range(form: dict[str, Any], explain: bool) -> None:
    plain = parse_request(form, explain=explain)
    request = parse_request({**form, "levels": [80, 97.5], "objective": "mean"}, explain=explain)

    assert plain.options is NO_OPTIONS
    assert request.options.levels == [80, 97.5]
    assert request.options.objective == "mean"
    assert request._replace(options=NO_OPTIONS) == plain


def test_a_what_if_has_the_options_of_its_request() -> None:
    request = parse_request({**DAY, "what_if": {"promo": True}, "quantiles": [0.5]})

    assert isinstance(request.what_if, ForecastRequest)
    assert request.what_if.options is request.options
    assert request.options.quantiles == [0.5]


@pytest.mark.parametrize("form", FORMS)
def test_levels_and_quantiles_exclude_each_other(form: dict[str, Any]) -> None:
    problem = problem_of({**form, "levels": [80], "quantiles": [0.1]})

    assert [error.path for error in problem.errors] == ["/quantiles"]
    assert "not allowed beside levels; send levels or quantiles, not both" in problem.detail


def test_the_contract_forbids_levels_beside_quantiles() -> None:
    for component in (DayRequest, ItemList, Range, ExplanationDay, ExplanationItemList, ExplanationRange):
        both = component.model_json_schema()["not"]
        assert both["required"] == ["levels", "quantiles"]
        assert both["properties"]["levels"] == {"type": "array"}  # null is no level


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({"levels": [0.5]}, "/levels/0"),
        ({"levels": [80, 99]}, "/levels/1"),
        ({"levels": ["80"]}, "/levels/0"),
        ({"levels": [True]}, "/levels/0"),
        ({"levels": [0.8]}, "/levels/0"),
        ({"levels": []}, "/levels"),
        ({"levels": 80}, "/levels"),
        ({"levels": [80, 80.0]}, "/levels"),
        ({"levels": list(range(1, 22))}, "/levels"),
        ({"quantiles": [0]}, "/quantiles/0"),
        ({"quantiles": [0.001]}, "/quantiles/0"),
        ({"quantiles": [0.5, 1]}, "/quantiles/1"),
        ({"quantiles": [50]}, "/quantiles/0"),
        ({"quantiles": [0.5, 0.5]}, "/quantiles"),
        ({"objective": "Mean"}, "/objective"),
        ({"objective": 1}, "/objective"),
    ],
)
def test_an_invalid_option_is_named(options: dict[str, Any], path: str) -> None:
    problem = problem_of({**DAY, **options})

    assert problem.status == 422
    assert [error.path for error in problem.errors] == [path]


def test_null_is_no_option() -> None:
    assert not parse_request({**DAY, "levels": None, "quantiles": None, "objective": None}).options.uncertain


def test_an_option_in_an_item_of_a_list_is_unknown() -> None:
    problem = problem_of({"items": [{**DAY, "levels": [80]}]})

    assert [error.path for error in problem.errors] == ["/items/0/levels"]
    assert "unknown field" in problem.detail


def test_a_fact_beside_items_is_told_from_an_option() -> None:
    assert "Beside items are only objective, levels, quantiles" in problem_of({"items": [DAY], "promo": True}).detail


def test_probabilities_are_the_ends_of_the_intervals() -> None:
    assert parse_request({**DAY, "levels": [80, 95, 1]}).options.probabilities == [0.1, 0.9, 0.025, 0.975, 0.495, 0.505]
    assert parse_request({**DAY, "quantiles": [0.9, 0.1]}).options.probabilities == [0.9, 0.1]
    assert parse_request(DAY).options.probabilities == ()


def test_items_of_a_program_have_options_too() -> None:
    assert parse_items([DAY], options={"levels": [80]}).options.levels == [80]
    with pytest.raises(ProblemError, match="not allowed beside levels"):
        parse_items([DAY], options={"levels": [80], "quantiles": [0.1]})


@pytest.mark.parametrize(
    ("levels", "detail"),
    [
        (80, "must be a list, in square brackets"),
        ([], "must have 1 or more in the list"),
        ([*range(1, 99)], "must have 20 or less in the list"),
    ],
)
def test_a_wrong_list_of_levels_is_explained_without_pydantics_words(levels: Any, detail: str) -> None:
    problem = problem_of({"store": 1, "date": "2015-08-01", "levels": levels})
    assert (problem.errors[0].path, problem.errors[0].detail) == ("/levels", detail)


def test_a_probability_in_place_of_a_level_gets_both_remedies() -> None:
    problem = problem_of({"store": 1, "date": "2015-08-01", "levels": [0.8]})
    assert "/levels/0: must be in percent, such as 80; probabilities are sent as quantiles" in problem.detail
