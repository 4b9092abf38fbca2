"""training.sales.update: newer sales in a bundle, without training."""

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sales import bundle as bundles
from sales.forecaster import Forecaster
from schemas.sales.answer import Forecast
from schemas.sales.parse import parse_request
from tests.training.sales.small import SMALL
from training.run import Run
from training.sales.data.files import Source
from training.sales.data.tables import Tables
from training.sales.evaluation import evaluate
from training.sales.fits.windows import tables_until
from training.sales.intervals.residuals import MAX_WINDOWS
from training.sales.options import Options
from training.sales.train import train
from training.sales.update.needs import UpdateError
from training.sales.update.update import update

CUTOFF = np.datetime64("2015-06-12")
END = np.datetime64("2015-07-31")
OPTIONS = Options.of(**{**SMALL, "calibration_windows": 2, "epochs": 6, "layers": (32, 16)})


@pytest.fixture(scope="module")
def old(tables: Tables, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of the tables as they were known at a cutoff, seven weeks before their end."""
    out = tmp_path_factory.mktemp("old") / "sales"
    train(until(tables, CUTOFF), out, OPTIONS, Run("sales", progress=False))
    return out


def until(tables: Tables, cutoff: np.datetime64) -> Tables:
    return tables_until(tables, cutoff, cutoff + 49)


def forecasts(folder: Path, days: int = 49) -> dict[tuple[int | str, str], float]:
    """The forecasts of all stores for the days after the cutoff."""
    forecaster = Forecaster.load(folder)
    first = forecaster.cutoff
    answers = {}
    for store in forecaster.model.panel.store_ids:
        for ahead in range(1, days + 1):
            day = (first + dt.timedelta(days=ahead)).isoformat()
            (answer,) = forecaster.predict([parse_request({"store": store, "date": day})])
            assert isinstance(answer, Forecast)
            answers[store, day] = answer.sales
    return answers


def test_the_same_tables_give_the_same_forecasts(tables: Tables, old: Path, tmp_path: Path) -> None:
    result = update(old, until(tables, CUTOFF), tmp_path / "new")
    assert forecasts(tmp_path / "new") == pytest.approx(forecasts(old), rel=1e-6)
    assert (result.new_days, result.new_stores, result.drift) == (0, (), None)
    before, after = bundles.load(old), bundles.load(tmp_path / "new")
    assert before.residuals is not None
    assert after.residuals is not None
    np.testing.assert_array_equal(before.residuals.median, after.residuals.median)


def test_an_update_forecasts_from_the_new_cutoff_with_the_same_weights(
    tables: Tables, old: Path, tmp_path: Path
) -> None:
    result = update(old, tables, tmp_path / "new")
    before, after = bundles.load(old), bundles.load(tmp_path / "new")
    assert after.manifest.cutoff == END.astype(object) > before.manifest.cutoff
    assert after.manifest.version != before.manifest.version
    for name in ("weights.safetensors", "model.onnx"):
        assert after.manifest.files[name] == before.manifest.files[name]
    assert result.new_days == 49
    assert after.manifest.training["until"] == str(CUTOFF)
    assert before.residuals is not None
    assert after.residuals is not None
    assert after.residuals.windows == before.residuals.windows + 1


def test_the_new_window_has_the_forecasts_that_the_bundle_made(tables: Tables, old: Path, tmp_path: Path) -> None:
    update(old, tables, tmp_path / "new")
    residuals = bundles.load(tmp_path / "new").residuals
    assert residuals is not None
    made = evaluate(Forecaster.load(old), tables)
    ahead = made.rows.day - made.cutoff - 1
    np.testing.assert_allclose(residuals.median[-1, made.rows.store, ahead], made.forecast, rtol=1e-5)
    np.testing.assert_array_equal(residuals.sales[-1, made.rows.store, ahead], made.rows.sales)
    assert residuals.known[-1].sum() == len(made.rows)


def test_weekly_updates_complete_one_window(tables: Tables, old: Path, tmp_path: Path) -> None:
    """Otherwise the windows of the training would be dropped after some weeks, and with them the later weeks ahead."""
    folder = old
    for week in (1, 2, 3):
        update(folder, until(tables, CUTOFF + 7 * week), tmp_path / str(week))
        folder = tmp_path / str(week)
    at_once = tmp_path / "at once"
    update(old, until(tables, CUTOFF + 21), at_once)
    weekly, whole = bundles.load(folder).residuals, bundles.load(at_once).residuals
    assert weekly is not None
    assert whole is not None
    np.testing.assert_array_equal(weekly.cutoffs, whole.cutoffs)
    np.testing.assert_allclose(weekly.median, whole.median, rtol=1e-6)
    assert forecasts(folder, 7) == pytest.approx(forecasts(at_once, 7), rel=1e-6)


def test_the_oldest_windows_are_dropped(tables: Tables, tmp_path: Path) -> None:
    early = np.datetime64("2014-08-01")
    train(until(tables, early), tmp_path / "old", Options.of(**SMALL), Run("sales", progress=False))
    result = update(tmp_path / "old", tables, tmp_path / "new")
    residuals = bundles.load(tmp_path / "new").residuals
    assert residuals is not None
    assert residuals.windows == MAX_WINDOWS
    assert {*np.diff(residuals.cutoffs)} == {49}
    assert result.drift is not None
    assert any("364 days" in reason for reason in result.drift.reasons)


def test_sales_after_the_cutoff_change_no_forecast(tables: Tables, old: Path, tmp_path: Path) -> None:
    """From tables to answers, through training and update. The plan of the days is the same."""
    later = tables.train["Date"] > pd.Timestamp(CUTOFF)
    tripled = replace(tables, train=tables.train.assign(Sales=tables.train["Sales"].where(~later, 3)))
    train(until(tripled, CUTOFF), tmp_path / "trained", OPTIONS, Run("sales", progress=False))
    assert forecasts(tmp_path / "trained") == forecasts(old)
    update(old, until(tripled, CUTOFF), tmp_path / "updated")
    assert forecasts(tmp_path / "updated") == pytest.approx(forecasts(old), rel=1e-6)


def test_an_update_is_about_as_good_as_a_new_training(tables: Tables, tmp_path: Path) -> None:
    """The bundle is 7 weeks older; both are judged on the last 4 weeks."""
    early, late, epochs = np.datetime64("2015-05-15"), np.datetime64("2015-07-03"), {"epochs": 30}
    options = Options.of(**{**SMALL, **epochs, "layers": (64, 32)})
    train(until(tables, early), tmp_path / "old", options, Run("sales", progress=False))
    train(until(tables, late), tmp_path / "trained", options, Run("sales", progress=False))
    update(tmp_path / "old", until(tables, late), tmp_path / "updated")
    trained, updated = (
        evaluate(Forecaster.load(tmp_path / name), tables).metrics()["rmspe"] for name in ("trained", "updated")
    )
    assert updated < 1.1 * trained


def test_a_bundle_of_parity_mode_can_be_updated(tables: Tables, tmp_path: Path) -> None:
    """Its columns look ahead at the weather, which the windows have, and at rows after the window, which they lack."""
    options = Options.of("parity", **SMALL)
    known = tables_until(tables, CUTOFF, CUTOFF + 49, observed=True)
    train(known, tmp_path / "old", options, Run("sales", progress=False))
    result = update(tmp_path / "old", tables, tmp_path / "new")
    assert result.drift is not None
    made = evaluate(Forecaster.load(tmp_path / "old"), tables)
    residuals = bundles.load(tmp_path / "new").residuals
    assert residuals is not None
    ahead = made.rows.day - made.cutoff - 1
    window = residuals.cutoffs.tolist().index(made.panel.first_day + made.cutoff)
    same = np.isclose(residuals.median[window, made.rows.store, ahead], made.forecast, rtol=1e-4)
    assert same[ahead < 30].all()
    assert same.mean() > 0.9


# New stores.


def with_new_store(tables: Tables) -> Tables:
    """The tables with a store that opened after the cutoff, like the second one; its id lies between the others."""
    frames = {}
    for name in ("train", "test", "store", "store_states"):
        table = getattr(tables, name)
        copy = table[table["Store"] == table["Store"].min()].assign(Store=np.int32(0))
        if name == "train":
            copy = copy[copy["Date"] > pd.Timestamp(CUTOFF + 7)]
        frames[name] = pd.concat([copy, table], ignore_index=True)
    frames["train"]["StateHoliday"] = frames["train"]["StateHoliday"].astype(tables.train["StateHoliday"].dtype)
    return replace(tables, **frames)


def test_a_new_store_is_forecast_from_its_past_sales(tables: Tables, old: Path, tmp_path: Path) -> None:
    """Its id comes first, so that all other stores move by one place."""
    result = update(old, with_new_store(tables), tmp_path / "more")
    update(old, tables, tmp_path / "new")
    assert result.new_stores == (0,)
    more, without = forecasts(tmp_path / "more", 14), forecasts(tmp_path / "new", 14)
    others = {key: value for key, value in more.items() if key[0] != 0}
    assert others == pytest.approx(without, rel=0.02), "the mean of all stores moves a little"
    first = min(store for store, _ in without)
    ratios = [more[0, day] / value for (store, day), value in without.items() if store == first and value]
    assert 0.7 < np.median(ratios) < 1.4
    residuals = bundles.load(tmp_path / "more").residuals
    assert residuals is not None
    assert not residuals.known[:-1, 0].any()
    assert residuals.known[-1, 0].any()


# Tables that can't update a bundle.


def shorter(tables: Tables) -> Tables:
    return until(tables, CUTOFF - 1)


def fewer_stores(tables: Tables) -> Tables:
    last = tables.store["Store"].max()
    return replace(
        tables,
        **{
            name: getattr(tables, name)[getattr(tables, name)["Store"] != last]
            for name in ("train", "test", "store", "store_states")
        },
    )


def new_days_alone(tables: Tables) -> Tables:
    return replace(tables, train=tables.train[tables.train["Date"] > pd.Timestamp(CUTOFF)].reset_index(drop=True))


def without_weather(tables: Tables) -> Tables:
    return replace(tables, weather=tables.weather.head(0))


def without_promotions(tables: Tables) -> Tables:
    headers = {name: name for name in tables.train.columns if name != "Promo"}
    return replace(
        tables, train=tables.train.assign(Promo=np.int8(0)), sources={"train": Source("train.csv", headers, ())}
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (shorter, "their sales end on 2015-06-11, and the bundle knows those up to 2015-06-12"),
        (fewer_stores, "they lack stores of the bundle: "),
        (new_days_alone, "they have 49 days of sales, and the bundle's had "),
        (without_weather, "they lack what the network reads: .*Mean_TemperatureC"),
        (without_promotions, "they lack what the network reads: Promo"),
    ],
)
def test_tables_that_cannot_update_a_bundle_are_rejected(
    tables: Tables, old: Path, tmp_path: Path, change: Callable[[Tables], Tables], message: str
) -> None:
    with pytest.raises(UpdateError, match=message):
        update(old, change(tables), tmp_path / "new")
    assert not [*tmp_path.iterdir()]


# Drift.


def changed_after(tables: Tables, change: Callable[[Any], Any]) -> Tables:
    later = tables.train["Date"] > pd.Timestamp(CUTOFF)
    sales = tables.train["Sales"].where(~later, change(tables.train["Sales"]))
    return replace(tables, train=tables.train.assign(Sales=sales))


def test_a_shift_of_the_sales_is_a_reason_to_train(tables: Tables, old: Path, tmp_path: Path) -> None:
    result = update(old, changed_after(tables, lambda sales: sales * 2), tmp_path / "new")
    assert result.drift is not None
    assert any("below the sales" in reason for reason in result.drift.reasons)
    assert bundles.load(tmp_path / "new").manifest.metrics["since_training"]["reasons_to_train"]


def test_more_noise_is_a_reason_to_train(tables: Tables, old: Path, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).lognormal(0, 0.6, len(tables.train))
    result = update(old, changed_after(tables, lambda sales: sales * noise), tmp_path / "new")
    assert result.drift is not None
    assert any("errors spread" in reason for reason in result.drift.reasons)


def test_unchanged_sales_are_no_reason_to_train(tables: Tables, old: Path, tmp_path: Path) -> None:
    result = update(old, tables, tmp_path / "new")
    assert result.drift is not None
    others = [reason for reason in result.drift.reasons if "not better than" not in reason]
    assert others == []
