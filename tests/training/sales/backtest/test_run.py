"""training.sales.backtest.run: no leaks, resume, and forecasts that do not depend on the number of processes."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.training.sales.small import OPTIONS, SMALL
from training.loop.checkpoint import CheckpointError
from training.sales import baselines
from training.sales.backtest.run import Backtest, BacktestError, Settings, backtest
from training.sales.data.files import Source
from training.sales.data.panel import panel_from_tables
from training.sales.data.tables import Tables
from training.sales.fit import Fitted, fit
from training.sales.fits import window_fit
from training.sales.fits.window_fit import WindowFit
from training.sales.options import Options
from training.sales.rows import Rows

CUTOFFS = (np.datetime64("2014-11-30"), np.datetime64("2015-05-17"))
DAYS = 14
FREE = ("last-year", "weekday-promotion")
ALL = (*FREE, "ridge", "lightgbm", "lesson")


def settings(**changes: Any) -> Settings:
    given = {"cutoffs": CUTOFFS, "days": DAYS, "options": OPTIONS, "baselines": FREE, "jobs": 1, "intervals": False}
    return Settings(**{**given, **changes})


@pytest.fixture(scope="module")
def result(tables: Tables, tmp_path_factory: pytest.TempPathFactory) -> Backtest:
    return backtest(tables, tmp_path_factory.mktemp("backtest") / "out", settings(seeds=2))


def assert_same_forecasts(first: Backtest, second: Backtest) -> None:
    for ours, theirs in zip(first.windows, second.windows, strict=True):
        assert ours.cutoff == theirs.cutoff
        assert ours.forecasts().keys() == theirs.forecasts().keys()
        for name, forecast in ours.forecasts().items():
            np.testing.assert_array_equal(forecast, theirs.forecasts()[name], err_msg=str(name))


def test_each_window_is_judged_on_its_sold_days_alone(tables: Tables, result: Backtest) -> None:
    for window, cutoff in zip(result.windows, CUTOFFS, strict=True):
        first, last = pd.Timestamp(cutoff + 1), pd.Timestamp(cutoff + DAYS)
        actual = tables.train[(tables.train["Sales"] > 0) & tables.train["Date"].between(first, last)]
        rows = window.evaluation.rows
        assert window.cutoff == str(cutoff)
        assert sorted(rows.sales.tolist()) == sorted(actual["Sales"].tolist())
        assert {len(forecast) for forecast in window.forecasts().values()} == {len(actual)}


def test_the_model_of_a_window_is_a_fit_on_its_past(tables: Tables, result: Backtest) -> None:
    """The plan in the tables ends with the window, as it does for the backtest."""
    past = replace(tables, train=tables.train[tables.train["Date"] <= "2014-12-14"], test=tables.test.head(0))
    panel = panel_from_tables(past, cutoff=CUTOFFS[0])
    weather = panel.weather.copy()
    weather[:, panel.cutoff + 1 :] = np.nan
    fitted = fit(replace(panel, weather=weather), Options.of(**SMALL, seed=1), progress=False)
    expected = fitted.forecast(result.windows[0].evaluation.rows)
    np.testing.assert_allclose(result.windows[0].seeds[1], expected, rtol=1e-5)


def test_the_mean_of_the_seeds_is_a_forecaster(result: Backtest) -> None:
    first, second = result.windows[0].seeds.values()
    assert not np.array_equal(first, second)
    np.testing.assert_allclose(result.windows[0].forecasts()["model average", None], np.sqrt(first * second))


def test_last_year_is_completed_by_the_mean(result: Backtest) -> None:
    """Ascension Day was on another day a year before."""
    window = result.windows[1]
    known = baselines.known_until(window.evaluation.panel, window.evaluation.cutoff)
    last_year = baselines.last_year(known, window.evaluation.rows)
    gaps = np.isnan(last_year)
    assert 0 < gaps.sum() < len(gaps)
    np.testing.assert_array_equal(window.baselines["last-year"][~gaps], last_year[~gaps])
    np.testing.assert_array_equal(window.baselines["last-year"][gaps], window.baselines["weekday-promotion"][gaps])


# No leaks.


def sales_tripled(tables: Tables) -> Tables:
    later = tables.train["Date"] > pd.Timestamp(CUTOFFS[0])
    return replace(
        tables, train=tables.train.assign(Sales=tables.train["Sales"].where(~later, tables.train["Sales"] * 3))
    )


def customers_changed(tables: Tables) -> Tables:
    return replace(tables, train=tables.train.assign(Customers=1))


def weather_changed(tables: Tables) -> Tables:
    later = tables.weather["Date"] > pd.Timestamp(CUTOFFS[0])
    numbers = {name: tables.weather[name].where(~later, 99) for name in ("Mean_TemperatureC", "Precipitationmm")}
    return replace(tables, weather=tables.weather.assign(**numbers))


def plan_changed_after_the_window(tables: Tables) -> Tables:
    """Promotions and holidays of the days after the window, which columns of its last days would look ahead to."""
    train, test = tables.train, tables.test
    later = train["Date"] > pd.Timestamp(CUTOFFS[0] + DAYS)
    promo = train["Promo"].where(~later, 1 - train["Promo"])
    holiday = train["SchoolHoliday"].where(~later, 1)
    return replace(tables, train=train.assign(Promo=promo, SchoolHoliday=holiday), test=test.assign(Promo=1))


@pytest.mark.parametrize("change", [sales_tripled, customers_changed, weather_changed, plan_changed_after_the_window])
def test_nothing_after_the_cutoff_changes_a_forecast_but_the_plan_of_the_window(
    tables: Tables, tmp_path: Path, change: Callable[[Tables], Tables]
) -> None:
    first_window = settings(cutoffs=CUTOFFS[:1], baselines=(*FREE, "ridge", "lightgbm"))
    before = backtest(tables, tmp_path / "before", first_window)
    after = backtest(change(tables), tmp_path / "after", first_window)
    assert_same_forecasts(before, after)


def test_the_days_of_later_sales_change_no_forecast_of_tables_without_a_plan(tables: Tables, tmp_path: Path) -> None:
    """Tables that list only sales: nobody knows beforehand that a store will open on a Sunday."""
    sold = tables.train[tables.train["Sales"] > 0].reset_index(drop=True)
    sunday = sold[sold["Date"] == "2014-12-06"].head(1).assign(Date=pd.Timestamp("2014-12-07").as_unit("s"))
    source = Source("sales.csv", dict.fromkeys(("Store", "Date", "Sales"), ""), ())
    some_days = replace(tables, train=sold, test=tables.test.head(0), sources={"train": source})
    all_days = replace(some_days, train=pd.concat([sold, sunday], ignore_index=True))
    window = settings(cutoffs=CUTOFFS[:1])
    forecasts = []
    for name, read in (("all", all_days), ("some", some_days)):
        (result,) = backtest(read, tmp_path / name, window).windows
        rows = result.evaluation.rows
        places = zip(rows.store.tolist(), rows.day.tolist(), strict=True)
        forecasts.append(dict(zip(places, result.seeds[0].tolist(), strict=True)))
    every, fewer = forecasts
    assert 0 < len(fewer) < len(every)
    assert fewer == pytest.approx({place: every[place] for place in fewer}, rel=1e-6)


def test_the_plan_of_the_window_changes_its_forecasts(tables: Tables, tmp_path: Path) -> None:
    """So that the test above can fail."""
    inside = tables.train["Date"].between(pd.Timestamp(CUTOFFS[0] + 1), pd.Timestamp(CUTOFFS[0] + DAYS))
    promo = tables.train["Promo"].where(~inside, 1 - tables.train["Promo"])
    window = settings(cutoffs=CUTOFFS[:1])
    before = backtest(tables, tmp_path / "before", window).windows[0].seeds[0]
    after = backtest(replace(tables, train=tables.train.assign(Promo=promo)), tmp_path / "after", window)
    assert (before != after.windows[0].seeds[0]).mean() > 0.9


def test_a_fit_gets_no_sales_after_its_cutoff(tables: Tables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def record(panel: Any, *arguments: Any, **keywords: Any) -> Fitted:
        seen.append(panel)
        return fit(panel, *arguments, **keywords)

    monkeypatch.setattr(window_fit, "fit", record)
    backtest(tables, tmp_path / "out", settings(baselines=("lesson",)))
    assert len(seen) == 4, "two windows, with the model and the lesson's network each"
    for panel, cutoff in zip(seen, np.repeat(CUTOFFS, 2), strict=True):
        assert panel.calendar.date(panel.cutoff) == cutoff.astype(object)
        assert np.isnan(panel.sales[:, panel.cutoff + 1 :]).all()
        assert not np.isnan(panel.sales[:, panel.cutoff - 7 : panel.cutoff + 1]).all()


# Resume.


def count_fits(monkeypatch: pytest.MonkeyPatch, *, stop_after: int | None = None) -> list[str]:
    """Record the fits that are run, and interrupt the one after a number of them."""
    run, ran = WindowFit.run, list[str]()

    def counted(fit_: WindowFit, **keywords: Any) -> None:
        if len(ran) == stop_after:
            raise KeyboardInterrupt
        run(fit_, **keywords)
        ran.append(fit_.name)

    monkeypatch.setattr(WindowFit, "run", counted)
    return ran


def test_an_interrupted_backtest_does_not_compute_finished_fits_again(
    tables: Tables, result: Backtest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        finished = count_fits(patched, stop_after=3)
        with pytest.raises(KeyboardInterrupt):
            backtest(tables, tmp_path / "out", settings(seeds=2))
    rest = count_fits(monkeypatch)
    resumed = backtest(tables, tmp_path / "out", settings(seeds=2))
    assert len(finished) == 3
    assert rest == ["2015-05-17, seed 1"]
    assert_same_forecasts(resumed, result)
    assert not [*tmp_path.iterdir()], "the forecasts of the fits are gone"


def test_finished_fits_of_other_options_or_tables_are_rejected_unless_it_starts_anew(
    tables: Tables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        count_fits(patched, stop_after=1)
        with pytest.raises(KeyboardInterrupt):
            backtest(tables, tmp_path / "out", settings())
    other = settings(options=Options.of(**{**SMALL, "epochs": 1}))
    with pytest.raises(CheckpointError, match=r"epochs is 1 here and 2 there.*--fresh"):
        backtest(tables, tmp_path / "out", other)
    with pytest.raises(CheckpointError, match="tables is"):
        backtest(replace(tables, store=tables.store.assign(StoreType="a")), tmp_path / "out", settings())
    assert len(backtest(tables, tmp_path / "out", other, resume=False).windows) == 2


# Settings.


def test_an_unknown_baseline_is_rejected_by_name(tables: Tables, tmp_path: Path) -> None:
    with pytest.raises(BacktestError, match=r"no baseline is called prophet; choose among last-year, .* lesson"):
        backtest(tables, tmp_path / "out", settings(baselines=("ridge", "prophet")))
    assert not [*tmp_path.iterdir()]


def test_the_lessons_network_is_left_out_without_its_tables(tables: Tables, tmp_path: Path) -> None:
    poor = replace(tables, googletrend=tables.googletrend.head(0))
    left_out = backtest(poor, tmp_path / "out", settings(cutoffs=CUTOFFS[:1], baselines=(*FREE, "lesson")))
    assert list(left_out.windows[0].baselines) == [*FREE]
    assert "googletrend.csv" in left_out.skipped["lesson"]


def test_a_window_without_sales_is_rejected(tables: Tables, tmp_path: Path) -> None:
    with pytest.raises(BacktestError, match="no sales in the 14 days after 2015-12-01"):
        backtest(tables, tmp_path / "out", settings(cutoffs=[np.datetime64("2015-12-01")]))


def test_seeds_and_windows_have_the_rows_of_the_same_panel(result: Backtest) -> None:
    for window in result.windows:
        sold = Rows.sold(window.evaluation.panel, after=window.evaluation.cutoff)
        np.testing.assert_array_equal(window.evaluation.rows.sales, sold.sales)
