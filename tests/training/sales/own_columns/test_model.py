"""A model with the user's own columns: it learns their effects, and requests state and explain them."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import shopcat
from sales.forecaster import Forecaster
from schemas.problems import Problem
from schemas.sales.answer import Comparison, Forecast
from schemas.sales.explanation import Explanation
from schemas.sales.parse import parse_request
from tests.training.sales.data.own_tables import write
from training.run import Run
from training.sales.data.tables import read_tables
from training.sales.evaluation import evaluate
from training.sales.options import Options
from training.sales.train import train

DAYS, PLANNED = 420, 28
ELASTICITY = -1.5
POSTER = {"none": 1.0, "small": 1.2, "large": 1.6}
PLANNED_DAY, LATER_DAY = "2024-03-01", "2024-04-01"  # the plan ends on 2024-03-23


def tables() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return sales, plan and stores of a chain whose sales depend on price, poster and floor area."""
    rng = np.random.default_rng(0)
    days = pd.date_range("2023-01-02", periods=DAYS + PLANNED)
    frame = pd.DataFrame([(store, day) for day in days for store in range(1, 13)], columns=["store", "date"])
    week = (frame["date"] - days[0]).dt.days // 7
    prices = rng.choice([1.0, 1.25, 1.5, 2.0], (13, week.max() + 1))
    posters = rng.choice([*POSTER], (13, week.max() + 1))
    frame["price"] = prices[frame["store"], week]
    frame["poster"] = posters[frame["store"], week]
    frame["currency"] = "EUR"
    factor = frame["price"] ** ELASTICITY * frame["poster"].map(POSTER).astype(float)
    weekday = np.where(frame["date"].dt.day_of_week == 5, 1.4, 1.0)
    area = frame["store"] * 50.0
    frame["sales"] = (10 * area * factor * weekday * np.exp(0.05 * rng.standard_normal(len(frame)))).round(2)
    past = frame["date"] < days[DAYS]
    stores = pd.DataFrame({"store": range(1, 13), "floor": np.arange(1, 13) * 50})
    return frame[past], frame.loc[~past, ["store", "date", "price", "poster", "currency"]], stores


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    sales, plan, stores = tables()
    folder = tmp_path_factory.mktemp("own_columns")
    write(folder / "data", sales=sales, plan=plan, stores=stores)
    options = Options.of(layers=(64, 32), epochs=20, batch_size=128, horizon=28)
    train(read_tables(folder / "data"), folder / "sales", options, Run("sales", progress=False))
    return folder


@pytest.fixture(scope="module")
def forecaster(folder: Path) -> Forecaster:
    return Forecaster.load(folder / "sales")


def ask(forecaster: Forecaster, **request: Any) -> Any:
    (answer,) = forecaster.predict([parse_request({"store": 3, "date": PLANNED_DAY, **request})])
    return answer


def sales(forecaster: Forecaster, **columns: Any) -> float:
    answer = ask(forecaster, columns=columns)
    assert isinstance(answer, Forecast)
    return answer.sales


def warnings(answer: Forecast) -> set[tuple[str, str]]:
    return {(warning.code, warning.field) for warning in answer.warnings}


def test_the_effect_of_a_price_is_learnt(forecaster: Forecaster) -> None:
    for price in (1.25, 1.5, 2.0):
        ratio = sales(forecaster, price=price, poster="none") / sales(forecaster, price=1, poster="none")
        # Rounding differs by CPU: measured 0.409 for 0.354 at the highest price on one without AVX-512.
        assert ratio == pytest.approx(price**ELASTICITY, rel=0.2)


def test_the_effect_of_a_category_is_learnt(forecaster: Forecaster) -> None:
    for poster, factor in POSTER.items():
        ratio = sales(forecaster, price=1.5, poster=poster) / sales(forecaster, price=1.5, poster="none")
        assert ratio == pytest.approx(factor, rel=0.15)


def test_the_plan_of_the_tables_counts_and_a_request_wins(forecaster: Forecaster, folder: Path) -> None:
    plan = pd.read_csv(folder / "data" / "plan.csv")
    (row,) = plan[(plan["store"] == 3) & (plan["date"] == PLANNED_DAY)].to_dict("records")
    bare = ask(forecaster)
    assert bare.assumed == ("open",)
    assert bare.sales == sales(forecaster, price=row["price"], poster=row["poster"])
    assert bare.sales != sales(forecaster, price=row["price"] + 1)


def test_values_after_the_plan_are_assumed_until_all_are_stated(forecaster: Forecaster) -> None:
    assert ask(forecaster, date=LATER_DAY).assumed == ("open", "columns")
    assert ask(forecaster, date=LATER_DAY, columns={"price": 1.5}).assumed == ("open", "columns")
    assert ask(forecaster, date=LATER_DAY, columns={"price": 1.5, "poster": "none"}).assumed == ("open",)


def test_unknown_words_and_columns_are_warnings(forecaster: Forecaster) -> None:
    """The currency never varied in training, and a store's area is no fact of a day."""
    answer = ask(
        forecaster, columns={"price": 1.5, "poster": "gigantic", "currency": "USD", "colour": "red", "floor": 9}
    )
    assert {("unseen", "own.poster"), ("unused", "columns.currency"), ("unused", "columns.colour")} <= warnings(answer)
    assert ("unused", "columns.floor") in warnings(answer)
    assert ("out_of_range", "own.price") in warnings(ask(forecaster, columns={"price": 30}))
    assert ask(forecaster, columns={"currency": "USD"}).sales == ask(forecaster).sales


def test_a_range_has_a_value_for_each_day(forecaster: Forecaster) -> None:
    columns = [{"price": 1.0, "poster": "none"}, {"price": 2.0, "poster": "none"}]
    (answer,) = forecaster.predict([parse_request({"store": 3, "start": PLANNED_DAY, "days": 2, "columns": columns})])
    singles = [
        ask(forecaster, date=day, columns=stated)
        for day, stated in zip((PLANNED_DAY, "2024-03-02"), columns, strict=True)
    ]
    assert [item.sales for item in answer.items] == [single.sales for single in singles]  # type: ignore[union-attr]


def test_a_what_if_changes_a_column(forecaster: Forecaster) -> None:
    answer = ask(forecaster, columns={"price": 2.0, "poster": "large"}, what_if={"columns": {"price": 1.0}})
    assert isinstance(answer, Comparison)
    assert answer.what_if.sales == sales(forecaster, price=1.0, poster="large")


def test_explanations_have_a_group_of_the_users_columns(forecaster: Forecaster) -> None:
    (answer,) = forecaster.predict(
        [parse_request({"store": 3, "date": PLANNED_DAY, "columns": {"price": 1.0, "poster": "large"}}, explain=True)]
    )
    assert isinstance(answer, Explanation)
    assert "own" in {group.group for group in answer.groups}
    values = {contribution.input: contribution.value for contribution in answer.contributions}
    assert values["own.price"] == pytest.approx(1.0)
    assert values["own.poster"] == "large"
    assert values["own.floor"] == 150


def test_an_evaluation_states_the_columns_of_the_tables(forecaster: Forecaster, folder: Path, tmp_path: Path) -> None:
    """The sales of the planned days, with other prices than the plan had: forecasts follow the prices."""
    past, plan, stores = tables()
    later = plan.assign(price=1.0, poster="none", sales=past["sales"].median())
    data = write(tmp_path / "data", sales=pd.concat([past, later]), stores=stores)
    (data / "columns.toml").write_text("[price]\nknown_ahead = true\n[poster]\nknown_ahead = true\n")
    evaluation = evaluate(forecaster, read_tables(data))
    friday = evaluation.panel.calendar.day(pd.Timestamp(PLANNED_DAY).date())
    row = np.flatnonzero((evaluation.rows.store == 2) & (evaluation.rows.day == friday))
    assert evaluation.forecast[row[0]] == pytest.approx(
        ask(forecaster, columns={"price": 1.0, "poster": "none"}, open=True).sales
    )


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"store": 3, "date": PLANNED_DAY, "columns": {"price": "dear"}}, "/columns/price"),
        ({"store": 3, "start": PLANNED_DAY, "days": 2, "columns": {"price": "dear"}}, "/columns/price"),
    ],
)
def test_a_text_for_a_number_column_is_a_problem_that_names_it(
    forecaster: Forecaster, body: dict[str, Any], path: str
) -> None:
    (answer,) = forecaster.predict([parse_request(body)])
    assert isinstance(answer, Problem)
    assert (answer.status, answer.errors[0].path, answer.errors[0].value) == (422, path, "'dear'")


def test_a_frame_states_own_columns(folder: Path) -> None:
    """Rows without a value, and columns that the model does not know ahead, state nothing."""
    model = shopcat.load(folder / "sales")
    assert isinstance(model, shopcat.Forecaster)
    frame = pd.DataFrame({"store": [3, 3], "date": [PLANNED_DAY] * 2, "price": [2.7, None], "visits": [5, 5]})
    dear = model.forecast([{"store": 3, "date": PLANNED_DAY, "columns": {"price": 2.7}}])[0].sales
    plain = model.forecast(store=3, date=PLANNED_DAY).sales
    assert model.forecast(frame.head(1))["sales"].tolist() == [dear]
    assert model.forecast(frame.tail(1))["sales"].tolist() == [plain]
    assert dear != plain
