"""`shopcat.Forecaster` with pandas frames: names of columns, and frames of answers."""

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import shopcat

BUNDLE = Path(__file__).parents[2] / "model_store" / "demo"


@pytest.fixture(scope="module")
def model() -> shopcat.Forecaster:
    loaded = shopcat.load(BUNDLE, device="cpu")
    assert isinstance(loaded, shopcat.Forecaster)
    return loaded


@pytest.fixture(scope="module")
def day(model: shopcat.Forecaster) -> dt.date:
    """An ordinary day after the cutoff: a Tuesday."""
    return next(date for n in range(1, 8) if (date := model.cutoff + dt.timedelta(days=n)).isoweekday() == 2)


def test_a_frame_has_the_forecasts_of_its_rows(model: shopcat.Forecaster, day: dt.date) -> None:
    frame = pd.DataFrame(
        {
            "Store": [1, 999, 2, 3],
            "Date": pd.to_datetime([day] * 4),
            "Promo": [1.0, np.nan, np.nan, 0.0],
            "StateHoliday": ["0", None, 0, "a"],
            "Customers": [10, 20, 30, 40],
        },
        index=[7, 5, 5, 1],
    )
    items = [
        {"store": 1, "date": day, "promo": True, "state_holiday": "0"},
        {"store": 999, "date": day},
        {"store": 2, "date": day, "state_holiday": "0"},
        {"store": 3, "date": day, "promo": False, "state_holiday": "a"},
    ]
    answer = model.forecast(frame)
    assert list(answer.columns) == ["sales", "assumed", "warnings", "problem"]
    assert answer.index.equals(frame.index)
    rows: list[Any] = list(answer.itertuples(index=False))
    for row, expected in zip(rows, model.forecast(items), strict=True):
        if isinstance(expected, shopcat.ItemProblem):
            assert np.isnan(row.sales)
            assert row.problem == expected.problem.detail
        else:
            assert row.sales == expected.sales
            assert row.assumed == expected.assumed
            assert row.warnings == tuple(warning.code for warning in expected.warnings)
            assert pd.isna(row.problem)


def test_a_frame_is_read_by_the_names_of_training(model: shopcat.Forecaster, day: dt.date) -> None:
    frame = pd.DataFrame({"shop": [1], "ds": [day], "On Promotion": [1], "temp": [25.5], "rain": [None]})
    (expected,) = model.forecast([{"store": 1, "date": day, "promo": True, "weather": {"mean_temperature": 25.5}}])
    assert isinstance(expected, shopcat.ItemForecast)
    assert model.forecast(frame)["sales"].tolist() == [expected.sales]


def test_a_frame_has_comparisons_and_explanations_too(model: shopcat.Forecaster, day: dt.date) -> None:
    frame = pd.DataFrame({"store": [1, 2, 999], "date": [str(day)] * 3})
    compared = model.what_if(frame, promo=True)
    assert list(compared.columns) == ["sales", "what_if", "difference", "ratio", "assumed", "warnings", "problem"]
    assert compared.what_if[0] == model.what_if(store=1, date=day, promo=True).what_if.sales
    explained = model.explain(frame)
    groups = {group.group: group.multiplier for group in model.explain(store=1, date=day).groups}
    assert {*explained.columns} == {"sales", "baseline", *groups, "assumed", "warnings", "problem"}
    assert {name: explained[name][0] for name in groups} == groups
    assert explained.sales[:2].to_numpy() == pytest.approx(
        (explained.baseline * explained[[*groups]].prod(axis=1))[:2].to_numpy(), rel=1e-4
    )
    assert explained.sales.isna().tolist() == [False, False, True]


def test_a_frame_without_a_store_or_with_two_dates_is_rejected(model: shopcat.Forecaster, day: dt.date) -> None:
    with pytest.raises(shopcat.UserError, match="the frame has no column store; it has date, where"):
        model.forecast(pd.DataFrame({"date": [day], "where": [1]}))
    with pytest.raises(shopcat.UserError, match="two columns for store: 'shop' and 'branch'; drop one"):
        model.forecast(pd.DataFrame({"shop": [1], "branch": [1], "date": [day]}))
    with pytest.raises(shopcat.UserError, match="two columns for date: 'date' and 'date'; drop one"):
        model.forecast(pd.DataFrame([[1, day, day]], columns=["store", "date", "date"]))
    with pytest.raises(shopcat.UserError, match="two columns for date: 'Date' and 'date'; drop one"):
        model.forecast(pd.DataFrame({"store": [1], "Date": [day], "date": [day]}))


def test_a_frame_has_columns_of_intervals_and_quantiles(model: shopcat.Forecaster, day: dt.date) -> None:
    frame = pd.DataFrame({"store": [1, 999, 2], "date": [day] * 3})
    items = frame.to_dict("records")

    with_levels = model.forecast(frame, levels=[80, 97.5])
    compared = model.what_if(frame, promo=True, quantiles=[0.1])
    explained = model.explain(frame, quantiles=[0.5], objective="rmspe")

    ends = ["low_80", "high_80", "low_97.5", "high_97.5"]
    assert list(with_levels.columns) == ["sales", *ends, "assumed", "warnings", "problem"]
    assert (with_levels["low_97.5"] < with_levels["low_80"]).tolist() == [True, False, True]
    assert with_levels.loc[1, ends].isna().all()
    (first, _, _) = model.forecast(items, levels=[80, 97.5])
    assert isinstance(first, shopcat.ItemForecast)
    assert first.intervals is not None
    assert with_levels.loc[0, "high_80"] == first.intervals[0].high
    assert list(compared.columns)[:4] == ["sales", "quantile_0.1", "what_if", "what_if_quantile_0.1"]
    assert list(explained.columns)[:2] == ["sales", "quantile_0.5"]
    assert (explained["sales"] < model.explain(frame)["sales"]).tolist() == [True, False, True]
