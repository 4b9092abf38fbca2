"""training.sales.baselines: values against pandas, fallbacks, and no look ahead."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sales.history import NAMES, History
from sales.panel import Panel
from training.sales.baselines import known_until, last_year, shortfall, unbeaten, weekday_promotion_mean
from training.sales.data.panel import panel_from_tables
from training.sales.data.tables import Tables
from training.sales.rows import Rows


@pytest.fixture(scope="module")
def whole(tables: Tables) -> Panel:
    return panel_from_tables(tables)


@pytest.fixture(scope="module")
def rows(whole: Panel) -> Rows:
    """The last seven weeks."""
    return Rows.sold(whole, after=whole.cutoff - 49)


@pytest.fixture(scope="module")
def known(whole: Panel) -> Panel:
    return known_until(whole, whole.cutoff - 49)


def frame(panel: Panel, rows: Rows) -> pd.DataFrame:
    """The rows with their dates and promotions."""
    return pd.DataFrame(
        {
            "Store": panel.calendar.stores[rows.store],
            "Date": pd.to_datetime(panel.first_day + rows.day, unit="D"),
            "Promo": panel.calendar.promo[rows.store, rows.day],
            "Sales": rows.sales.astype(float),
        }
    )


def test_a_panel_known_until_a_day_has_no_later_sales(whole: Panel) -> None:
    panel = known_until(whole, 100)
    assert panel.cutoff == 100
    assert np.isnan(panel.sales[:, 101:]).all()
    np.testing.assert_array_equal(panel.sales[:, :101], whole.sales[:, :101])
    assert not np.isnan(whole.sales[:, 101:]).all(), "the panel itself is as it was"
    assert np.isnan(known_until(whole, -5).sales).all()


def test_last_year_is_the_same_weekday_364_days_before(whole: Panel, known: Panel, rows: Rows) -> None:
    sales = frame(whole, Rows.sold(whole)).set_index(["Store", "Date"])["Sales"]
    ours = frame(whole, rows)
    expected = [
        sales.get((store, date - pd.Timedelta(days=364)), np.nan)
        for store, date in zip(ours["Store"], ours["Date"], strict=True)
    ]
    np.testing.assert_array_equal(last_year(known, rows), expected)
    assert 0 < np.isnan(expected).sum() < len(expected)


def test_the_mean_by_weekday_and_promotion_agrees_with_a_slow_mean(whole: Panel, known: Panel, rows: Rows) -> None:
    cutoff = pd.Timestamp(known.calendar.date(known.cutoff))
    past = frame(known, Rows.sold(known))
    past = past[(past["Date"] <= cutoff) & (past["Date"] > cutoff - pd.Timedelta(days=364))]
    expected = []
    for row in frame(whole, rows).itertuples():
        same = past[(past["Store"] == row.Store) & (past["Date"].dt.day_of_week == row.Date.day_of_week)]
        with_promotion = same[same["Promo"] == row.Promo]
        expected.append(np.exp(np.log((with_promotion if len(with_promotion) else same)["Sales"]).mean()))
    np.testing.assert_allclose(weekday_promotion_mean(known, rows), expected, rtol=1e-9)


def test_the_mean_is_what_the_history_columns_state(whole: Panel, known: Panel, rows: Rows) -> None:
    columns = History(known, 49).columns(
        rows.store, rows.day, whole.calendar.promo[rows.store, rows.day].astype(np.int64)
    )
    places = [NAMES.index(name) for name in ("Level", "Weekday_364", "PromoWeekday_364")]
    stated = known.unit * np.exp(columns[:, places].sum(axis=1))
    np.testing.assert_allclose(weekday_promotion_mean(known, rows), stated, rtol=1e-5)


def constant(panel: Panel, **values: Any) -> tuple[Panel, Rows]:
    """A panel of three stores with sales on few days, and the Monday after them without a promotion."""
    sales = np.full(panel.sales.shape, np.nan, np.float32)
    monday = 200 + (-panel.first_day - 3 - 200) % 7
    promo = np.zeros_like(panel.calendar.promo)
    for store, day, value, promoted in values["sales"]:
        sales[store, monday - 7 + day], promo[store, monday - 7 + day] = value, promoted
    calendar = replace(panel.calendar, promo=promo)
    row = Rows(np.array([0]), np.array([monday]), np.array([1], np.float32))
    return replace(panel, sales=sales, calendar=calendar, cutoff=monday - 1), row


@pytest.mark.parametrize(
    ("sales", "expected"),
    [
        ([(0, 0, 100, 0), (0, 0 - 7, 400, 0), (0, 1, 9, 0), (1, 0, 7, 0)], 200),
        ([(0, 0, 100, 1), (0, 1, 9, 0), (1, 0, 7, 0)], 100),  # the same weekday, with a promotion
        ([(0, 1, 10, 0), (0, 2, 1000, 1), (1, 0, 7, 0)], 100),  # other days of the store
        ([(1, 0, 10, 0), (2, 0, 1000, 0), (1, 1, 7, 0)], 100),  # the same weekday in other stores
        ([(1, 1, 10, 0), (2, 2, 1000, 1)], 100),  # other days of other stores
        ([], np.nan),
    ],
)
def test_the_mean_falls_back_to_the_store_and_then_to_the_chain(
    whole: Panel, sales: list[tuple[int, int, float, int]], expected: float
) -> None:
    panel, row = constant(whole, sales=sales)
    np.testing.assert_allclose(weekday_promotion_mean(panel, row), [expected])


def test_sales_after_the_cutoff_and_before_the_last_year_do_not_change_the_baselines(whole: Panel, rows: Rows) -> None:
    cutoff = whole.cutoff - 49
    other = whole.sales.copy()
    other[:, cutoff + 1 :] *= 3
    other[:, : cutoff - 363] *= 3
    changed, first = (known_until(replace(whole, sales=sales), cutoff) for sales in (other, whole.sales))
    np.testing.assert_array_equal(weekday_promotion_mean(changed, rows), weekday_promotion_mean(first, rows))
    np.testing.assert_array_equal(last_year(changed, rows), last_year(first, rows))


def test_every_baseline_that_is_not_beaten_is_named() -> None:
    metrics: dict[str, Any] = {"rmspe": 0.2, "weekday_promotion_mean": {"rmspe": 0.3}}
    assert not unbeaten(metrics)
    assert shortfall(metrics) == ""
    metrics |= {"where_last_year_is_known": {"rmspe": 0.25}, "last_year_same_weekday": {"rmspe": 0.25}}
    assert unbeaten(metrics) == {"last_year_same_weekday": (0.25, 0.25)}
    metrics["weekday_promotion_mean"] = {"rmspe": 0.1}
    assert shortfall(metrics) == (
        "the model is not better than last year's same weekday (RMSPE 0.2500 to 0.2500 on the same rows) and the "
        "weekday-and-promotion mean (RMSPE 0.2000 to 0.1000 on the same rows)"
    )


def test_forecasts_that_are_exact_need_no_warning() -> None:
    """Sales that never vary have a baseline without error; the model's error is that of rounding."""
    assert shortfall({"rmspe": 1e-7, "weekday_promotion_mean": {"rmspe": 0.0}}) == ""
    assert "RMSPE 0.0010 to 0.0000" in shortfall({"rmspe": 1e-3, "weekday_promotion_mean": {"rmspe": 0.0}})
