"""sales.history: columns equal a brute-force computation, and never depend on the future."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from sales.features import Features
from sales.history import NAMES, History
from sales.panel import Panel
from tests.sales.forecasts import HORIZON
from training.sales.data.panel import panel_from_tables
from training.sales.data.tables import Tables


@pytest.fixture(scope="module")
def panel(demo_tables: Tables) -> Panel:
    return panel_from_tables(demo_tables)


def by_hand(panel: Panel, store: int, day: int, origin: int, promo: int) -> dict[str, float]:
    """Return the columns of one row, computed from a frame of the store's days by their definitions."""
    days = pd.DataFrame(
        {
            "log": np.log(panel.sales[store] / panel.unit),
            "promo": panel.calendar.promo[store],
            "open": panel.calendar.open[store],
            "weekday": (panel.date + 3) % 7,
        }
    )

    def last(k: int, end: int = origin + 1) -> pd.DataFrame:
        return days.iloc[max(end - k, 0) : end]

    def cell(k: int, at: int, on_promo: int, end: int = origin + 1) -> "pd.Series[float]":
        window = last(k, end)
        return window[(window.weekday == days.weekday[at]) & (window.promo == on_promo)].log

    def mean(values: "pd.Series[float]", enough: int = 1) -> float:
        return float(values.mean()) if values.count() >= enough else np.nan

    def workdays(k: int, on_promo: int) -> "pd.Series[float]":
        return last(k)[(last(k).weekday < 5) & (last(k).promo == on_promo)].log

    def weekday(k: int) -> "pd.Series[float]":
        return last(k)[last(k).weekday == days.weekday[day]].log

    means = {k: mean(last(k).log, enough=k // 7) for k in (364, 182, 91, 56, 28, 14)}
    level = next((means[k] for k in (364, 91, 28, 14) if not np.isnan(means[k])), np.nan)
    own = 0 if np.isnan(level) else int(last(364).log.count())
    return {
        "Level": level,
        "Level_n": own,
        **{f"Delta_{k}": means[k] - level for k in (14, 28, 56, 91, 182)},
        **{f"Weekday_{k}": mean(weekday(k)) - level for k in (28, 91, 182, 364)},
        **{f"PromoWeekday_{k}": mean(cell(k, day, promo)) - mean(weekday(k)) for k in (91, 182, 364)},
        "PromoWeekday_n": min(int(cell(364, day, promo).count()), 30),
        **{f"PromoEffect_{k}": mean(workdays(k, 1), 4) - mean(workdays(k, 0), 4) for k in (182, 364)},
        "Spread_182": float(last(182).log.std(ddof=0)) if last(182).log.count() >= 14 else np.nan,
        "SundayShare": float(last(364)[last(364).weekday == 6].open.mean()),
        "DaysAhead": day - origin,
    }


def test_columns_equal_their_definitions(panel: Panel) -> None:
    history, rng = History(panel, HORIZON), np.random.default_rng(0)
    for _ in range(25):
        store, day = int(rng.integers(len(panel.sales))), int(rng.integers(450, panel.cutoff + 1))
        ahead, promo = int(rng.integers(1, HORIZON + 1)), int(rng.integers(2))
        row = history.columns(*(np.array([value]) for value in (store, day, promo, day - ahead)))[0]
        named = dict(zip(NAMES, row, strict=True))
        for name, value in by_hand(panel, store, day, day - ahead, promo).items():
            assert named[name] == pytest.approx(value, abs=2e-5, nan_ok=True), (name, store, day, ahead)


def test_delta_to_all_is_the_difference_to_the_mean_of_stores(panel: Panel) -> None:
    history, every = History(panel, HORIZON), np.arange(len(panel.sales))
    origin = np.full_like(every, panel.cutoff)
    rows = history.columns(every, origin + 7, np.zeros_like(every), origin)
    for k in (28, 91):
        own, to_all = (rows[:, NAMES.index(f"{name}_{k}")] for name in ("Delta", "DeltaToAll"))
        np.testing.assert_allclose(to_all, own - np.nanmean(own), atol=1e-5)


def test_sales_after_the_origin_change_nothing(panel: Panel) -> None:
    store, day = (axis.ravel() for axis in np.indices((len(panel.sales), 60)))
    day, origin = day + 600, np.full_like(day, 599)
    before = History(panel, HORIZON).columns(store, day, np.zeros_like(store), origin)
    sales = panel.sales.copy()
    sales[:, 600:] = 1e6
    after = History(replace(panel, sales=sales), HORIZON).columns(store, day, np.zeros_like(store), origin)
    np.testing.assert_array_equal(before, after)


def test_the_default_origin_is_the_cutoff_or_a_horizon_before_the_day(panel: Panel) -> None:
    history = History(panel, HORIZON)
    store, promo = np.array([0, 1]), np.array([0, 1])
    ahead = np.array([1, 200])
    forecast = history.columns(store, panel.cutoff + ahead, promo)
    computed = history.columns(store, panel.cutoff + ahead, promo, np.full(2, panel.cutoff))
    np.testing.assert_array_equal(forecast, computed)
    assert forecast[:, NAMES.index("DaysAhead")].tolist() == [1, HORIZON]
    mixed = history.columns(store, np.array([panel.cutoff + 1, 700]), promo)
    np.testing.assert_array_equal(mixed[0], forecast[0])
    np.testing.assert_array_equal(mixed[1], history.columns(*(np.array([x]) for x in (1, 700, 1, 700 - HORIZON)))[0])


@pytest.mark.parametrize("horizon", [1, 7, 366])
def test_days_ahead_and_the_origin_follow_the_horizon(panel: Panel, horizon: int) -> None:
    history = History(panel, horizon)
    store, promo = np.zeros(3, dtype=np.int64), np.zeros(3, dtype=np.int64)
    ahead = np.array([1, horizon, 366])
    forecast = history.columns(store, panel.cutoff + ahead, promo)
    assert forecast[:, NAMES.index("DaysAhead")].tolist() == [1, horizon, horizon]
    past = np.array([500, 600, 700])
    np.testing.assert_array_equal(
        history.columns(store, past, promo), history.columns(store, past, promo, past - horizon)
    )


def test_production_mode_ignores_future_sales_weather_and_trends(demo_tables: Tables) -> None:
    """The facts known at the cutoff determine every column of every later day."""
    cutoff = np.datetime64("2015-05-31")
    honest = panel_from_tables(demo_tables, cutoff=cutoff)
    train, weather, trend = demo_tables.train.copy(), demo_tables.weather.copy(), demo_tables.googletrend.copy()
    train.loc[train.Date > cutoff, "Sales"] = 1.0
    weather.loc[weather.Date > cutoff, "Mean_TemperatureC"] = 99.0
    trend.loc[trend.Date > cutoff, "trend"] = 0.0
    other = panel_from_tables(replace(demo_tables, train=train, weather=weather, googletrend=trend), cutoff=cutoff)
    store, day = (axis.ravel() for axis in np.indices((len(honest.sales), 49)))
    day = day + honest.cutoff + 1
    for ours, theirs in zip(
        *(Features(p, "production", horizon=HORIZON).build(store, day) for p in (honest, other)), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)


def test_columns_of_the_first_year_equal_their_definitions(panel: Panel) -> None:
    """Windows are then shorter than their names say."""
    history, rng = History(panel, HORIZON), np.random.default_rng(1)
    for _ in range(25):
        store, day = int(rng.integers(len(panel.sales))), int(rng.integers(90, 360))
        ahead, promo = int(rng.integers(1, HORIZON + 1)), int(rng.integers(2))
        row = history.columns(*(np.array([value]) for value in (store, day, promo, day - ahead)))[0]
        named = dict(zip(NAMES, row, strict=True))
        for name, value in by_hand(panel, store, day, day - ahead, promo).items():
            assert named[name] == pytest.approx(value, abs=2e-5, nan_ok=True), (name, store, day, ahead)


# Stores without past sales


def without_sales(panel: Panel, *stores: int) -> Panel:
    sales = panel.sales.copy()
    sales[[*stores]] = np.nan
    return replace(panel, sales=sales)


def columns_at_cutoff(panel: Panel) -> dict[str, "np.ndarray[tuple[int], np.dtype[np.float32]]"]:
    store = np.arange(len(panel.sales))
    rows = History(panel, HORIZON).columns(store, np.full_like(store, panel.cutoff + 7), np.zeros_like(store))
    return dict(zip(NAMES, rows.T, strict=True))


def test_a_store_without_sales_has_the_level_of_similar_stores(panel: Panel) -> None:
    kind = np.where(np.arange(len(panel.sales)) < 5, 0, 1).astype(np.int32)
    panel = replace(panel, store_type=kind, assortment=np.zeros_like(kind))
    columns = columns_at_cutoff(without_sales(panel, 2))
    similar = [columns["Level"][store] for store in (0, 1, 3, 4)]
    assert columns["Level"][2] == pytest.approx(np.mean(similar), rel=1e-5)
    assert (columns["Level_n"] == 0).tolist() == [store == 2 for store in range(len(kind))]
    assert np.isnan(columns["PromoWeekday_364"][2])


def test_a_store_like_no_other_has_the_level_of_all_others(panel: Panel) -> None:
    kind = np.zeros(len(panel.sales), dtype=np.int32)
    kind[2] = 1
    panel = replace(panel, store_type=kind, assortment=np.zeros_like(kind))
    columns = columns_at_cutoff(without_sales(panel, 2))
    assert columns["Level"][2] == pytest.approx(np.delete(columns["Level"], 2).mean(), rel=1e-5)


def test_hidden_sales_equal_missing_sales(panel: Panel) -> None:
    """Training hides the sales of some rows, so that the network knows rows of new stores."""
    store = np.arange(len(panel.sales))
    day, promo, origin = (
        np.full_like(store, panel.cutoff - 20),
        np.zeros_like(store),
        np.full_like(store, panel.cutoff - 30),
    )
    hidden = History(panel, HORIZON).columns(store, day, promo, origin, new=store == 3)
    missing = History(without_sales(panel, 3), HORIZON).columns(store, day, promo, origin)
    for name in set(NAMES) - {"DeltaToAll_28", "DeltaToAll_91"}:  # they are relative to all stores
        np.testing.assert_allclose(hidden[3, NAMES.index(name)], missing[3, NAMES.index(name)], rtol=1e-6, err_msg=name)
    shown = History(panel, HORIZON).columns(store, day, promo, origin)
    np.testing.assert_array_equal(np.delete(hidden, 3, axis=0), np.delete(shown, 3, axis=0))


def test_a_store_whose_sales_are_late_has_an_origin_of_its_own(panel: Panel) -> None:
    """All stores had the last day of the tables as origin, so a late store's days ahead were wrong."""
    late = panel.cutoff - 20
    sales = panel.sales.copy()
    sales[4, late + 1 :] = np.nan
    last_sold = int(np.flatnonzero(~np.isnan(sales[4]))[-1])
    history, store = History(replace(panel, sales=sales), HORIZON), np.arange(len(sales))
    day, promo = np.full_like(store, panel.cutoff + 3), np.zeros_like(store)
    columns = history.columns(store, day, promo)
    origin = np.where(store == 4, last_sold, panel.cutoff)
    np.testing.assert_array_equal(columns, history.columns(store, day, promo, origin))
    assert columns[:, NAMES.index("DaysAhead")].tolist() == np.where(store == 4, day - last_sold, 3).tolist()
