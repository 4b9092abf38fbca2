"""Ranges: expansion into days, facts for all days or by day, and mistakes."""

import datetime as dt
from typing import Any

import pytest

from schemas.sales.request import MAX_DAYS, Item, Weather
from tests.schemas.sales.sales_requests import DAY, GOOD, items_of, problem_of


def test_a_range_is_expanded_into_its_days() -> None:
    items = items_of({"store": 7, "start": "2015-12-30", "days": 4, "promo": True, "weather": {"cloud_cover": 3}})
    assert [str(item.date) for item in items] == ["2015-12-30", "2015-12-31", "2016-01-01", "2016-01-02"]
    assert {item.store for item in items} == {7}
    assert {(item.promo, item.open, item.weather) for item in items} == {(True, None, Weather(cloud_cover=3))}


def test_a_fact_may_have_one_value_for_each_day() -> None:
    by_day = {
        "open": [True, False, None],
        "promo": [None, None, True],
        "state_holiday": ["a", 0, None],
        "school_holiday": [True] * 3,
        "weather": [{"events": "Rain"}, None, {}],
    }
    items = items_of({"store": 7, "start": "2015-08-01", "days": 3, **by_day})
    assert items == [
        Item(store=7, date=DAY, open=True, state_holiday="a", school_holiday=True, weather=Weather(events="Rain")),
        Item(store=7, date=dt.date(2015, 8, 2), open=False, state_holiday="0", school_holiday=True),
        Item(store=7, date=dt.date(2015, 8, 3), promo=True, school_holiday=True, weather=Weather()),
    ]


def test_an_unknown_field_of_a_range_or_its_weather_is_rejected() -> None:
    date_range = {"store": 1, "start": "2015-08-01", "days": 2}
    assert "the valid fields are store, start, days, open," in problem_of({**date_range, "date": "2015-08-01"}).detail
    assert "the valid fields are max_temperature," in problem_of({**date_range, "weather": [{"snow": 1}, {}]}).detail
    assert "the valid fields are max_temperature," in problem_of({**GOOD, "weather": {"snow": 1}}).detail


def test_a_range_has_at_most_366_days() -> None:
    longest = items_of({"store": 1, "start": "2015-08-01", "days": MAX_DAYS})
    assert (len(longest), str(longest[-1].date)) == (366, "2016-07-31")
    for days in (367, 0, -1):
        problem = problem_of({"store": 1, "start": "2015-08-01", "days": days})
        assert [(error.path, error.value) for error in problem.errors] == [("/days", str(days))]


def test_a_range_beyond_the_year_9999_is_rejected() -> None:
    assert items_of({"store": 1, "start": "9999-12-30", "days": 1})[0].date == dt.date(9999, 12, 30)
    for start, days in (("9999-12-31", 366), ("9999-12-30", 3)):
        problem = problem_of({"store": 1, "start": start, "days": days})
        assert problem.errors[0].path == "/start"
        assert start in problem.detail


@pytest.mark.parametrize("value", ["maybe", [True, "maybe"], {"a": 1}])
def test_an_invalid_value_in_a_range_is_reported_with_its_path(value: Any) -> None:
    problem = problem_of({"store": 1, "start": "2015-08-01", "days": 2, "promo": value})
    assert all(error.path.startswith("/promo") for error in problem.errors)
