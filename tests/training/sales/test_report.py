import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib._pylab_helpers import Gcf
from matplotlib.figure import Figure
from sklearn import metrics as sk

from runtime.folder import FolderError
from training import reports
from training.loop.history import History
from training.sales import report
from training.sales.data.demo import write_demo
from training.sales.data.panel import panel_from_tables
from training.sales.data.tables import read_tables
from training.sales.evaluation import Evaluation, HoldoutError
from training.sales.report import write_report
from training.sales.rows import Rows


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory):
    """Three weeks of a few stores, forecast with a known random error that is larger for later stores."""
    folder = tmp_path_factory.mktemp("report") / "data"
    write_demo(folder, stores=5, seed=1)
    panel = panel_from_tables(read_tables(folder))
    cutoff = panel.cutoff - 21
    rows = Rows.sold(panel, after=cutoff)
    spread = 0.05 + 0.05 * rows.store
    forecast = rows.sales * np.random.default_rng(0).lognormal(0.02, spread)
    return Evaluation(panel, cutoff, rows, forecast)


@pytest.fixture(scope="module")
def written(tmp_path_factory, evaluation, history, found):
    folder = tmp_path_factory.mktemp("report") / "of" / "sales"
    command = "shopcat train sales data --out model"
    return write_report(folder, evaluation, title="Sales 1", history=history, lr=found, command=command)


@pytest.fixture(autouse=True)
def unseen(monkeypatch):
    """Draw no plots but those of the fixture above, because plots take most of a report's time."""
    monkeypatch.setattr(Figure, "savefig", lambda *_, **__: None)


@pytest.fixture
def text(written):
    return (written / "report.md").read_text(encoding="utf-8")


def one(evaluation, rows):
    """Return the evaluation of some of its rows."""
    part = evaluation.rows
    return replace(
        evaluation,
        rows=Rows(part.store[rows], part.day[rows], part.sales[rows]),
        forecast=evaluation.forecast[rows],
    )


def table(text, first):
    """Return the Markdown table whose first column has this heading, as a data frame of texts."""
    lines = text[text.index(f"\n| {first} |") + 1 :].split("\n\n")[0].splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return pd.DataFrame(cells[2:], columns=cells[0])


def test_the_headline_figures_agree_with_scikit_learn(text, evaluation):
    actual, forecast = evaluation.rows.sales.astype(float), evaluation.forecast
    ones = np.ones(len(actual))
    rmspe = sk.root_mean_squared_error(ones, forecast / actual)
    expected = {
        "RMSPE": f"{100 * rmspe:.2f} %",
        "RMSE of log": f"{sk.root_mean_squared_error(np.log(actual), np.log(forecast)):.4f}",
        "WAPE": f"{100 * sk.mean_absolute_percentage_error(actual, forecast, sample_weight=actual):.2f} %",
        "Bias": f"{100 * (forecast.sum() / actual.sum() - 1):+.2f} %",
        "Mean APE": f"{100 * sk.mean_absolute_percentage_error(actual, forecast):.2f} %",
        "Median APE": f"{100 * sk.median_absolute_error(ones, forecast / actual):.2f} %",
    }
    headline = re.findall(r"^\| ([^|]+) \| ([^|]+) \| .* \|$", text, re.MULTILINE)
    assert {label: value for label, value in headline if label in expected} == expected
    assert f"**RMSPE {100 * rmspe:.2f} %** over {len(actual):,} store-days." in text


def test_the_comparison_with_last_year_uses_the_same_rows(text, evaluation):
    naive = evaluation.last_year()
    both = ~np.isnan(naive)
    actual = evaluation.rows.sales[both].astype(float)
    ours, theirs = (
        sk.root_mean_squared_error(np.ones(both.sum()), forecast[both] / actual)
        for forecast in (evaluation.forecast, naive)
    )
    assert f"has {100 * theirs:.2f} % and the model {100 * ours:.2f} %: {100 * (1 - ours / theirs):.2f} % lower" in text


def test_a_last_year_without_an_error_can_be_compared_with(tmp_path, evaluation):
    known = one(evaluation, np.flatnonzero(~np.isnan(evaluation.last_year()))[:1])
    repeated = replace(known, rows=replace(known.rows, sales=known.last_year()))
    content = (write_report(tmp_path / "r", repeated, title="Same") / "report.md").read_text()
    assert "| 0.00 % |" in content
    assert "inf" not in content


def test_a_model_worse_than_last_year_is_called_worse(tmp_path, evaluation):
    known = one(evaluation, np.flatnonzero(~np.isnan(evaluation.last_year()))[:2])
    worse = replace(known, forecast=9.0 * known.rows.sales)
    assert "% higher." in (write_report(tmp_path / "r", worse, title="Bad") / "report.md").read_text()


def test_the_report_states_its_evaluation_and_its_command(text, evaluation):
    assert text.startswith("# Sales 1\n")
    assert "On 5 stores from 2015-07-11 to 2015-07-31 (21 days)" in text
    assert "knew those up to 2015-07-10" in text
    assert "Closed days and days without sales are left out." in text
    assert "shopcat train sales data --out model" in text


def test_every_slice_has_a_table_with_signed_bias(text, evaluation):
    rows = evaluation.rows
    error = pd.DataFrame(
        {
            "Weekday": pd.to_datetime([evaluation.date(int(day)) for day in rows.day]).day_name(),
            "sales": rows.sales.astype(float),
            "forecast": evaluation.forecast,
        }
    )
    for name in evaluation.slices():
        assert table(text, name)["rows"].str.replace(",", "").astype(int).sum() == len(rows)
    weekdays = table(text, "Weekday")
    totals = error.groupby("Weekday")[["sales", "forecast"]].sum()
    bias = {day: f"{100 * (total['forecast'] / total['sales'] - 1):+.2f} %" for day, total in totals.iterrows()}
    assert dict(zip(weekdays["Weekday"].str[2:], weekdays["Bias"], strict=True)) == bias


def test_the_worst_days_agree_with_pandas(text, evaluation):
    rows = evaluation.rows
    share = pd.Series(evaluation.forecast / rows.sales - 1)
    worst = share.abs().nlargest(10).index
    stores = evaluation.panel.calendar.stores[rows.store[worst]]
    shown = table(text, "store")
    assert shown["store"].tolist() == [str(store) for store in stores]
    assert shown["date"].tolist() == [str(evaluation.date(int(day))) for day in rows.day[worst]]
    assert shown["actual"].tolist() == [f"{sales:,.0f}" for sales in rows.sales[worst]]
    assert shown["error"].tolist() == [f"{100 * error:+.2f} %" for error in share[worst]]


def test_every_plot_is_shown_and_has_a_drawing(text, written, is_picture):
    files = {file.name for file in written.iterdir()}
    shown = set(re.findall(r"!\[[^\]]+\]\(([^)]+)\)", text))
    assert shown == {"forecasts.png", "slices.png", "training.png", "lr_find.png"}
    assert files == shown | {"report.md"}
    for name in shown:
        assert is_picture(written / name), name


def test_no_figure_stays_open(written):
    assert Gcf.get_all_fig_managers() == []


def test_the_best_the_median_and_the_worst_store_are_plotted(evaluation):
    by_store = pd.DataFrame(
        {"store": evaluation.rows.store, "square": (evaluation.forecast / evaluation.rows.sales - 1) ** 2}
    )
    order = by_store.groupby("store")["square"].mean().sort_values().index.tolist()
    assert report._default_stores(evaluation) == [order[0], order[2], order[4]]


def test_closed_days_are_gaps(evaluation):
    store = 1
    axes = report._plot_forecasts(evaluation, [store]).axes[0]
    lines = {line.get_label(): np.asarray(line.get_ydata(), float) for line in axes.lines}
    days = slice(evaluation.cutoff + 1, evaluation.panel.cutoff + 1)
    closed = evaluation.panel.calendar.open[store, days] == 0
    assert closed.any()
    np.testing.assert_array_equal(np.isnan(lines["actual"]), closed)
    np.testing.assert_array_equal(np.isnan(lines["forecast"]), closed)
    known = evaluation.panel.sales[store, days.start - 364 : days.stop - 364]
    np.testing.assert_array_equal(lines["last year's same weekday"][~closed], known[~closed])


def test_bars_and_line_of_the_slices_are_the_figures(evaluation):
    panels = {axes.get_title(loc="left"): axes for axes in report._plot_slices(evaluation).axes}
    slices = evaluation.slices()
    assert set(panels) == set(slices)
    for name, axes in panels.items():
        widths = [bar.get_width() for bar in axes.patches]
        assert widths == [part["rmspe"] for part in slices[name].values()]
        assert axes.lines[0].get_xdata()[0] == evaluation.metrics()["rmspe"]


@pytest.mark.parametrize(
    ("synthetic", "mode", "first"),
    [
        (True, "production", "> **Synthetic data"),
        (True, "parity", "> **Synthetic data"),
        (False, "parity", "> **Parity mode looks ahead"),
    ],
)
def test_a_notice_comes_first_for_synthetic_data_and_parity_mode(tmp_path, evaluation, synthetic, mode, first):
    one_day = one(evaluation, [0])
    folder = write_report(tmp_path / "r", one_day, title="T", synthetic=synthetic, mode=mode)
    content = (folder / "report.md").read_text()
    assert content.startswith(first)
    assert ("looks ahead" in content) == (mode == "parity")


def test_one_row_without_a_last_year_is_enough(tmp_path, evaluation):
    day = int(evaluation.rows.day[0])
    sales = evaluation.panel.sales.copy()
    sales[:, day - 364] = np.nan
    lone = replace(one(evaluation, [0]), panel=replace(evaluation.panel, sales=sales))
    folder = write_report(tmp_path / "r", lone, title="One", history=History())
    assert {file.name for file in folder.iterdir()} == {"report.md", "forecasts.png", "slices.png"}
    content = (folder / "report.md").read_text()
    assert "model, all 1 rows" in content
    assert "52 weeks" in content
    assert "nan" not in content


def test_chosen_stores_are_shown_by_their_ids(evaluation):
    chosen = [report._index_of(evaluation, store) for store in (4, 2)]
    titles = [axes.get_title(loc="left") for axes in report._plot_forecasts(evaluation, chosen).axes]
    assert [title.split(",")[0] for title in titles] == ["Store 4", "Store 2"]


def test_a_store_without_sales_is_rejected_before_anything_is_written(tmp_path, evaluation):
    for store, part in ((77, evaluation), (2, one(evaluation, evaluation.rows.store == 0))):
        with pytest.raises(HoldoutError, match=rf"store {store} sold nothing on the days judged; choose among 1"):
            write_report(tmp_path / "r", part, title="T", stores=[1, store])
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def failing(monkeypatch):
    """Let the second plot fail."""
    draw, drawn = reports.png, []

    def png(figure):
        drawn.append(figure)
        if len(drawn) == 2:
            raise MemoryError("no room for a picture")
        return draw(figure)

    monkeypatch.setattr(reports, "png", png)


@pytest.mark.usefixtures("failing")
def test_a_failure_midway_leaves_nothing(tmp_path, evaluation):
    with pytest.raises(MemoryError):
        write_report(tmp_path / "r", one(evaluation, [0, 1]), title="T")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("failing")
def test_a_failure_midway_leaves_the_report_that_was_there(tmp_path, evaluation):
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "report.md").write_text("the old one")
    with pytest.raises(MemoryError):
        write_report(tmp_path / "r", one(evaluation, [0, 1]), title="T")
    assert [file.name for file in tmp_path.rglob("*")] == ["r", "report.md"]
    assert (tmp_path / "r" / "report.md").read_text() == "the old one"


def test_a_report_is_replaced_if_allowed_and_another_folder_never(tmp_path, evaluation):
    part, folder = one(evaluation, [0]), tmp_path / "r"
    write_report(folder, part, title="First")
    with pytest.raises(FolderError, match="not empty"):
        write_report(folder, part, title="Second", replace=False)
    assert (folder / "report.md").read_text().startswith("# First")
    write_report(folder, part, title="Second")
    assert (folder / "report.md").read_text().startswith("# Second")
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "only copy.tex").touch()
    with pytest.raises(FolderError, match="not empty"):
        write_report(tmp_path / "thesis", part, title="Third")
    assert (tmp_path / "thesis" / "only copy.tex").exists()
