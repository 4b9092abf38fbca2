"""Stores may have texts as ids: requests and answers have them as the tables do."""

from dataclasses import replace

import pytest

from sales.forecaster import Forecaster
from sales.panel import Panel
from schemas.problems import Problem
from schemas.sales.answer import Forecast, Forecasts
from schemas.sales.explanation import Explanation
from schemas.sales.parse import parse_request
from tests.sales.forecasts import Json, ask, model_of
from training.sales.data.tables import Tables

DAY = "2015-08-22"


@pytest.fixture(scope="module")
def numbered(demo_tables: Tables) -> Forecaster:
    return Forecaster(model_of(demo_tables, "production"))


@pytest.fixture(scope="module")
def named(demo_tables: Tables) -> Forecaster:
    """The same model, with a name for each store."""
    names = tuple(f"S-{store:03d}" for store in range(1, len(demo_tables.store) + 1))
    return Forecaster(model_of(replace(demo_tables, store_ids=names), "production"))


def problem_of(forecaster: Forecaster, request: Json) -> Problem:
    (answer,) = ask(forecaster, request)
    assert isinstance(answer, Problem)
    return answer


def test_a_named_store_has_the_forecast_of_its_number(numbered: Forecaster, named: Forecaster) -> None:
    ours, theirs = ask(named, {"store": "S-003", "date": DAY}), ask(numbered, {"store": 3, "date": DAY})
    assert isinstance(ours[0], Forecast)
    assert isinstance(theirs[0], Forecast)
    assert (ours[0].store, ours[0].sales) == ("S-003", theirs[0].sales)
    (answer,) = ask(named, {"store": "S-003", "start": DAY, "days": 2})
    assert isinstance(answer, Forecasts)
    assert [item.store for item in answer.items] == ["S-003"] * 2


def test_an_explanation_names_the_store_of_the_ordinary_day(named: Forecaster) -> None:
    (answer,) = named.predict([parse_request({"store": "S-003", "date": DAY}, explain=True)])
    assert isinstance(answer, Explanation)
    assert str(answer.baseline.store).startswith("S-")
    assert b'"store":"S-003"' in answer.to_json()


def test_an_unknown_id_is_a_problem_that_says_which_kind_of_ids_there_are(
    numbered: Forecaster, named: Forecaster
) -> None:
    problem = problem_of(named, {"store": "S-999", "date": DAY})
    assert problem.type == "urn:shopcat:problem:unknown-store"
    assert "from S-001 to S-012" in problem.detail
    assert problem_of(named, {"store": 3, "date": DAY}).detail == (
        "store 3 is not known to the model; its ids are texts, such as 'S-001'"
    )
    assert problem_of(numbered, {"store": "3", "date": DAY}).detail == (
        "store '3' is not known to the model; its ids are numbers, such as 1"
    )


def test_a_typed_id_is_a_number_only_where_stores_are_numbers(numbered: Forecaster, named: Forecaster) -> None:
    assert [numbered.store_id(text) for text in ("3", "S-003")] == [3, "S-003"]
    assert [named.store_id(text) for text in ("3", "S-003")] == ["3", "S-003"]


def test_a_panel_keeps_its_ids_in_a_bundle(named: Forecaster) -> None:
    panel = named.model.panel
    assert Panel.of(panel.arrays(), panel.levels).store_ids == panel.store_ids
