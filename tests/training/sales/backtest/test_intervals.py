"""training.sales.backtest: intervals from earlier windows alone, totals, objectives, and stores unknown in training."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure as Plot

from tests.training.sales.small import SMALL
from training.sales.backtest.figures import ALL, NEW, TOTALS, Figures
from training.sales.backtest.report import write_backtest
from training.sales.backtest.run import Backtest, Settings, backtest, inner_cutoffs
from training.sales.data.tables import Tables
from training.sales.options import Options

CUTOFFS = (np.datetime64("2014-11-30"), np.datetime64("2015-05-17"))
DAYS = 14


def settings(**changes: Any) -> Settings:
    options = Options.of(**SMALL, **changes.pop("options", {}))
    return Settings(
        **{"cutoffs": CUTOFFS, "days": DAYS, "options": options, "baselines": ("last-year",), "jobs": 1, **changes}
    )


@pytest.fixture(scope="module")
def result(tables: Tables, tmp_path_factory: pytest.TempPathFactory) -> Backtest:
    return backtest(tables, tmp_path_factory.mktemp("backtest") / "out", settings())


def test_each_window_has_one_more_before_it_unless_the_backtest_has_it(tables: Tables) -> None:
    assert inner_cutoffs(tables, CUTOFFS, DAYS, windows=1) == [cutoff - DAYS for cutoff in CUTOFFS]
    adjacent = [CUTOFFS[0], CUTOFFS[0] + DAYS]
    assert inner_cutoffs(tables, adjacent, DAYS, windows=1) == [CUTOFFS[0] - DAYS]
    early = np.datetime64("2013-02-10")
    assert inner_cutoffs(tables, [early], DAYS, windows=4) == [], "fewer than two windows of sales are left"
    assert inner_cutoffs(tables, CUTOFFS, DAYS, windows=0) == []


def test_windows_that_are_13_weeks_apart_share_those_before_them(tables: Tables) -> None:
    last = np.datetime64("2015-06-12")
    cutoffs = [last - 91 * index for index in range(4)]
    inner = inner_cutoffs(tables, cutoffs, 49, windows=4)
    assert len(inner) == 7
    for cutoff in cutoffs:
        assert {cutoff - 49 - 91 * index for index in range(4)} <= {*inner}


def test_the_figures_of_intervals_agree_with_pandas(result: Backtest) -> None:
    figures = Figures(result)
    for window in result.windows:
        assert window.calibration is not None
        rows, median = window.evaluation.rows, window.seeds[0]
        ahead = rows.day - window.evaluation.cutoff - 1
        ends = window.calibration.multipliers(rows.store, ahead, np.array([0.1, 0.9])) * median[:, None]
        frame = pd.DataFrame({"sales": rows.sales, "low": ends[:, 0], "high": ends[:, 1], "week": ahead // 7})
        frame["inside"] = frame["sales"].between(frame["low"], frame["high"])
        assert figures.by_window("model", "coverage_80")[window.cutoff] == pytest.approx(frame["inside"].mean())
        width = (frame["high"] - frame["low"]).sum() / frame["sales"].sum()
        assert figures.by_window("model", "width_80")[window.cutoff] == pytest.approx(width, rel=1e-6)
        second = figures.by_window("model", "coverage_80", "Week of the horizon", "week 2")[window.cutoff]
        assert second == pytest.approx(frame[frame["week"] == 1]["inside"].mean())
        totals = figures.by_window("model", "rows", TOTALS, TOTALS)[window.cutoff]
        assert totals == len({*rows.store.tolist()})
    assert figures.by_window("last-year", "coverage_80") == {}


def test_later_sales_change_no_interval(tables: Tables, tmp_path: Path, result: Backtest) -> None:
    """The first window knows one window before it, and nothing of the second one."""
    later = tables.train["Date"] > pd.Timestamp(CUTOFFS[0])
    tripled = replace(tables, train=tables.train.assign(Sales=tables.train["Sales"].where(~later, 3)))
    changed = backtest(tripled, tmp_path / "out", settings())
    first, other = result.windows[0].calibration, changed.windows[0].calibration
    assert first is not None
    assert other is not None
    for name, array in first.arrays().items():
        np.testing.assert_array_equal(array, other.arrays()[name], err_msg=name)
    second, other = result.windows[1].calibration, changed.windows[1].calibration
    assert second is not None
    assert other is not None
    assert not np.array_equal(second.weeks, other.weeks), "so that the test can fail"


def test_an_objective_multiplies_the_forecasts(tables: Tables, tmp_path: Path, result: Backtest) -> None:
    mean = backtest(tables, tmp_path / "out", settings(options={"objective": "mean"}))
    for median_window, mean_window in zip(result.windows, mean.windows, strict=True):
        assert mean_window.calibration is not None
        factor = mean_window.calibration.factors["mean"]
        np.testing.assert_allclose(
            mean_window.forecasts()["model", 0], median_window.forecasts()["model", 0] * factor, rtol=1e-12
        )


def test_new_stores_are_unknown_in_training_and_judged_apart(tables: Tables, tmp_path: Path) -> None:
    window = settings(cutoffs=CUTOFFS[:1], new_stores=0.3)
    (before,) = backtest(tables, tmp_path / "before", window).windows
    assert before.new is not None
    (new,) = {*before.evaluation.rows.store[before.new].tolist()}
    store = before.evaluation.panel.store_ids[new]
    early = (tables.train["Store"] == store) & (tables.train["Date"] <= pd.Timestamp(CUTOFFS[0]))
    doubled = replace(tables, train=tables.train.assign(Sales=tables.train["Sales"].where(~early, 10)))
    result = backtest(doubled, tmp_path / "after", window)
    (after,) = result.windows
    for name, forecast in before.forecasts().items():
        np.testing.assert_array_equal(forecast, after.forecasts()[name], err_msg=str(name))
    assert after.calibration is not None
    assert after.calibration.new_store[new]
    figures = Figures(result)
    (n_new,) = figures.by_window("model", "rows", NEW, "new stores").values()
    (n_known,) = figures.by_window("model", "rows").values()
    assert n_new == before.new.sum()
    assert n_known == (~before.new).sum()
    assert NEW not in figures.kinds()


def test_the_report_has_a_section_for_intervals_and_new_stores(
    result: Backtest, tables: Tables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Plot, "savefig", lambda *_, **__: None)
    write_backtest(tmp_path / "out", result)
    text = (tmp_path / "out" / "report.md").read_text()
    assert "## Intervals" in text
    assert "totals of a store and window" in text
    assert "## New stores" not in text
    assert "nan" not in text
    coverage = Figures(result).mean("model", "coverage_80", ALL, ALL)
    assert f" {100 * coverage:.2f} % " in text
    without = backtest(tables, tmp_path / "no", settings(cutoffs=CUTOFFS[:1], intervals=False, new_stores=0.3))
    write_backtest(tmp_path / "no", without)
    text = (tmp_path / "no" / "report.md").read_text()
    assert "## Intervals" not in text
    assert "## New stores" in text
