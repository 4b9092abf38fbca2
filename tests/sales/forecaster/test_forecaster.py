"""sales.forecaster: statements and forms of requests."""

import datetime as dt
from dataclasses import replace

import numpy as np
import pytest

from sales.arrays import Float32, Int32
from sales.calendar import FIELDS
from sales.features import Features
from sales.forecaster import Forecaster
from schemas.sales.answer import Forecast, Forecasts, ItemForecast, json_adapter
from tests.sales.forecasts import (
    CUTOFF,
    HORIZON,
    MONDAY,
    PLANNED,
    SATURDAY,
    Json,
    ask,
    calendar_facts,
    days_from,
    opposite_facts,
    sales,
    sales_of,
)
from training.sales.data.panel import panel_from_tables
from training.sales.data.tables import Tables

# Statements


def test_stating_known_facts_changes_nothing(sensitive_forecaster: Forecaster) -> None:
    dates = [dt.date(2014, 5, 1), SATURDAY, MONDAY, dt.date(2015, 9, 6)]
    if sensitive_forecaster.model.features.mode == "production":
        dates += days_from(dt.date(2015, 11, 2), 14)  # also assumed facts, which parity mode does not have
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


def test_the_network_computes_open_days_alone(forecaster: Forecaster) -> None:
    """A week with a Sunday has the forecasts of its open days, which the network computes in one run."""
    computed: list[int] = []

    def run(cats: Int32, conts: Float32) -> Float32:
        computed.append(len(cats))
        return forecaster.model.run(cats, conts)

    counting = Forecaster(replace(forecaster.model, run=run))
    week: list[Json] = [{"store": 2, "date": date} for date in days_from(SATURDAY, 7)]
    amounts = sales_of(counting, week)
    assert computed == [sum(amount > 0 for amount in amounts)]
    assert 0 < computed[0] < 7
    assert amounts == pytest.approx([sales_of(forecaster, [item])[0] for item in week], rel=1e-6)
    assert sales_of(counting, [{**item, "open": False} for item in week]) == [0] * 7
    assert len(computed) == 1  # no run for closed days


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
            opening = calendar_facts(sensitive_forecaster, store, dates[place])["open"]  # a stated holiday may close it
            items[place] |= {"open": opening, **opposite_facts(sensitive_forecaster, store, dates[place], *fields)}
            row = plan["Store"].eq(store) & plan["Date"].eq(np.datetime64(dates[place]))
            assert row.sum() == 1
            for field in fields:
                value = items[place][field]
                plan.loc[row, columns[field]] = value if field == "state_holiday" else int(value)
        requests.append({"items": items})
    plan["StateHoliday"] = plan["StateHoliday"].astype(demo_tables.test["StateHoliday"].dtype)
    panel = panel_from_tables(replace(demo_tables, test=plan))
    recomputed = Forecaster(replace(model, panel=panel, features=Features(panel, model.features.mode, horizon=HORIZON)))
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
    assert isinstance(many, Forecasts)
    assert one.items == many.items
    assert [item.date for item in one.items] == days_from(SATURDAY, 12)
    assert [item.store for item in one.items] == [4] * 12


def test_a_single_item_equals_the_item_in_a_list(sensitive_forecaster: Forecaster) -> None:
    item = {"store": 6, "date": MONDAY, "promo": True}
    single, listed = ask(sensitive_forecaster, item, {"items": [item]})
    assert isinstance(single, Forecast)
    assert isinstance(listed, Forecasts)
    about = {"model": "sales", "version": "1", "cutoff": CUTOFF, "objective": "median", "receipt": None}
    assert {**vars(single)} == {**vars(listed.items[0]), **about}


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
