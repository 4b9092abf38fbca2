"""training.sales.backtest.figures and report: figures against pandas, tables, and files."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure as Plot

from runtime.folder import FolderError
from tests.training.sales.small import OPTIONS
from training.sales.backtest.figures import Figures, figures_csv
from training.sales.backtest.report import summary_lines, write_backtest
from training.sales.backtest.run import Backtest, Settings, Window
from training.sales.data.panel import panel_from_tables
from training.sales.data.tables import Tables
from training.sales.evaluation import Evaluation
from training.sales.metrics import INTERVALS
from training.sales.options import Options
from training.sales.rows import Rows


@pytest.fixture(autouse=True)
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw no plots, because they take most of a report's time."""
    monkeypatch.setattr(Plot, "savefig", lambda *_, **__: None)


@pytest.fixture(scope="module")
def result(tables: Tables) -> Backtest:
    """Three windows with two seeds, whose errors are known and random."""
    panel = panel_from_tables(tables)
    rng = np.random.default_rng(0)
    windows = []
    for weeks_before, n_days in ((30, 21), (20, 21), (3, 14)):
        cutoff = panel.cutoff - 7 * weeks_before
        later = Rows.sold(panel, after=cutoff)
        rows = later.where(later.day <= cutoff + n_days)

        def wrong(scale: float, rows: Rows = rows) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
            return rows.sales * rng.lognormal(0.02, scale, len(rows))

        seeds = {0: wrong(0.1), 1: wrong(0.12)}
        others = {"last-year": wrong(0.4), "ridge": wrong(0.2)}
        windows.append(Window(Evaluation(panel, cutoff, rows, seeds[0]), seeds, others))
    cutoffs = [np.datetime64(window.cutoff) for window in windows]
    settings = Settings(cutoffs, 21, OPTIONS, seeds=2, baselines=("last-year", "ridge"))
    return Backtest(settings, windows, {"lightgbm": "LightGBM is not installed"}, synthetic=True)


@pytest.fixture(scope="module")
def frame(result: Backtest) -> pd.DataFrame:
    """All forecasts by cutoff, forecaster and seed, one a row, by pandas alone."""
    parts = []
    for window in result.windows:
        rows, panel = window.evaluation.rows, window.evaluation.panel
        for (forecaster, seed), forecast in window.forecasts().items():
            parts.append(
                pd.DataFrame(
                    {
                        "cutoff": window.cutoff,
                        "forecaster": forecaster,
                        "seed": -1 if seed is None else seed,
                        "sales": rows.sales.astype(float),
                        "forecast": forecast,
                        "week": (rows.day - window.evaluation.cutoff + 6) // 7,
                        "type": np.array(panel.levels["StoreType"])[panel.store_type[rows.store]],
                    }
                )
            )
    return pd.concat(parts)


def rmspe(rows: pd.DataFrame) -> float:
    return float((((rows["forecast"] - rows["sales"]) / rows["sales"]) ** 2).mean() ** 0.5)


def test_figures_by_window_and_slice_agree_with_pandas(result: Backtest, frame: pd.DataFrame) -> None:
    figures = Figures(result)
    assert figures.forecasters == ["model", "model average", "last-year", "ridge"]
    for name in figures.forecasters:
        ours = frame[frame["forecaster"] == name]
        by_seed = ours.groupby(["cutoff", "seed"])[["sales", "forecast"]].apply(rmspe)
        by_window = by_seed.groupby("cutoff").mean()
        assert figures.by_window(name, "rmspe") == pytest.approx(by_window.to_dict())
        assert figures.mean(name, "rmspe") == pytest.approx(by_window.mean())
        spread = by_seed.groupby("cutoff").std().mean()
        assert figures.seed_spread(name, "rmspe") == (pytest.approx(spread) if name == "model" else None)
        for kind, column, label in (
            ("Week of the horizon", "week", "week {}"),
            ("Store type", "type", "{}"),
        ):
            parts = ours.groupby(["cutoff", "seed", column])[["sales", "forecast"]].apply(rmspe)
            means = parts.groupby(["cutoff", column]).mean().groupby(column).mean()
            assert figures.labels(kind) == [label.format(value) for value in means.index]
            for value, expected in means.items():
                assert figures.mean(name, "rmspe", kind, label.format(value)) == pytest.approx(expected)


def test_a_slice_that_a_window_lacks_is_a_mean_over_the_others(result: Backtest) -> None:
    third = Figures(result).by_window("model", "rmspe", "Week of the horizon", "week 3")
    assert list(third) == [window.cutoff for window in result.windows[:2]], "the last window has two weeks"


def test_the_best_baseline_is_no_seed_average(result: Backtest) -> None:
    assert Figures(result).best_baseline() == "ridge"
    alone = [replace(window, baselines={}) for window in result.windows]
    assert Figures(replace(result, windows=alone)).best_baseline() is None


def test_the_files_have_every_figure_and_forecast(tmp_path: Path, result: Backtest, frame: pd.DataFrame) -> None:
    figures = write_backtest(tmp_path / "out", result, command="shopcat backtest tables")
    names = {"report.md", "windows.png", "weeks.png", "figures.json", "figures.csv", "forecasts.csv"}
    assert {file.name for file in (tmp_path / "out").iterdir()} == names
    content = json.loads((tmp_path / "out" / "figures.json").read_text())
    assert content["cutoffs"] == [window.cutoff for window in result.windows]
    assert content["skipped"] == {"lightgbm": "LightGBM is not installed"}
    assert content["summary"][0]["rmspe"]["mean"] == figures.mean("model", "rmspe")
    assert len(content["figures"]) == len(figures.all)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out" / "figures.csv").read_text())))
    assert len(rows) == len(figures.all)
    assert {*INTERVALS} <= {*rows[0]}
    assert float(rows[0]["rmspe"]) == figures.all[0].metrics["rmspe"]
    forecasts = pd.read_csv(tmp_path / "out" / "forecasts.csv")
    assert len(forecasts) == sum(len(window.evaluation.rows) for window in result.windows)
    expected = frame[(frame["forecaster"] == "model") & (frame["seed"] == 1)]["forecast"]
    np.testing.assert_allclose(forecasts["model seed 1"], expected, rtol=1e-6)
    assert {*forecasts["store"]} == {*result.windows[0].evaluation.panel.store_ids}


def test_the_report_states_means_windows_and_what_was_left_out(tmp_path: Path, result: Backtest) -> None:
    figures = write_backtest(tmp_path / "out", result, command="shopcat backtest tables")
    text = (tmp_path / "out" / "report.md").read_text()
    assert text.startswith("> **Synthetic data")
    ours, theirs = figures.mean("model", "rmspe"), figures.mean("ridge", "rmspe")
    assert f"**RMSPE {100 * ours:.2f} %**, the mean of 3 windows of 21 days." in text
    assert f"the model's is {100 * (1 - ours / theirs):.2f} % lower." in text
    for window in result.windows:
        row = next(line for line in text.splitlines() if line.startswith(f"| {window.cutoff} |"))
        assert f" {100 * figures.by_window('model', 'rmspe')[window.cutoff]:.2f} % " in row
    assert "Left out: LightGBM. LightGBM is not installed." in text
    assert "| week 1 |" in text
    assert "## Options of the model" in text
    assert "nan" not in text
    assert text.endswith("```\nshopcat backtest tables\n```\n")


def test_a_report_of_parity_mode_says_that_it_looks_ahead(tmp_path: Path, result: Backtest) -> None:
    parity = replace(result, settings=replace(result.settings, options=Options.of("parity")), synthetic=False)
    write_backtest(tmp_path / "out", parity)
    assert (tmp_path / "out" / "report.md").read_text().startswith("> **Parity mode looks ahead")


def test_a_folder_without_a_report_is_not_replaced(tmp_path: Path, result: Backtest) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").touch()
    with pytest.raises(FolderError, match="not empty"):
        write_backtest(tmp_path / "out", result)


def test_the_printed_table_has_a_line_for_each_forecaster(result: Backtest) -> None:
    figures = Figures(result)
    head, model, average, last_year, ridge = summary_lines(figures)
    assert head.split() == ["RMSPE", "lowest", "highest", "of", "seeds", "WAPE", "bias"]
    values = list(figures.by_window("model", "rmspe").values())
    numbers = [f"{value:.4f}" for value in (np.mean(values), min(values), max(values))]
    assert model.split()[1:4] == numbers
    assert "±" in model
    assert "±" not in ridge
    assert average.startswith("model, mean of the seeds")
    assert last_year.startswith("last year's same weekday")
    assert len({len(line) for line in (head, model, average, last_year, ridge)}) == 1


def test_every_row_of_the_csv_has_the_same_columns(result: Backtest) -> None:
    lines = figures_csv(Figures(result)).splitlines()
    assert {line.count(",") for line in lines} == {lines[0].count(",")}
