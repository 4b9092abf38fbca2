"""Forecasts with a what-if: the forecast as asked, the forecast with changes, and their difference."""

import json
from typing import Any

import pytest

from sales.forecaster import Answer, Forecaster
from schemas.problems import Problem
from schemas.sales.answer import (
    Comparison,
    Comparisons,
    Forecast,
    Forecasts,
    ItemComparison,
    ItemForecast,
    ItemProblem,
    WhatIfResult,
    json_adapter,
)
from schemas.sales.parse import parse_request

Json = dict[str, Any]
SATURDAY, MONDAY = "2015-08-22", "2015-08-24"
DAY: Json = {"store": 3, "date": MONDAY}


def ask(forecaster: Forecaster, *requests: Json) -> list[Answer]:
    return forecaster.predict([parse_request(json.dumps(each).encode()) for each in requests])


def forecasts(forecaster: Forecaster, *requests: Json) -> list[ItemForecast]:
    """Return the forecasts of single days, one request each."""
    answers = [answer for answer in ask(forecaster, *requests) if isinstance(answer, Forecast)]
    assert len(answers) == len(requests)
    return list(answers)


def compared(forecaster: Forecaster, request: Json) -> list[ItemComparison]:
    (answer,) = ask(forecaster, request)
    items = answer.items if isinstance(answer, Comparisons) else [answer]
    found = [item for item in items if isinstance(item, ItemComparison)]
    assert len(found) == len(items)
    return found


@pytest.mark.parametrize(
    "changes",
    [
        {"promo": False},
        {"promo": True},
        {"open": False},
        {"state_holiday": "a"},
        {"school_holiday": True, "promo": True},
        {"weather": {"mean_temperature": 30, "precipitation": 0}},
    ],
)
def test_both_forecasts_equal_separate_requests(forecaster: Forecaster, changes: Json) -> None:
    was, would = forecasts(forecaster, DAY, {**DAY, **changes})
    (both,) = compared(forecaster, {**DAY, "what_if": changes})
    assert (both.sales, both.assumed, both.warnings) == (was.sales, was.assumed, was.warnings)
    change = both.what_if
    assert (change.sales, change.assumed, change.warnings) == (would.sales, would.assumed, would.warnings)
    assert change.difference == pytest.approx(would.sales - was.sales, rel=1e-5)
    assert change.ratio == pytest.approx(would.sales / was.sales, rel=1e-6)


def test_a_what_if_with_the_stated_value_changes_nothing(forecaster: Forecaster) -> None:
    (same,) = compared(forecaster, {**DAY, "promo": True, "what_if": {"promo": True}})
    assert same.what_if == WhatIfResult(same.sales, 0.0, 1.0, same.assumed, same.warnings)


def test_the_ratio_is_null_if_the_forecast_is_zero(forecaster: Forecaster) -> None:
    (opened,) = compared(forecaster, {**DAY, "open": False, "what_if": {"open": True}})
    assert opened.sales == 0
    assert opened.what_if.sales == opened.what_if.difference > 0
    assert opened.what_if.ratio is None


def test_a_what_if_changes_single_weather_fields(forecaster: Forecaster) -> None:
    wet, hot = {"precipitation": 20}, {"mean_temperature": 35}
    (both,) = forecasts(forecaster, {**DAY, "weather": {**wet, **hot}})
    (one,) = compared(forecaster, {**DAY, "weather": wet, "what_if": {"weather": hot}})
    assert one.what_if.sales == both.sales


def test_an_out_of_range_what_if_warns_in_its_result_only(forecaster: Forecaster) -> None:
    (far,) = compared(forecaster, {**DAY, "what_if": {"weather": {"mean_temperature": -60}}})
    assert far.warnings == []
    (warning,) = far.what_if.warnings
    assert (warning.code, warning.field) == ("out_of_range", "Mean_TemperatureC")


def test_a_what_if_for_monday_changes_saturday(forecaster: Forecaster) -> None:
    saturday = {"store": 3, "date": SATURDAY}
    turned = {"promo": False}
    (plain, _) = forecasts(forecaster, saturday, DAY)
    first, second = compared(forecaster, {"items": [saturday, {**DAY, "what_if": turned}]})
    assert first.sales == plain.sales
    assert first.what_if.difference != 0  # although its item has no what-if
    (planned,) = ask(forecaster, {"items": [saturday, {**DAY, **turned}]})
    assert isinstance(planned, Forecasts)
    assert [first.what_if.sales, second.what_if.sales] == [getattr(item, "sales", None) for item in planned.items]


def test_a_range_equals_its_items(forecaster: Forecaster) -> None:
    changes = [{"promo": True}, None, {"promo": False}]
    as_range = {"store": 4, "start": "2015-08-24", "days": 3, "what_if": {"promo": [True, None, False]}}
    items = [
        {"store": 4, "date": f"2015-08-{24 + day}", **({"what_if": change} if change else {})}
        for day, change in enumerate(changes)
    ]
    assert compared(forecaster, as_range) == compared(forecaster, {"items": items})


def test_requests_of_a_batch_do_not_affect_each_other(forecaster: Forecaster) -> None:
    requests: list[Json] = [
        DAY,
        {**DAY, "what_if": {"promo": False}},
        {"items": [DAY, {"store": 3, "date": SATURDAY}]},
        {"store": 3, "start": SATURDAY, "days": 5, "what_if": {"school_holiday": True}},
        {**DAY, "what_if": {"open": False}},
        {"store": 99, "date": MONDAY, "what_if": {"promo": True}},
    ]
    together = ask(forecaster, *requests)
    assert together == [answer for request in requests for answer in ask(forecaster, request)]
    kinds = [Forecast, Comparison, Forecasts, Comparisons, Comparison, Problem]
    assert [type(answer) for answer in together] == kinds


def test_a_bad_item_does_not_affect_other_items(forecaster: Forecaster) -> None:
    what_if = {"promo": False}
    items = [{**DAY, "what_if": what_if}, {"store": 99, "date": MONDAY}, {**DAY, "what_if": {"promos": 1}}, DAY]
    (answer,) = ask(forecaster, {"items": items})
    assert isinstance(answer, Comparisons)
    assert [type(item) for item in answer.items] == [ItemComparison, ItemProblem, ItemProblem, ItemComparison]
    problems = [item.problem for item in answer.items if isinstance(item, ItemProblem)]
    assert [problem.errors[0].path for problem in problems] == ["/items/1/store", "/items/2/what_if/promos"]


def test_answers_are_valid_by_the_schema(forecaster: Forecaster) -> None:
    changed = {**DAY, "what_if": {"promo": False}}
    for answer in ask(forecaster, changed, {"items": [changed, DAY, {"store": 99, "date": MONDAY}]}):
        assert isinstance(answer, Comparison | Comparisons)
        assert json_adapter(type(answer)).validate_json(answer.to_json()).to_json() == answer.to_json()
