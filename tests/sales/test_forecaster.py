"""sales.forecaster: statements, forms of requests, assumptions, warnings, problems and golden rows.

Longer than 350 lines: the tests of one module share their fixtures and helpers.
"""

import datetime as dt
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from safetensors.numpy import load_file, save_file
from safetensors.torch import load_file as load_tensors

from runtime.bundle import NETWORK, WEIGHTS, BundleError
from runtime.folder import sha256
from sales.bundle import TABLES, Bundle
from sales.calendar import EPOCH, FIELDS
from sales.feature_sets import Mode
from sales.features import Features
from sales.forecaster import Answer, Forecaster, Model
from sales.preprocess import Preprocessor, Run
from schemas.problems import Problem
from schemas.sales.answer import Forecast, Forecasts, ItemForecast, ItemProblem, json_adapter
from schemas.sales.parse import parse_request
from training.sales.data.panel import panel_from_tables
from training.sales.data.tables import Tables
from training.sales.network import TabularNet

CUTOFF, PLANNED = dt.date(2015, 7, 31), dt.date(2015, 9, 17)  # of the demo tables
SATURDAY, MONDAY = dt.date(2015, 8, 22), dt.date(2015, 8, 24)
Json = dict[str, Any]


def sensitive_network(preprocessor: Preprocessor) -> Run:
    """Return a stand-in for the network whose output depends on every column, and exactly on its own row."""
    rng = np.random.default_rng(0)
    tables = [rng.normal(0, 0.1, codes) for codes in preprocessor.n_codes]
    weights = rng.normal(0, 0.05, len(preprocessor.cont_names))

    def run(cats: NDArray[np.int64], conts: NDArray[np.float32]) -> NDArray[np.float32]:
        looked_up = sum(table[codes] for table, codes in zip(tables, cats.T, strict=True))
        y: NDArray[np.float32] = (8 + looked_up + (conts * weights).sum(axis=1)).astype(np.float32)
        return y

    return run


def model_of(tables: Tables, mode: Mode) -> Model:
    panel = panel_from_tables(tables)
    features = Features(panel, mode)
    store, day = np.nonzero(~np.isnan(panel.sales))
    columns = features.build(store, day)
    names = features.feature_set
    preprocessor = Preprocessor.fit(columns, names.cat_names, names.cont_names)
    return Model("sales", "1", panel, features, preprocessor, sensitive_network(preprocessor), horizon=49)


@pytest.fixture(scope="module")
def parity(demo_tables: Tables) -> Forecaster:
    return Forecaster(model_of(demo_tables, "parity"))


@pytest.fixture(scope="module", params=["production", "parity"])
def sensitive_forecaster(request: pytest.FixtureRequest, demo_tables: Tables) -> Forecaster:
    """A forecaster with real features and preprocessing, and a network that depends on all columns."""
    return Forecaster(model_of(demo_tables, request.param))


def ask(forecaster: Forecaster, *requests: Json) -> list[Answer]:
    return forecaster.predict([parse_request(json.dumps(request, default=str).encode()) for request in requests])


def sales(answer: Answer) -> list[float]:
    """Return the sales of an answer that has only forecasts."""
    if isinstance(answer, Forecast):
        return [answer.sales]
    assert isinstance(answer, Forecasts), answer
    forecasts = [item for item in answer.items if isinstance(item, ItemForecast)]
    assert len(forecasts) == len(answer.items)
    return [forecast.sales for forecast in forecasts]


def sales_of(forecaster: Forecaster, items: Sequence[Json]) -> list[float]:
    (answer,) = ask(forecaster, {"items": items})
    return sales(answer)


def calendar_facts(forecaster: Forecaster, store: int, date: dt.date) -> Json:
    """Return the calendar's facts of a day, as a client states them."""
    calendar = forecaster.model.panel.calendar
    at = np.searchsorted(calendar.stores, store), int((np.datetime64(date) - EPOCH).astype(int)) - calendar.first_day
    return {
        **{name: bool(getattr(calendar, name)[at]) for name in ("open", "promo", "school_holiday")},
        "state_holiday": "0abc"[calendar.state_holiday[at]],
    }


def opposite_facts(forecaster: Forecaster, store: int, date: dt.date, *fields: str) -> Json:
    """Return the opposite of the calendar's facts of a day."""
    turned = {"0": "a"}
    now = calendar_facts(forecaster, store, date)
    return {name: turned.get(now[name], "0") if name == "state_holiday" else not now[name] for name in fields}


def days_from(start: dt.date, count: int) -> list[dt.date]:
    return [start + dt.timedelta(days=day) for day in range(count)]


# Statements


def test_stating_known_facts_changes_nothing(sensitive_forecaster: Forecaster) -> None:
    dates = [dt.date(2014, 5, 1), SATURDAY, MONDAY, dt.date(2015, 9, 6)]
    if sensitive_forecaster.model.features.mode == "production":
        dates += days_from(dt.date(2015, 11, 2), 14)  # also assumed facts, which the lesson does not have
    for date in dates:
        for store in (1, 7):
            plain = {"store": store, "date": date}
            assert sales(
                ask(sensitive_forecaster, {**plain, **calendar_facts(sensitive_forecaster, store, date)})[0]
            ) == sales(ask(sensitive_forecaster, plain)[0])


@pytest.mark.parametrize("field", ["promo", "school_holiday", "state_holiday"])
def test_a_statement_about_monday_changes_saturday(sensitive_forecaster: Forecaster, field: str) -> None:
    saturday = {"store": 3, "date": SATURDAY}
    monday = {"store": 3, "date": MONDAY, **opposite_facts(sensitive_forecaster, 3, MONDAY, field)}
    [alone] = sales_of(sensitive_forecaster, [saturday])
    [with_monday, _] = sales_of(sensitive_forecaster, [saturday, monday])
    assert with_monday != alone
    assert sales_of(sensitive_forecaster, [monday, saturday])[1] == with_monday  # in any order
    # Statements of other requests and about other stores have no effect, and nothing remains afterwards.
    apart = ask(sensitive_forecaster, saturday, monday, {"items": [monday]}, saturday)
    assert [sales(apart[0]), sales(apart[3])] == [[alone], [alone]]
    assert sales_of(sensitive_forecaster, [saturday, {**monday, "store": 4}])[0] == alone
    assert sales_of(sensitive_forecaster, [saturday]) == [alone]


def test_two_items_of_one_day_keep_their_own_statements(sensitive_forecaster: Forecaster) -> None:
    day = {"store": 5, "date": MONDAY, "open": True}
    on, off = ({**day, "promo": promo} for promo in (True, False))
    alone = [sales_of(sensitive_forecaster, [item])[0] for item in (on, off)]
    assert alone[0] != alone[1]
    assert sales_of(sensitive_forecaster, [on, off]) == alone
    assert sales_of(sensitive_forecaster, [off, on, off]) == [alone[1], alone[0], alone[1]]
    # For other days, the last item counts.
    saturday = {"store": 5, "date": SATURDAY}
    assert sales_of(sensitive_forecaster, [saturday, off, on])[0] == sales_of(sensitive_forecaster, [saturday, on])[0]
    assert sales_of(sensitive_forecaster, [saturday, on, off])[0] == sales_of(sensitive_forecaster, [saturday, off])[0]
    assert sales_of(sensitive_forecaster, [saturday, on])[0] != sales_of(sensitive_forecaster, [saturday, off])[0]


def test_an_items_statement_holds_for_items_without_one(sensitive_forecaster: Forecaster) -> None:
    for date in (MONDAY, dt.date(2015, 11, 2)):  # within the plan, and after it
        day = {"store": 5, "date": date}
        stated = {**day, "open": True, **opposite_facts(sensitive_forecaster, 5, date, "promo")}
        (alone, both, closed) = ask(
            sensitive_forecaster,
            stated,
            {"items": [day, stated]},
            {"items": [day, {**day, "open": False}, {**day, "open": True}]},
        )
        assert isinstance(alone, Forecast)
        assert isinstance(both, Forecasts)
        assert sales(both) == sales(alone) * 2
        assert [item.assumed for item in both.items if isinstance(item, ItemForecast)] == [alone.assumed] * 2
        assert [amount > 0 for amount in sales(closed)] == [
            True,
            False,
            True,
        ]  # the first item gets the last statement, the others keep theirs


def test_a_closed_store_sells_nothing(sensitive_forecaster: Forecaster) -> None:
    week: list[Json] = [{"store": 2, "date": date} for date in days_from(SATURDAY, 7)]
    opened = [calendar_facts(sensitive_forecaster, 2, item["date"])["open"] for item in week]
    assert [amount > 0 for amount in sales_of(sensitive_forecaster, week)] == opened
    assert {*opened} == {True, False}
    assert all(amount > 0 for amount in sales_of(sensitive_forecaster, [{**item, "open": True} for item in week]))
    assert sales_of(sensitive_forecaster, [{**item, "open": False} for item in week]) == [0] * 7


def test_statements_equal_a_plan_table_that_contains_them(
    sensitive_forecaster: Forecaster, demo_tables: Tables
) -> None:
    """The forecasts equal those from a plan table that contains the statements."""
    model = sensitive_forecaster.model
    plan = demo_tables.test.copy()
    plan["StateHoliday"] = plan["StateHoliday"].astype(str)
    rng = np.random.default_rng(3)
    requests = []
    dates = days_from(CUTOFF + dt.timedelta(days=1), 48)
    assert dates[-1] == PLANNED
    columns = {"open": "Open", "promo": "Promo", "state_holiday": "StateHoliday", "school_holiday": "SchoolHoliday"}
    for store in (1, 2, 9):
        items: list[Json] = [{"store": store, "date": date} for date in dates]
        for place in rng.choice(48, 5, replace=False):
            fields = rng.choice(FIELDS, rng.integers(1, 5), replace=False)
            items[place] |= opposite_facts(sensitive_forecaster, store, dates[place], *fields)
            row = plan["Store"].eq(store) & plan["Date"].eq(np.datetime64(dates[place]))
            assert row.sum() == 1
            for field in fields:
                value = items[place][field]
                plan.loc[row, columns[field]] = value if field == "state_holiday" else int(value)
        requests.append({"items": items})
    plan["StateHoliday"] = plan["StateHoliday"].astype(demo_tables.test["StateHoliday"].dtype)
    panel = panel_from_tables(replace(demo_tables, test=plan))
    recomputed = Forecaster(replace(model, panel=panel, features=Features(panel, model.features.mode)))
    for request, answer in zip(requests, ask(sensitive_forecaster, *requests), strict=True):
        bare = [{"store": item["store"], "date": item["date"]} for item in request["items"]]
        # Features of the last days depend on days after the plan, whose assumed facts come from the tables.
        looks_within = slice(0, 28)
        assert sales(answer)[looks_within] == sales_of(recomputed, bare)[looks_within]
        assert sales(answer)[looks_within] != sales_of(sensitive_forecaster, bare)[looks_within]


def test_stated_weather_affects_only_its_item(parity: Forecaster) -> None:
    hot = {"max_temperature": 35.0, "mean_temperature": 28.0, "events": "Thunderstorm"}
    plain, other_store = {"store": 3, "date": SATURDAY}, {"store": 4, "date": SATURDAY}
    before = sales_of(parity, [plain, other_store])
    after = sales_of(parity, [{**plain, "weather": hot}, other_store])
    assert after[0] != before[0]
    assert after[1] == before[1]
    assert sales_of(parity, [{**plain, "weather": {"max_temperature": None}}, other_store]) == before


# Forms of a request


def test_a_range_equals_its_items(sensitive_forecaster: Forecaster) -> None:
    promo = [None, True, False] * 4
    as_range = {"store": 4, "start": SATURDAY, "days": 12, "promo": promo, "school_holiday": True, "open": True}
    items = [
        {"store": 4, "date": date, "promo": on, "school_holiday": True, "open": True}
        for date, on in zip(days_from(SATURDAY, 12), promo, strict=True)
    ]
    one, many = ask(sensitive_forecaster, as_range, {"items": items})
    assert isinstance(one, Forecasts)
    assert one == many
    assert [item.date for item in one.items] == days_from(SATURDAY, 12)
    assert [item.store for item in one.items] == [4] * 12


def test_a_single_item_equals_the_item_in_a_list(sensitive_forecaster: Forecaster) -> None:
    item = {"store": 6, "date": MONDAY, "promo": True}
    single, listed = ask(sensitive_forecaster, item, {"items": [item]})
    assert isinstance(single, Forecast)
    assert isinstance(listed, Forecasts)
    assert {**vars(single)} == {**vars(listed.items[0]), "model": "sales", "version": "1", "cutoff": CUTOFF}


def test_requests_of_a_batch_do_not_affect_each_other(sensitive_forecaster: Forecaster) -> None:
    rng = np.random.default_rng(1)
    dates = days_from(dt.date(2015, 7, 20), 30)  # days before and after the cutoff

    def item() -> Json:
        store, date = int(rng.integers(1, 13)), dates[rng.integers(30)]
        fields = rng.choice(FIELDS, rng.integers(0, 3), replace=False)
        asked = {"store": store, "date": date, **opposite_facts(sensitive_forecaster, store, date, *fields)}
        return {**asked, "store": 99} if rng.random() < 0.1 else asked

    requests = [
        item() if number % 3 == 0 else {"items": [item() for _ in range(rng.integers(1, 30))]} for number in range(40)
    ]
    requests.append({"store": 1, "start": dates[0], "days": 30, "promo": True})
    together = ask(sensitive_forecaster, *requests)
    assert together == [ask(sensitive_forecaster, request)[0] for request in requests]
    assert len({type(answer) for answer in together}) == 3  # forecasts, lists of them, and problems
    assert sensitive_forecaster.predict([]) == []


def test_cached_inputs_of_future_days_equal_computed_inputs(sensitive_forecaster: Forecaster) -> None:
    """Inputs of future days are cached, but a batch with any other day computes all of its inputs."""
    ahead = [{"items": [{"store": store, "date": day} for day in days_from(CUTOFF, 51)[1:]]} for store in range(1, 13)]
    alone = [answer for request in ahead for answer in ask(sensitive_forecaster, request)]
    together = ask(sensitive_forecaster, *ahead, {"store": 1, "date": CUTOFF})
    within = [
        ask(sensitive_forecaster, {"items": request["items"][:49]})[0] for request in ahead
    ]  # within the horizon, so all inputs are cached
    for looked_up, made in zip(within, together, strict=False):
        assert isinstance(looked_up, Forecasts)
        assert isinstance(made, Forecasts)
        assert looked_up.items == made.items[:49]
    assert alone == together[:-1]


def test_answers_are_valid_by_the_schema(sensitive_forecaster: Forecaster) -> None:
    """The code builds answers without validation, for speed, so this test validates them."""
    item = {"store": 1, "date": dt.date(2016, 1, 4)}
    single, many = ask(sensitive_forecaster, item, {"items": [item, {"store": 99, "date": SATURDAY}]})
    assert isinstance(single, Forecast)
    assert isinstance(many, Forecasts)
    assert json_adapter(Forecast).validate_json(single.to_json()) == single
    assert json_adapter(Forecasts).validate_json(many.to_json()).to_json() == many.to_json()
    assert single.warnings
    assert single.assumed


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


# Bundle


def test_served_and_trained_networks_agree(forecaster: Forecaster, bundle: Bundle) -> None:
    """The exported network and torch with the saved weights agree on 1,000 rows of the whole calendar."""
    spec = bundle.manifest.network
    net = TabularNet(spec.emb_szs, spec.n_cont, spec.layers, spec.ps, spec.emb_drop, y_range=spec.y_range)
    net.load_state_dict(load_tensors(bundle.folder / WEIGHTS))
    net.eval()

    def run(cats: NDArray[np.int64], conts: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            y: NDArray[np.float32] = net(torch.from_numpy(cats), torch.from_numpy(conts)).numpy()
            return y

    rng = np.random.default_rng(0)
    dates = days_from(bundle.manifest.first_date, bundle.panel.calendar.days)
    items = [
        {"store": int(rng.integers(1, 13)), "date": dates[rng.integers(len(dates))], "open": True} for _ in range(1000)
    ]
    served, trained = sales_of(forecaster, items), sales_of(Forecaster.of(bundle, run), items)
    np.testing.assert_allclose(served, trained, rtol=1e-4)
    assert np.std(served) > 0.1 * np.mean(served)


def test_golden_rows_are_forecasts_of_the_bundle(forecaster: Forecaster, bundle: Bundle) -> None:
    assert len(bundle.golden) >= 32
    assert {len(row) for row in bundle.golden} > {3}  # some rows state more than store and date
    for row in bundle.golden:
        asked = {name: value for name, value in row.items() if name != "sales"}
        assert sales(ask(forecaster, asked)[0]) == pytest.approx([row["sales"]], rel=1e-4)


def change_weight(folder: Path) -> None:
    network = onnx.load(folder / NETWORK)
    largest = max(network.graph.initializer, key=lambda tensor: int(np.prod(tensor.dims)))
    weight = numpy_helper.to_array(largest).copy()
    largest.CopyFrom(numpy_helper.from_array(weight * 1.05, largest.name))
    onnx.save(network, folder / NETWORK)


def change_tables(folder: Path) -> None:
    arrays = load_file(folder / TABLES)
    arrays["competition_year"] = np.full_like(arrays["competition_year"], 2010)
    arrays["state"] = arrays["state"][::-1].copy()
    save_file(arrays, folder / TABLES)


def change_mean(folder: Path) -> None:
    manifest = json.loads((folder / "bundle.json").read_text())
    preprocess = manifest["preprocess"]
    preprocess["means"][0] += 3 * preprocess["stds"][0]
    (folder / "bundle.json").write_text(json.dumps(manifest))


def change_median(folder: Path) -> None:
    manifest = json.loads((folder / "bundle.json").read_text())
    preprocess = manifest["preprocess"]
    column = preprocess["cont_names"].index(preprocess["na_names"][0])
    preprocess["medians"][column] += 100 * preprocess["stds"][column]
    (folder / "bundle.json").write_text(json.dumps(manifest))


def change_classes(folder: Path) -> None:
    manifest = json.loads((folder / "bundle.json").read_text())
    manifest["preprocess"]["classes"]["DayOfWeek"] = [2, 3, 4, 5, 6, 7, 8]
    (folder / "bundle.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize("change", [change_weight, change_tables, change_mean, change_median, change_classes])
def test_golden_rows_detect_changes_with_correct_hashes(
    demo_bundle: Path, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    """A changed bundle, or one from code that computes other values, can have correct hashes."""
    folder = tmp_path / "sales"
    shutil.copytree(demo_bundle, folder)
    Forecaster.load(folder)
    change(folder)
    manifest = json.loads((folder / "bundle.json").read_text())
    manifest["files"] = {name: sha256(folder / name) for name in manifest["files"]}
    (folder / "bundle.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match=r"training forecast .* for store \d+ on .*; do not serve it"):
        Forecaster.load(folder)


@pytest.mark.gpu
def test_a_gpu_forecasts_the_same(demo_bundle: Path, forecaster: Forecaster) -> None:
    weeks = [{"store": store, "date": str(CUTOFF + dt.timedelta(days=day))} for store in (1, 2) for day in range(1, 43)]
    on_gpu = Forecaster.load(demo_bundle, device="cuda:0")
    np.testing.assert_allclose(sales_of(on_gpu, weeks), sales_of(forecaster, weeks), rtol=1e-5)
