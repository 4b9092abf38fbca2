"""sales.explain: contributions are Shapley values, add up exactly, and refer to a real baseline day.

Longer than 350 lines: the tests of one module share their fixtures and helpers.
"""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from sales.columns.column import Mode
from sales.explain import DIGITS, GROUPS, ordinary_days
from sales.features import FEATURE_SETS
from sales.forecaster import Answer, Forecaster
from sales.panel import Panel
from sales.preprocess import Prepared
from schemas.sales.answer import Forecast, ItemForecast, ItemProblem, json_adapter
from schemas.sales.explanation import Explanation, Explanations, ItemExplanation
from schemas.sales.parse import parse_request
from training.sales.data.tables import Tables

Json = dict[str, Any]
FRIDAY = "2015-08-21"


def ask(forecaster: Forecaster, *requests: Json, explain: bool = True) -> list[Answer]:
    return forecaster.predict([parse_request(json.dumps(each).encode(), explain=explain) for each in requests])


def explained(forecaster: Forecaster, **request: Any) -> Explanation:
    (answer,) = ask(forecaster, request)
    assert isinstance(answer, Explanation)
    return answer


def all_explained(forecaster: Forecaster, **request: Any) -> list[ItemExplanation]:
    (answer,) = ask(forecaster, request)
    assert isinstance(answer, Explanations)
    found = [item for item in answer.items if isinstance(item, ItemExplanation)]
    assert len(found) == len(answer.items)
    return found


def by_group(explanation: ItemExplanation) -> dict[str, float]:
    return {each.group: each.log for each in explanation.groups}


def prepared(forecaster: Forecaster, store: int, date: Any) -> Prepared:
    """Return the network's input of a day, one row, computed step by step."""
    model = forecaster.model
    place, day = np.searchsorted(model.panel.calendar.stores, [store]), np.array([model.panel.calendar.day(date)])
    return model.preprocessor.transform(model.features.build(place, day))


def coalitions_worth(forecaster: Forecaster, explanation: ItemExplanation) -> Callable[[set[str]], float]:
    """Return the log forecast for a set of inputs from the explained day, with all others from the baseline."""
    preprocessor = forecaster.model.preprocessor
    na_names = [
        name for name, gaps in zip(preprocessor.cont_names, preprocessor.fill_missing.gapped, strict=True) if gaps
    ]
    own = prepared(forecaster, explanation.store, explanation.date)
    other = prepared(forecaster, explanation.baseline.store, explanation.baseline.date)

    def worth(inputs: set[str]) -> float:
        cats = [
            (own if name in inputs else other).cats[0, place]
            for place, name in enumerate([*preprocessor.cat_names, *na_names])
        ]
        conts = [
            (own if name in inputs else other).conts[0, place] for place, name in enumerate(preprocessor.cont_names)
        ]
        y = forecaster.model.run(np.array([cats], dtype=np.int32), np.array([conts], dtype=np.float32))
        return float(y[0])

    return worth


def shapley_by_subsets(worth: Callable[[frozenset[str]], float], players: list[str]) -> dict[str, float]:
    """Return Shapley values as the textbook's sum over subsets."""
    n, values = len(players), {}
    for player in players:
        others = [each for each in players if each != player]
        values[player] = sum(
            math.factorial(size)
            * math.factorial(n - 1 - size)
            / math.factorial(n)
            * (worth(frozenset(some) | {player}) - worth(frozenset(some)))
            for size in range(n)
            for some in combinations(others, size)
        )
    return values


# Groups


@pytest.mark.parametrize("mode", FEATURE_SETS)
def test_every_column_is_in_one_group(mode: Mode) -> None:
    names = [name for group in GROUPS.values() for name in group]
    assert len(names) == len({*names})
    assert {*FEATURE_SETS[mode].cat_names, *FEATURE_SETS[mode].cont_names} <= {*names}


def test_every_name_in_the_groups_is_in_a_feature_set() -> None:
    known = {name for each in FEATURE_SETS.values() for name in (*each.cat_names, *each.cont_names)}
    assert {name for group in GROUPS.values() for name in group} <= known


# Sums


def test_rounded_contributions_add_up_exactly(forecaster: Forecaster) -> None:
    items = all_explained(forecaster, store=3, start="2015-07-20", days=40, open=True, promo=[True, False] * 20)
    for item in items:
        assert item.unexplained is None
        log = math.log(item.sales) - math.log(item.baseline.sales)
        assert round(sum(each.log for each in item.groups), DIGITS) == round(log, DIGITS)
        for group in item.groups:
            inputs = [each.log for each in item.contributions if each.group == group.group]
            assert round(sum(inputs), DIGITS) == group.log
        for each in (*item.groups, *item.contributions):
            assert float(f"{each.log:.{DIGITS}f}") == each.log
            assert each.multiplier == pytest.approx(math.exp(each.log), rel=1e-5)
        product = math.prod(each.multiplier for each in item.contributions)
        assert item.baseline.sales * product == pytest.approx(item.sales, rel=1e-4)
    assert len({item.sales for item in items}) > 20


def test_all_inputs_are_listed_largest_first(forecaster: Forecaster) -> None:
    model = forecaster.model
    answer = explained(forecaster, store=5, date=FRIDAY)
    inputs = [each.input for each in answer.contributions]
    assert sorted(inputs) == sorted([*model.preprocessor.cat_names, *model.preprocessor.cont_names])
    for listed in (answer.groups, answer.contributions):
        sizes = [abs(each.log) for each in listed]
        assert sizes == sorted(sizes, reverse=True)
    # Only parity mode has a trend, and only the user's tables have columns of their own.
    assert {each.group for each in answer.groups} == {*GROUPS} - {"trend", "own"}


# Values


def test_groups_have_exact_shapley_values(forecaster: Forecaster) -> None:
    answer = explained(forecaster, store=5, date=FRIDAY)
    worth = coalitions_worth(forecaster, answer)
    known: dict[frozenset[str], float] = {}

    def of_groups(groups: frozenset[str]) -> float:
        if groups not in known:
            known[groups] = worth({name for group in groups for name in GROUPS[group]})
        return known[groups]

    expected = shapley_by_subsets(of_groups, [each.group for each in answer.groups])
    assert by_group(answer) == pytest.approx(expected, abs=1.1 * 10**-DIGITS)


@pytest.mark.parametrize("group", ["competition", "store"])
def test_inputs_are_close_to_exact_owen_values(forecaster: Forecaster, group: str) -> None:
    """The exact Owen values of a small group, from the Shapley values of games with its coalitions as the group."""
    answer = explained(forecaster, store=5, date=FRIDAY)
    worth = coalitions_worth(forecaster, answer)
    groups = [each.group for each in answer.groups]

    def in_place_of_the_group(inputs: frozenset[str]) -> float:
        known: dict[frozenset[str], float] = {}

        def of_groups(some: frozenset[str]) -> float:
            if some not in known:
                others = {name for each in some - {group} for name in GROUPS[each]}
                known[some] = worth(others | inputs if group in some else others)
            return known[some]

        return shapley_by_subsets(of_groups, groups)[group] if inputs else 0.0

    shown = {each.input: each.log for each in answer.contributions if each.group == group}
    values: dict[frozenset[str], float] = {}
    expected = shapley_by_subsets(lambda inputs: values.setdefault(inputs, in_place_of_the_group(inputs)), list(shown))
    largest = max(map(abs, shown.values()))
    assert shown == pytest.approx(expected, abs=max(0.1 * largest, 5e-5))
    assert largest > 0.001


def test_an_input_equal_to_the_baseline_contributes_nothing(forecaster: Forecaster) -> None:
    answer = explained(forecaster, store=5, date=FRIDAY)
    alike = [each for each in answer.contributions if each.value == each.baseline]
    assert len(alike) > 5
    assert {(each.log, each.multiplier) for each in alike} == {(0.0, 1.0)}


# Baseline


def test_the_baseline_equals_the_forecast_of_its_day(forecaster: Forecaster, demo_tables: Tables) -> None:
    baseline = explained(forecaster, store=5, date=FRIDAY).baseline
    (same,) = ask(forecaster, {"store": baseline.store, "date": str(baseline.date)}, explain=False)
    assert isinstance(same, Forecast)
    assert same.sales == pytest.approx(baseline.sales, rel=1e-6)
    plan = demo_tables.test
    (day,) = plan[plan.Store.eq(baseline.store) & plan.Date.eq(pd.Timestamp(baseline.date))].to_dict("records")
    assert (day["Open"], day["Promo"], str(day["StateHoliday"]), day["SchoolHoliday"]) == (1, 0, "0", 0)
    train = demo_tables.train[demo_tables.train.Sales.gt(0)]
    last_year = train[train.Date.gt(train.Date.max() - pd.Timedelta(days=364))]
    level = np.log(last_year.Sales).groupby(last_year.Store).mean()
    assert sorted(level).index(level[baseline.store]) == (len(level) - 1) // 2


def test_contributions_to_the_baseline_day_are_zero(forecaster: Forecaster) -> None:
    baseline = explained(forecaster, store=5, date=FRIDAY).baseline
    answer = explained(forecaster, store=baseline.store, date=str(baseline.date))
    assert {each.log for each in (*answer.groups, *answer.contributions)} == {0.0}


def test_without_an_ordinary_day_the_least_special_days_are_taken(bundle: Any) -> None:
    panel: Panel = bundle.panel
    calendar = panel.calendar

    def changed(**grids: Any) -> Panel:
        return replace(panel, calendar=replace(calendar, **grids))

    store, days = ordinary_days(panel, 49)
    assert ((days > panel.cutoff) & (days <= panel.cutoff + 49)).all()
    school = changed(school_holiday=np.ones_like(calendar.school_holiday))
    assert ordinary_days(school, 49)[0] == store  # the same days, all in school holidays
    unplanned = np.where(np.arange(calendar.days) > panel.cutoff, 15, calendar.assumed).astype(np.uint8)
    assert (ordinary_days(changed(assumed=unplanned), 49)[1] > panel.cutoff).all()
    _, always_on = ordinary_days(changed(promo=np.ones_like(calendar.promo)), 49)
    assert always_on.size
    only_past = calendar.open.copy()
    only_past[:, panel.cutoff + 1 :] = 0
    assert (ordinary_days(changed(open=only_past), 49)[1] <= panel.cutoff).all()
    with pytest.raises(ValueError, match="no store is ever open"):
        ordinary_days(changed(open=np.zeros_like(calendar.open)), 49)


def test_a_store_without_sales_is_not_the_median_store(bundle: Any) -> None:
    sales = bundle.panel.sales.copy()
    store, _ = ordinary_days(bundle.panel, 49)
    sales[store] = np.nan
    without, days = ordinary_days(replace(bundle.panel, sales=sales), 49)
    assert without != store
    nothing = replace(bundle.panel, sales=np.full_like(sales, np.nan))
    assert ordinary_days(nothing, 49)[1].size
    assert days.size


# Answers


def test_a_closed_store_gets_a_reason_in_place_of_contributions(forecaster: Forecaster) -> None:
    answer = explained(forecaster, store=2, date=FRIDAY, open=False)
    assert (answer.sales, answer.groups, answer.contributions) == (0, [], [])
    assert "closed" in str(answer.unexplained)
    assert explained(forecaster, store=2, date=FRIDAY, open=True).contributions


def test_a_clients_statements_are_explained(forecaster: Forecaster) -> None:
    on, off = (explained(forecaster, store=7, date=FRIDAY, promo=promo) for promo in (True, False))
    assert by_group(on)["promotion"] > by_group(off)["promotion"] + 0.05
    assert [each.value for each in on.contributions if each.input == "Promo"] == [1]
    weather = {"mean_temperature": 30, "mean_humidity": 40, "mean_wind_speed": 5, "cloud_cover": 0, "precipitation": 0}
    hot, usual = (
        explained(forecaster, store=7, date=FRIDAY, weather=weather),
        explained(forecaster, store=7, date=FRIDAY),
    )
    assert by_group(hot)["weather"] != by_group(usual)["weather"]
    assert (hot.assumed, usual.assumed) == ((), ())  # the weather table has a forecast


def test_values_equal_the_tables(forecaster: Forecaster, demo_tables: Tables) -> None:
    (row,) = demo_tables.store[demo_tables.store.Store.eq(7)].to_dict("records")
    answer = explained(forecaster, store=7, date=FRIDAY, state_holiday="a", open=True)
    values = {each.input: each.value for each in answer.contributions}
    assert (values["Store"], values["StoreType"], values["Assortment"]) == (7, row["StoreType"], row["Assortment"])
    assert (values["DayOfWeek"], values["Month"], values["Day"]) == (5, 8, 21)
    assert values["StateHolidayType"] == "a"
    assert values["LogCompetitionDistance"] == pytest.approx(np.log1p(row["CompetitionDistance"]), rel=1e-4)
    assert values["SinceStateHoliday"] == 0


def test_a_missing_value_is_shown_as_missing(forecaster: Forecaster, demo_tables: Tables) -> None:
    """Training knew such gaps, so there is no warning."""
    stores = demo_tables.store.loc[demo_tables.store["CompetitionDistance"].isna(), "Store"]
    answer = explained(forecaster, store=int(stores.iloc[0]), date=FRIDAY, open=True)
    assert "LogCompetitionDistance" in {each.input for each in answer.contributions if each.value is None}
    assert not any(warning.code == "filled" for warning in answer.warnings)


def test_a_bad_item_does_not_affect_other_items(forecaster: Forecaster) -> None:
    good, bad = {"store": 1, "date": FRIDAY}, {"store": 99, "date": FRIDAY}
    (answer,) = ask(forecaster, {"items": [good, bad, good]})
    assert isinstance(answer, Explanations)
    assert [type(item) for item in answer.items] == [ItemExplanation, ItemProblem, ItemExplanation]


def test_answers_are_valid_by_the_schema(forecaster: Forecaster) -> None:
    for answer in ask(forecaster, {"store": 1, "date": FRIDAY}, {"store": 1, "start": FRIDAY, "days": 4}):
        assert isinstance(answer, Explanation | Explanations)
        assert json_adapter(type(answer)).validate_json(answer.to_json()).to_json() == answer.to_json()


def test_an_explanation_does_not_depend_on_the_batch(forecaster: Forecaster, demo_bundle: Path) -> None:
    items = [{"store": store, "date": FRIDAY} for store in range(1, 13)]
    alone = [vars(answer) for item in items for answer in ask(forecaster, item)]
    again = [vars(answer) for item in items for answer in ask(Forecaster.load(demo_bundle), item)]
    (together,) = ask(forecaster, {"items": items})
    assert isinstance(together, Explanations)
    assert alone == again
    assert [vars(item) for item in together.items] == [
        {
            name: value
            for name, value in each.items()
            if name not in ("model", "version", "cutoff", "objective", "receipt")
        }
        for each in alone
    ]


# Cost


@pytest.fixture
def counted(forecaster: Forecaster) -> tuple[Forecaster, list[int]]:
    """A forecaster without any explanation yet, and the number of rows of each run of its network."""
    rows: list[int] = []

    def run(cats: NDArray[np.int32], conts: NDArray[np.float32]) -> NDArray[np.float32]:
        rows.append(len(cats))
        return forecaster.model.run(cats, conts)

    return Forecaster(replace(forecaster.model, run=run)), rows


def test_a_prediction_runs_no_explanation(counted: tuple[Forecaster, list[int]]) -> None:
    forecaster, rows = counted
    item = {"store": 1, "date": FRIDAY}
    (before,) = ask(forecaster, item, explain=False)
    assert rows == [1]
    assert not any(isinstance(value, object) and "xplainer" in name for name, value in vars(forecaster).items())
    requests = [parse_request(json.dumps(item).encode(), explain=explain) for explain in (False, True, False)]
    plain, rich, also_plain = forecaster.predict(requests)
    assert plain == also_plain == before
    assert type(plain) is Forecast
    assert isinstance(rich, Explanation)
    assert isinstance(plain, ItemForecast)
    assert rich.sales == plain.sales
    assert rows[1] == 3  # one run for the forecasts of all three


def test_an_explanation_is_one_run_of_a_few_hundred_rows(counted: tuple[Forecaster, list[int]]) -> None:
    forecaster, rows = counted
    ask(forecaster, {"store": 1, "date": FRIDAY})
    before = len(rows)
    ask(forecaster, {"store": 2, "date": FRIDAY})
    forecast, mixtures = rows[before:]
    assert forecast == 1
    assert 2 ** len(GROUPS) / 4 < mixtures <= 2 ** (len(GROUPS) - 1) + 4 * 74
