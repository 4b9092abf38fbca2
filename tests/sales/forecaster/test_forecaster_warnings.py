"""sales.forecaster: assumptions, warnings and problems."""

import datetime as dt
from dataclasses import replace
from typing import Any

import numpy as np

from sales.features import Features
from sales.forecaster import Answer, Forecaster
from schemas.problems import Problem
from schemas.sales.answer import Forecast, Forecasts, ItemForecast, ItemProblem
from tests.sales.forecasts import (
    CUTOFF,
    HORIZON,
    MONDAY,
    SATURDAY,
    ask,
    calendar_facts,
    days_from,
    sales_of,
)

# Assumptions and warnings


def test_facts_that_nobody_states_are_assumed(sensitive_forecaster: Forecaster) -> None:
    """In production mode a day's columns look ahead at 17 days at most, so these are stated, too."""
    late = dt.date(2015, 11, 2)  # after the plan
    stated, part, bare, planned = (
        {"store": 1, "date": late, **calendar_facts(sensitive_forecaster, 1, late)},
        {"store": 1, "date": late, "promo": False, "state_holiday": "0"},
        {"store": 1, "date": late},
        {"store": 1, "date": SATURDAY},
    )
    later = [
        {"store": 1, "date": date, **calendar_facts(sensitive_forecaster, 1, date)} for date in days_from(late, 18)[1:]
    ]
    answers = ask(sensitive_forecaster, *({"items": [item, *later]} for item in (stated, part, bare)), planned)
    assumed = [
        answer.items[0].assumed
        for answer in answers
        if isinstance(answer, Forecasts)
        if isinstance(answer.items[0], ItemForecast)
    ]
    assumed += [answer.assumed for answer in answers if isinstance(answer, Forecast)]
    weather = (
        ["weather"] if sensitive_forecaster.model.features.mode == "production" else []
    )  # parity mode does not assume weather
    fields = [[], ["open", "school_holiday"], ["open", "promo", "state_holiday", "school_holiday"], []]
    # The weather table ends with the plan.
    assert assumed == [*((*names, *weather) for names in fields[:3]), ()]


def test_a_look_ahead_at_an_assumed_day_is_named(forecaster: Forecaster) -> None:
    """The plan ends on 2015-09-17. A promotion is planned for the week from 14 September, and for none of the last."""
    dates = days_from(dt.date(2015, 9, 1), 17)
    (answer,) = ask(forecaster, {"items": [{"store": 1, "date": date} for date in dates]})
    assert isinstance(answer, Forecasts)
    assumed = {item.date.day: set(item.assumed) for item in answer.items if isinstance(item, ItemForecast)}
    assert assumed[4] == set()  # 13 days ahead is the last planned day
    assert {"open", "state_holiday"} <= assumed[5]
    calendar = forecaster.model.panel.calendar
    for day in range(1, 18):
        week_is_known = day + 6 <= 17
        promo = calendar.promo[0, calendar.day(dt.date(2015, 9, day)) : calendar.day(dt.date(2015, 9, 18))]
        assert ("promo" in assumed[day]) == (not week_is_known or (day > 4 and not promo.any())), day


def test_stated_weather_counts_and_is_not_assumed(forecaster: Forecaster) -> None:
    """The weather table ends with the plan, on 2015-09-17."""
    day = {"store": 1, "date": "2015-11-02"}
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
    assumed = [isinstance(answer, Forecast) and "weather" in answer.assumed for answer in (bare, part, whole)]
    assert assumed == [True, True, False]
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


def test_an_ordinary_day_has_no_warning(forecaster: Forecaster) -> None:
    """Nor has a store without a known competitor: training knew such stores."""
    answers = ask(forecaster, *({"store": store, "date": SATURDAY} for store in range(1, 13)))
    assert [warnings(answer) for answer in answers] == [{}] * 12


def test_a_store_without_sales_gets_one_warning(forecaster: Forecaster) -> None:
    model = forecaster.model
    sales = model.panel.sales.copy()
    sales[4] = np.nan
    panel = replace(model.panel, sales=sales)
    features = Features(panel, model.features.mode, model.features.feature_set, horizon=HORIZON)
    new, old = ask(
        Forecaster(replace(model, panel=panel, features=features)), *({"store": s, "date": SATURDAY} for s in (5, 6))
    )
    assert warnings(new) == {"no_history": {"store"}}
    assert warnings(old) == {}
    assert isinstance(new, Forecast)
    assert new.sales > 0


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


# Openings that follow from a stated holiday


def test_a_stated_holiday_closes_a_store_that_never_opens_on_one(forecaster: Forecaster) -> None:
    """Within the plan and after it; the answer says that the opening is assumed."""
    for date in (MONDAY, dt.date(2015, 11, 2)):
        day = {"store": 1, "date": date}
        plain, holiday, opened = ask(
            forecaster, day, {**day, "state_holiday": "a"}, {**day, "state_holiday": "a", "open": True}
        )
        assert isinstance(plain, Forecast)
        assert isinstance(holiday, Forecast)
        assert isinstance(opened, Forecast)
        assert plain.sales > 0
        assert opened.sales > 0
        assert holiday.sales == 0
        assert "open" in holiday.assumed
        assert "open" not in opened.assumed or date != MONDAY


def test_a_stated_holiday_does_not_close_a_store_that_opens_on_holidays(forecaster: Forecaster) -> None:
    calendar = forecaster.model.panel.calendar
    sundays = int(np.argmax(calendar.open[:, calendar.day(dt.date(2015, 8, 23))]))
    (answer,) = ask(forecaster, {"store": int(calendar.stores[sundays]), "date": MONDAY, "state_holiday": "a"})
    assert isinstance(answer, Forecast)
    assert answer.sales > 0
    assert "open" not in answer.assumed


def test_christmas_is_closed_unless_it_is_stated_to_be_ordinary(forecaster: Forecaster) -> None:
    day = {"store": 1, "date": dt.date(2015, 12, 25)}  # a Friday
    assumed, ordinary, opened = ask(forecaster, day, {**day, "state_holiday": "0"}, {**day, "open": True})
    assert [getattr(answer, "sales", 0) > 0 for answer in (assumed, ordinary, opened)] == [False, True, True]


# Dates beyond the horizon


def test_a_model_can_refuse_dates_beyond_its_horizon(sensitive_forecaster: Forecaster) -> None:
    forecaster = Forecaster(replace(sensitive_forecaster.model, beyond_horizon="refuse"))
    last, beyond, mixed = ask(
        forecaster,
        {"store": 1, "date": CUTOFF + dt.timedelta(days=HORIZON)},
        {"store": 1, "date": CUTOFF + dt.timedelta(days=HORIZON + 1)},
        {"store": 1, "start": CUTOFF + dt.timedelta(days=HORIZON), "days": 2},
    )
    assert isinstance(last, Forecast)
    assert not [warning for warning in last.warnings if warning.code == "beyond_horizon"]
    assert isinstance(beyond, Problem)
    assert (beyond.status, beyond.type) == (422, "urn:shopcat:problem:beyond-horizon")
    assert beyond.detail == (
        "2015-09-19 is 50 days after 2015-07-31, the last day whose sales the model knows; it forecasts 49 days ahead, "
        "up to 2015-09-18. Ask for a date up to then, or have the model updated with later sales"
    )
    assert isinstance(mixed, Forecasts)
    assert [type(item) for item in mixed.items] == [ItemForecast, ItemProblem]
