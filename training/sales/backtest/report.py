"""Report of a backtest: a folder with ``report.md``, its plots, and all figures and forecasts as JSON and CSV."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure as Plot
from matplotlib.ticker import PercentFormatter

from training.cards import definitions, option_list, percent, signed_percent, table
from training.plots import BLACK, BLUE, GREY, ORANGE, SKY, style
from training.reports import Plots, closing_sections, images, write_folder
from training.sales.backtest.figures import ALL, NEW, TOTALS, Figures, figures_csv, figures_json, forecasts_csv
from training.sales.backtest.run import AVERAGE, LAST_YEAR, MEAN, Backtest
from training.sales.card import LOOKS_AHEAD, METRICS, SYNTHETIC
from training.sales.evaluation import WEEK
from training.sales.fits.window_fit import LESSON, MODEL
from training.sales.intervals.sections import interval_table
from training.sales.metrics import INTERVALS
from training.sales.options import Options

NAMES: Mapping[str, str] = {
    AVERAGE: "model, mean of the seeds",
    LAST_YEAR: "last year's same weekday",
    MEAN: "weekday-and-promotion mean",
    "ridge": "ridge regression",
    "lightgbm": "LightGBM",
    LESSON: "the lesson's network, which looks ahead",
}
COLORS = (ORANGE, BLACK, BLUE, SKY, GREY, "#009E73", "#CC79A7")


def write_backtest(folder: Path, result: Backtest, *, command: str | None = None, replace: bool = True) -> Figures:
    """Write the report of a backtest atomically.

    Args:
        folder: folder of the report.
        result: the backtest.
        command: command that makes the same report again.
        replace: allow an existing report to be replaced. A folder without a report is never replaced.

    Returns:
        The figures.

    Raises:
        FolderError: if the folder exists and must not be replaced.
    """
    figures = Figures(result)
    plots: Plots = {
        "windows.png": (_plot_windows(figures), "RMSPE by window"),
        "weeks.png": (_plot_weeks(figures), "RMSPE by week of the horizon"),
    }
    parity = result.settings.options.mode == "parity"
    notices = [f"> {SYNTHETIC}"] * result.synthetic + [f"> {LOOKS_AHEAD}"] * parity
    sections = [
        "# Backtest of the sales model",
        *_summary(result, figures),
        *_how(result),
        "## By window",
        images(plots)["windows.png"],
        _window_table(result, figures),
        "## By week of the horizon",
        images(plots)["weeks.png"],
        _slice_table(figures, WEEK),
        *_slices(figures),
        *_intervals(figures),
        *_new_stores(figures),
        "## Options of the model",
        option_list(Options, vars(result.settings.options), leave_out=("seed", "holdout", "refit")),
        *closing_sections({}, command),
    ]
    files = {
        "figures.json": figures_json(result, figures, command=command),
        "figures.csv": figures_csv(figures),
        "forecasts.csv": forecasts_csv(result),
    }
    write_folder(folder, "\n\n".join([*notices, *sections]) + "\n", plots, replace=replace, files=files)
    return figures


def summary_lines(figures: Figures) -> list[str]:
    """Return the mean figures of each forecaster as lines of a text table, for the terminal."""
    head = ("", "RMSPE", "lowest", "highest", "of seeds", "WAPE", "bias")
    rows: list[tuple[str, ...]] = [head]
    for row in figures.summary():
        rmspe, spread = row["rmspe"], row["rmspe"]["seed_spread"]
        cells = [f"{rmspe[key]:.4f}" for key in ("mean", "lowest", "highest")]
        cells += ["" if spread is None else f"± {spread:.4f}"]
        cells += [f"{row['wape']['mean']:.4f}", f"{row['bias']['mean']:+.4f}"]
        rows.append((_name(row["forecaster"]), *cells))
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    return [
        "  ".join([row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    ]


def _name(forecaster: str) -> str:
    """Return a forecaster's name in words."""
    return NAMES.get(forecaster, forecaster)


def _summary(result: Backtest, figures: Figures) -> list[str]:
    """Return the section on the means over all windows."""
    ours, best = figures.mean(MODEL, "rmspe"), figures.best_baseline()
    beside = ""
    if best is not None:
        theirs = figures.mean(best, "rmspe")
        words = f"{percent(1 - ours / theirs)} lower" if ours < theirs else f"{percent(ours / theirs - 1)} higher"
        beside = f" The best baseline, {_name(best)}, has {percent(theirs)}: the model's is {words}."
    rows = []
    for row in figures.summary():
        rmspe = row["rmspe"]
        spread = "" if rmspe["seed_spread"] is None else percent(rmspe["seed_spread"])
        lowest, highest = percent(rmspe["lowest"]), percent(rmspe["highest"])
        means = [metric.format(row[key]["mean"]) for key, metric in METRICS.items()]
        rows.append([_name(row["forecaster"]), means[0], f"{lowest} to {highest}", spread, *means[1:]])
    labels = [metric.label for metric in METRICS.values()]
    head = ["mean over the windows", labels[0], "lowest to highest window", "spread of the seeds", *labels[1:]]
    n_windows = len(result.windows)
    return [
        f"**RMSPE {percent(ours)}**, the mean of {n_windows} windows of {result.settings.days} days.{beside}",
        table(head, "l" + "r" * (len(head) - 1), rows),
        definitions(METRICS)
        + "\n- Spread of the seeds: standard deviation of the RMSPE over the seeds, a mean over the windows.",
    ]


def _how(result: Backtest) -> list[str]:
    """Return the section on how the model was judged."""
    settings = result.settings
    lines = [
        f"- Each window has the {settings.days} days after its cutoff. Each fit sees the tables up to the cutoff and "
        "the plan of the window, nothing later.",
        f"- The model was fitted {settings.seeds} times in each window, with the seeds from 0.",
        "- Closed days and days without sales are left out.",
        "- Last year's same weekday is 52 weeks before. Where it is not known, the baseline takes the "
        "weekday-and-promotion mean.",
        "- Each window has the same weight in a mean.",
        f"- The model's forecasts have the objective {settings.options.objective}.",
        "- If options were chosen by these windows, the figures are too good.",
    ]
    lines += [f"- Left out: {_name(name)}. {reason}." for name, reason in result.skipped.items()]
    return ["## How it was judged", "\n".join(lines)]


def _window_table(result: Backtest, figures: Figures) -> str:
    """Return a table of the RMSPE of each forecaster in each window, and the model's WAPE and bias."""
    names = figures.forecasters
    columns = {name: figures.by_window(name, "rmspe") for name in names}
    wape, bias = figures.by_window(MODEL, "wape"), figures.by_window(MODEL, "bias")
    rows = [
        [
            window.cutoff,
            f"{len(window.evaluation.rows):,}",
            *(percent(columns[name][window.cutoff]) for name in names),
            percent(wape[window.cutoff]),
            signed_percent(bias[window.cutoff]),
        ]
        for window in result.windows
    ]
    head = ["cutoff", "rows", *(f"RMSPE, {_name(name)}" for name in names), "WAPE, model", "bias, model"]
    return table(head, "l" + "r" * (len(head) - 1), rows)


def _slice_table(figures: Figures, kind: str) -> str:
    """Return a table of the mean figures by slice of a kind: of the model, and the RMSPE of the other forecasters."""
    others = [name for name in figures.forecasters if name != MODEL]
    head = [kind, "rows", *(f"{metric.label}, model" for metric in METRICS.values())]
    head += [f"RMSPE, {_name(name)}" for name in others]
    rows = []
    for label in figures.labels(kind):
        n_rows = sum(figures.by_window(MODEL, "rows", kind, label).values())
        ours = [metric.format(figures.mean(MODEL, key, kind, label)) for key, metric in METRICS.items()]
        theirs = [percent(figures.mean(name, "rmspe", kind, label)) for name in others]
        rows.append([label, f"{n_rows:,.0f}", *ours, *theirs])
    return table(head, "l" + "r" * (len(head) - 1), rows)


def _slices(figures: Figures) -> list[str]:
    """Return the section on the other kinds of slices."""
    tables = [_slice_table(figures, kind) for kind in figures.kinds() if kind != WEEK]
    return ["## By slice", "Means over the windows that have such rows.", *tables]


def _intervals(figures: Figures) -> list[str]:
    """Return the section on the intervals of the model; empty if it has none."""
    if not figures.has(ALL, INTERVALS[0]):
        return []

    def means(kind: str, label: str) -> dict[str, float]:
        rows = sum(figures.by_window(MODEL, "rows", kind, label).values())
        return {"rows": round(rows), **{name: figures.mean(MODEL, name, kind, label) for name in INTERVALS}}

    overall = {"all days": means(ALL, ALL), "totals of a store and window": means(TOTALS, TOTALS)}
    windows = {}
    for cutoff in figures.by_window(MODEL, INTERVALS[0]):
        values = {name: figures.by_window(MODEL, name)[cutoff] for name in ("rows", *INTERVALS)}
        windows[cutoff] = {**values, "rows": round(values["rows"])}
    kinds = [kind for kind in ("Week of the horizon", "Store type") if kind in figures.kinds()]
    return [
        "## Intervals",
        "Each window is calibrated on the last windows that ended before its cutoff. Some of them are not judged "
        "themselves; they have the seed 0. A window without any has no intervals.",
        interval_table("mean over the windows", overall),
        interval_table("cutoff", windows),
        *(interval_table(kind, {label: means(kind, label) for label in figures.labels(kind)}) for kind in kinds),
    ]


def _new_stores(figures: Figures) -> list[str]:
    """Return the section on stores that were unknown in training; empty if there were none."""
    if not figures.has(NEW):
        return []
    return [
        "## New stores",
        "Stores whose sales no fit has seen. They are forecast from their attributes and their plan. No other table "
        "has them.",
        _slice_table(figures, NEW),
    ]


def _plot_windows(figures: Figures) -> Plot:
    """Return a figure with the RMSPE of each forecaster in each window."""
    plot = Plot(figsize=(10, 4), layout="constrained")
    axes = plot.add_subplot()
    width = 0.8 / len(figures.forecasters)
    for index, name in enumerate(figures.forecasters):
        heights = list(figures.by_window(name, "rmspe").values())
        places = np.arange(len(heights)) + (index - (len(figures.forecasters) - 1) / 2) * width
        axes.bar(places, heights, width=0.9 * width, label=_name(name), color=COLORS[index % len(COLORS)])
    axes.set_xticks(range(len(figures.cutoffs)), figures.cutoffs)
    _finish(plot, xlabel="cutoff")
    return plot


def _plot_weeks(figures: Figures) -> Plot:
    """Return a figure with the mean RMSPE of each forecaster by week of the horizon."""
    plot = Plot(figsize=(10, 4), layout="constrained")
    axes = plot.add_subplot()
    weeks = figures.labels(WEEK)
    for index, name in enumerate(figures.forecasters):
        errors = [figures.mean(name, "rmspe", WEEK, week) for week in weeks]
        axes.plot(weeks, errors, label=_name(name), color=COLORS[index % len(COLORS)], marker="o", linewidth=1.6)
    _finish(plot, xlabel=WEEK.lower())
    return plot


def _finish(plot: Plot, *, xlabel: str) -> None:
    """Add axes from 0, labels and a legend to a figure."""
    (axes,) = plot.axes
    style(axes, "", xlabel=xlabel, ylabel="RMSPE")
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    plot.legend(loc="outside upper center", ncols=4, frameon=False)
