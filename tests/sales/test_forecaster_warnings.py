"""sales.forecaster: assumptions, warnings and problems."""

import datetime as dt
from typing import Any

from sales.forecaster import Answer, Forecaster
from schemas.problems import Problem
from schemas.sales.answer import Forecast, Forecasts, ItemForecast, ItemProblem
from tests.sales.forecasts import (
    CUTOFF,
    MONDAY,
    SATURDAY,
    ask,
    calendar_facts,
    days_from,
    sales_of,
)

# Assumptions and warnings


def test_facts_that_nobody_states_are_assumed(sensitive_forecaster: Forecaster) -> None:
    late = dt.date(2015, 11, 2)  # after the plan
    stated, part, bare, planned = (
        {"store": 1, "date": late, **calendar_facts(sensitive_forecaster, 1, late)},
        {"store": 1, "date": late, "promo": False, "state_holiday": "0"},
        {"store": 1, "date": late},
        {"store": 1, "date": SATURDAY},
    )
    answers = ask(sensitive_forecaster, stated, part, bare, planned)
    assumed = [answer.assumed for answer in answers if isinstance(answer, Forecast)]
    weather = (
        ["weather"] if sensitive_forecaster.model.features.mode == "production" else []
    )  # parity mode does not assume weather
    fields = [[], ["open", "school_holiday"], ["open", "promo", "state_holiday", "school_holiday"], []]
    assert assumed == [(*each, *weather) for each in fields]


def test_stated_weather_counts_and_is_not_assumed(forecaster: Forecaster) -> None:
    day = {"store": 1, "date": "2015-08-22"}
    stated = {
        "precipitation": 0,
        "mean_temperature": 30,
        "mean_humidity": 40,
        "mean_wind_speed": 5,
        "cloud_cover": 0,
    }
    bare, part, whole, unused = ask(
        forecaster, day, *({**day, "weather": w} for w in ({"mean_temperature": 30}, stated, {"events": "Rain"}))
    )
    assert isinstance(whole, Forecast)
    assert [isinstance(each, Forecast) and each.assumed for each in (bare, part, whole)] == [
        ("weather",),
        ("weather",),
        (),
    ]
    assert whole.sales != getattr(bare, "sales", None) != getattr(part, "sales", None)
    assert warnings(unused)["unused"] == {"events"}


def test_after_the_plan_a_store_is_open_on_its_usual_weekdays(sensitive_forecaster: Forecaster) -> None:
    weeks = days_from(dt.date(2015, 11, 2), 14)
    amounts = sales_of(sensitive_forecaster, [{"store": 1, "date": date} for date in weeks])
    assert [amount > 0 for amount in amounts] == [True, True, True, True, True, True, False] * 2


def warnings(answer: Answer) -> dict[str, set[str]]:
    assert isinstance(answer, Forecast)
    return {code: {w.field for w in answer.warnings if w.code == code} for code in {w.code for w in answer.warnings}}


def test_dates_before_the_cutoff_and_beyond_the_horizon_get_warnings(sensitive_forecaster: Forecaster) -> None:
    asked = {
        CUTOFF: "training_period",
        dt.date(2013, 1, 2): "training_period",
        CUTOFF + dt.timedelta(days=1): None,
        CUTOFF + dt.timedelta(days=49): None,
        CUTOFF + dt.timedelta(days=50): "beyond_horizon",
        CUTOFF + dt.timedelta(days=366): "beyond_horizon",
    }
    for date, code in asked.items():
        (answer,) = ask(sensitive_forecaster, {"store": 1, "date": date})
        of_date = {code for code, fields in warnings(answer).items() if "date" in fields}
        assert of_date == ({code} if code else set()), date


def test_filled_unseen_and_extreme_values_get_warnings(parity: Forecaster) -> None:
    late = {"store": 1, "date": dt.date(2016, 7, 1)}  # without weather and trend, in a year not in training
    weather = {"max_temperature": 99, "mean_humidity": 50, "events": "Frogs"}
    answers = ask(parity, late, {**late, "weather": weather}, {"store": 2, "date": SATURDAY})
    bare, stated, known_day = (warnings(answer) for answer in answers)
    assert {"Max_TemperatureC", "Mean_Humidity", "trend", "trend_DE"} <= bare["filled"]
    assert {"Year"} <= bare["unseen"]
    assert bare["filled"] - stated["filled"] == {"Max_TemperatureC", "Mean_Humidity"}
    assert stated["unseen"] == bare["unseen"] | {"Events"}
    assert "Max_TemperatureC" in stated["out_of_range"]
    assert not known_day
    detail = next(w.detail for w in answers[0].warnings if w.field == "Mean_Humidity")  # type: ignore[union-attr]
    median = parity.model.preprocessor.fill_missing.medians[parity.model.preprocessor.cont_names.index("Mean_Humidity")]
    assert f"{median:.6g}" in detail


def test_a_statement_that_the_model_ignores_gets_a_warning(sensitive_forecaster: Forecaster) -> None:
    weather = {"max_temperature": 25.0, "events": "Rain"}
    (answer,) = ask(sensitive_forecaster, {"store": 2, "date": SATURDAY, "weather": {**weather, "cloud_cover": None}})
    parity = sensitive_forecaster.model.features.mode == "parity"
    assert warnings(answer).get("unused", set()) == (set() if parity else {"max_temperature", "events"})


# Problems


def problem_of(answer: Answer) -> Problem:
    assert isinstance(answer, Problem)
    return answer


def test_an_unknown_store_gets_a_404(sensitive_forecaster: Forecaster) -> None:
    single, listed = ask(
        sensitive_forecaster, {"store": 13, "date": SATURDAY}, {"items": [{"store": 0, "date": SATURDAY}]}
    )
    assert (problem_of(single).status, problem_of(listed).status) == (404, 404)
    assert [problem_of(answer).errors[0].path for answer in (single, listed)] == ["/store", "/items/0/store"]
    assert problem_of(single).type == "urn:shopcat:problem:unknown-store"
    assert "13" in problem_of(single).detail
    assert "12 stores from 1 to 12" in problem_of(single).detail


def test_the_problem_of_a_range_points_at_the_ranges_fields(forecaster: Forecaster) -> None:
    unknown, late, half = ask(
        forecaster,
        {"store": 4711, "start": MONDAY, "days": 366},
        {"store": 1, "start": dt.date(2030, 1, 1), "days": 3},
        {"store": 1, "start": dt.date(2016, 6, 1), "days": 300},
    )
    assert [error.path for error in problem_of(unknown).errors] == ["/store"]
    assert [error.path for error in problem_of(late).errors] == ["/start", "/days"]
    assert isinstance(half, Forecasts)
    bad = [item.problem for item in half.items if isinstance(item, ItemProblem)]
    assert 0 < len(bad) < 300
    assert {error.path for problem in bad for error in problem.errors} == {"/days"}


def test_a_closed_day_gets_no_warning(forecaster: Forecaster) -> None:
    """Its forecast is 0, whatever values are filled for the network."""
    closed, open_ = ask(forecaster, *({"store": 1, "date": MONDAY, "open": o} for o in (False, True)))
    assert isinstance(closed, Forecast)
    assert closed.sales == 0
    assert not warnings(closed).keys() & {"filled", "unseen", "out_of_range"}
    assert isinstance(open_, Forecast)
    assert open_.sales > 0


def test_a_date_outside_the_calendar_gets_a_problem(sensitive_forecaster: Forecaster) -> None:
    first, last = dt.date(2013, 1, 1), CUTOFF + dt.timedelta(days=366)
    for date, reached in ((first, True), (last, True), (dt.date(2012, 12, 31), False), (dt.date(9999, 12, 31), False)):
        (answer,) = ask(sensitive_forecaster, {"store": 1, "date": date})
        assert isinstance(answer, Forecast) is reached
        if not reached:
            problem = problem_of(answer)
            assert (problem.status, problem.type) == (422, "urn:shopcat:problem:outside-calendar")
            assert problem.errors[0].path == "/date"
            assert all(str(each) in problem.detail for each in (date, first, last, CUTOFF))
    (ends,) = ask(sensitive_forecaster, {"store": 1, "start": last, "days": 3})
    assert isinstance(ends, Forecasts)
    assert [isinstance(item, ItemForecast) for item in ends.items] == [True, False, False]


def test_a_bad_item_does_not_affect_other_items(sensitive_forecaster: Forecaster) -> None:
    good = [{"store": store, "date": MONDAY, "promo": True} for store in (1, 2, 3)]
    bad: list[Any] = [
        {"store": 99, "date": MONDAY},
        {"store": 1, "date": "2015-02-30"},
        "store 1",
        {"store": 1, "date": "1999-01-01", "promo": False},
    ]
    items = [bad[0], good[0], bad[1], bad[2], good[1], bad[3], good[2]]
    (answer,) = ask(sensitive_forecaster, {"items": items})
    assert isinstance(answer, Forecasts)
    found = [item.sales if isinstance(item, ItemForecast) else None for item in answer.items]
    expected = sales_of(sensitive_forecaster, good)
    assert found == [None, expected[0], None, None, expected[1], None, expected[2]]
    problems = {place: item for place, item in enumerate(answer.items) if isinstance(item, ItemProblem)}
    assert [item.problem.status for item in problems.values()] == [404, 422, 422, 422]
    for place, item in problems.items():
        assert all(error.path.startswith(f"/items/{place}") for error in item.problem.errors)
    assert (problems[2].store, problems[2].date) == (1, "2015-02-30")  # as sent
    assert (problems[3].store, problems[3].date) == (None, None)


def test_a_request_with_only_bad_items_gets_one_problem(sensitive_forecaster: Forecaster) -> None:
    strangers, mixed = ask(
        sensitive_forecaster,
        {"items": [{"store": 99, "date": SATURDAY}, {"store": 98, "date": SATURDAY}]},
        {"items": [{"store": 99, "date": SATURDAY}, {"store": 1, "date": "1999-01-01"}]},
    )
    assert (problem_of(strangers).status, problem_of(mixed).status) == (404, 422)
    for problem in (problem_of(strangers), problem_of(mixed)):
        assert [error.path.split("/")[2] for error in problem.errors] == ["0", "1"]
        assert "none of the 2 items" in problem.detail
        assert "store 99" in problem.detail
