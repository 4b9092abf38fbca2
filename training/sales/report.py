"""Report on a sales model: a folder with ``report.md`` and its plots.

``training.plots`` and ``training.reports`` have the parts that all models share.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from sales.columns.column import Mode
from training.cards import definitions, percent, signed_percent, table
from training.loop.history import History
from training.loop.lr_finder import FoundLR
from training.plots import BLACK, GREY, ORANGE, PALE, SKY, Floats, style
from training.reports import Plots, closing_sections, images, training_plots, write_folder
from training.sales.baselines import shortfall
from training.sales.card import BASELINES, LOOKS_AHEAD, METRICS, SYNTHETIC, headline
from training.sales.evaluation import WEEK, WEEKDAYS, Evaluation, HoldoutError
from training.sales.intervals.sections import INTERVAL_WORDS, interval_sections, interval_table
from training.sales.metrics import rmspe

WORST = 10  # number of store-days in the table of the largest errors
SMALL: Mapping[str, Any] = {"fontsize": 8, "va": "center", "color": BLACK}


def write_report(
    folder: Path,
    evaluation: Evaluation,
    *,
    title: str,
    history: History | None = None,
    lr: FoundLR | None = None,
    stores: Sequence[int | str] | None = None,
    synthetic: bool = False,
    mode: Mode = "production",
    intervals: Mapping[str, Any] | None = None,
    command: str | None = None,
    replace: bool = True,
) -> Path:
    """Write a report atomically.

    Args:
        folder: folder of the report.
        evaluation: forecasts beside the actual sales.
        title: heading of the report.
        history: losses and figures by epoch, if the model was trained just now.
        lr: result of the learning-rate finder, if it was run.
        stores: ids of the stores whose forecasts are plotted; if None, the best, the median and the worst by RMSPE.
        synthetic: True if the tables are made up, which the report then says first.
        mode: mode of the model. Parity mode looks ahead, which the report then says first.
        intervals: figures of intervals, as `interval_figures` returns them, if there are any.
        command: command that makes the same report again.
        replace: allow an existing report to be replaced. A folder without a report is never replaced.

    Returns:
        The folder.

    Raises:
        HoldoutError: if one of ``stores`` sold nothing on the days of the evaluation.
        FolderError: if the folder exists and must not be replaced.
    """
    chosen = _default_stores(evaluation) if stores is None else [_index_of(evaluation, store) for store in stores]
    plots: Plots = {
        "forecasts.png": (_plot_forecasts(evaluation, chosen), "Actual and forecast sales of some stores"),
        "slices.png": (_plot_slices(evaluation), "RMSPE by slice"),
        **training_plots(history, lr, loss="squared error of log sales", metric="rmspe", label="RMSPE", from_zero=True),
    }
    notices = [f"> {SYNTHETIC}"] * synthetic + [f"> {LOOKS_AHEAD}"] * (mode == "parity")
    sections = [
        f"# {title}",
        *_figures(evaluation),
        *_forecasts(evaluation, images(plots)),
        *_served_intervals(evaluation),
        *([] if intervals is None else interval_sections(intervals)),
        *closing_sections(images(plots), command),
    ]
    return write_folder(folder, "\n\n".join([*notices, *sections]) + "\n", plots, replace=replace)


def _figures(evaluation: Evaluation) -> list[str]:
    """Return the sections on the figures and on how the model was evaluated."""
    figures, rows = evaluation.metrics(), evaluation.rows
    days = int(rows.day.max() - rows.day.min()) + 1
    compared = _beside_mean(figures) + _beside_last_year(figures)
    return [
        f"**RMSPE {percent(figures['rmspe'])}** over {figures['rows']:,} store-days.{compared}",
        *([f"> **Caution: {worse}.**"] if (worse := shortfall(figures)) else []),
        headline(figures),
        definitions(METRICS),
        "## How it was judged",
        f"- On {len(np.unique(rows.store)):,} stores from {figures['from']} to {figures['to']} ({days} days). Of the "
        f"sales, the model knew those up to {evaluation.date(evaluation.cutoff)}.\n"
        "- Closed days and days without sales are left out.\n"
        "- Open days, promotions and holidays are taken as the tables have them, because a plan is known beforehand.\n"
        f"- {BASELINES}\n"
        + "".join(f"- Not judged: {count:,} store-days on {reason}.\n" for reason, count in evaluation.skipped.items())
        + "- If options were chosen by these figures, the figures are too good.",
    ]


def _beside_mean(figures: Mapping[str, Any]) -> str:
    """Return a sentence that compares the model with the weekday-and-promotion mean; empty if that is not known."""
    mean = figures.get("weekday_promotion_mean")
    if mean is None or not mean["rmspe"] > 0:
        return ""
    lower = 1 - figures["rmspe"] / mean["rmspe"]
    return f" The weekday-and-promotion mean has {percent(mean['rmspe'])}: the model's is {_compared(lower)}."


def _beside_last_year(figures: Mapping[str, Any]) -> str:
    """Return a sentence that compares the model with last year's same weekday; empty if that is not known."""
    naive = figures.get("last_year_same_weekday")
    if naive is None or not naive["rmspe"] > 0:
        return ""
    ours = figures["where_last_year_is_known"]["rmspe"]
    return (
        f" Where the same weekday of last year is known, that has {percent(naive['rmspe'])} and the model "
        f"{percent(ours)}: {_compared(1 - ours / naive['rmspe'])}."
    )


def _forecasts(evaluation: Evaluation, shown: Mapping[str, str]) -> list[str]:
    """Return the sections on forecasts of some stores, the worst store-days and the error by slice."""
    return [
        "## Forecasts",
        "Closed days are gaps; days with a promotion are shaded.",
        shown["forecasts.png"],
        f"The {WORST} store-days with the highest percentage errors:",
        _worst(evaluation),
        "## Error by slice",
        shown["slices.png"],
        *(_slice_table(name, figures_by_label) for name, figures_by_label in evaluation.slices().items()),
    ]


def _served_intervals(evaluation: Evaluation) -> list[str]:
    """Return the section on the intervals of the evaluated forecasts; empty if they have none."""
    figures, slices = evaluation.metrics(), evaluation.interval_slices()
    if not slices:
        return []
    overall = {"all days": figures["served_intervals"], "totals of a store": figures["served_totals"]}
    kinds = (WEEK, "Store type")
    return [
        "## Intervals",
        INTERVAL_WORDS,
        interval_table("", overall),
        *(interval_table(kind, slices[kind]) for kind in kinds),
    ]


def _compared(lower: float) -> str:
    """Return a relative difference in words."""
    return f"{percent(lower)} lower" if lower >= 0 else f"{percent(-lower)} higher"


def _slice_table(name: str, parts: Mapping[str, Mapping[str, float]]) -> str:
    """Return a table of the figures by label of one kind of slice."""
    head = [name, "rows", *(metric.label for metric in METRICS.values())]
    rows = [
        [label, f"{part['rows']:,}", *(metric.format(part[key]) for key, metric in METRICS.items())]
        for label, part in parts.items()
    ]
    return table(head, "l" + "r" * (len(head) - 1), rows)


def _worst(evaluation: Evaluation) -> str:
    """Return a table of the store-days with the largest percentage errors."""
    rows, stores = evaluation.rows, evaluation.panel.store_ids
    error = evaluation.forecast / rows.sales - 1
    cells = []
    for row in np.argsort(-np.abs(error), kind="stable")[:WORST]:
        day = evaluation.date(int(rows.day[row]))
        sales, forecast = f"{rows.sales[row]:,.0f}", f"{evaluation.forecast[row]:,.0f}"
        store, weekday = str(stores[rows.store[row]]), WEEKDAYS[day.weekday()][2:]
        cells.append([store, str(day), weekday, sales, forecast, signed_percent(error[row])])
    return table(["store", "date", "weekday", "actual", "forecast", "error"], "rllrrr", cells)


def _store_rmspe(evaluation: Evaluation, store: int) -> float:
    """Return the RMSPE of one store, an index into the panel."""
    at = evaluation.rows.store == store
    return rmspe(evaluation.rows.sales[at], evaluation.forecast[at])


def _default_stores(evaluation: Evaluation) -> list[int]:
    """Return the best, the median and the worst store by RMSPE, as indices into the panel."""
    present = np.unique(evaluation.rows.store)
    order = present[np.argsort([_store_rmspe(evaluation, store) for store in present], kind="stable")]
    return [int(order[i]) for i in sorted({0, len(order) // 2, len(order) - 1})]


def _index_of(evaluation: Evaluation, store: int | str) -> int:
    """Return a store's index in the panel."""
    ids = [*map(str, evaluation.panel.store_ids)]
    index = ids.index(str(store)) if str(store) in ids else -1
    if index not in evaluation.rows.store:
        known = [ids[i] for i in np.unique(evaluation.rows.store)]
        shown = ", ".join(known[:10]) + (", ..." if len(known) > 10 else "")
        raise HoldoutError(f"store {store} sold nothing on the days judged; choose among {shown}")
    return index


def _plot_forecasts(evaluation: Evaluation, stores: Sequence[int]) -> Figure:
    """Return a figure with the actual and forecast sales of each store."""
    rows, panel = evaluation.rows, evaluation.panel
    days = np.arange(rows.day.min(), rows.day.max() + 1)
    dates = [evaluation.date(int(day)) for day in days]
    lines: Sequence[tuple[str, Floats, str, float]] = (
        ("last year's same weekday", evaluation.last_year(), GREY, 0.8),
        ("actual", rows.sales, BLACK, 1.6),
        ("forecast", evaluation.forecast, ORANGE, 1.6),
    )
    figure = Figure(figsize=(10, 0.9 + 2.2 * len(stores)), layout="constrained")
    panels = figure.subplots(len(stores), 1, sharex=True, squeeze=False)[:, 0]
    for axes, store in zip(panels, stores, strict=True):
        at = rows.store == store
        axes.bar(
            dates,
            panel.calendar.promo[store, days],
            width=1,
            color=PALE,
            label="promotion",
            transform=axes.get_xaxis_transform(),
        )
        for label, values, color, width in lines:
            sales = np.full(len(days), np.nan)  # a gap where nothing was sold
            sales[rows.day[at] - days[0]] = values[at]
            axes.plot(dates, sales, label=label, color=color, linewidth=width, marker="o", markersize=2 * width)
        name = f"Store {panel.store_ids[store]}, RMSPE {percent(_store_rmspe(evaluation, store))}"
        style(axes, name, ylabel="sales a day")
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_formatter("{x:,.0f}")
    mondays = [date for date in dates if date.weekday() == 0]
    ticks = mondays[:: len(mondays) // 10 + 1] if len(dates) > 7 else dates
    panels[-1].set_xticks(ticks, [f"{date:%a %d %b}" for date in ticks])
    panels[-1].set_xlabel(f"{dates[0]} to {dates[-1]}")
    legend = {label: handle for axes in panels for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.legend(legend.values(), legend.keys(), loc="outside upper center", ncols=len(legend), frameon=False)
    return figure


def _plot_slices(evaluation: Evaluation) -> Figure:
    """Return a figure with the RMSPE by slice: a panel for each kind, in two columns, all bars about equally thick."""
    overall, slices = rmspe(evaluation.rows.sales, evaluation.forecast), evaluation.slices()
    widest = max(part["rmspe"] for parts in slices.values() for part in parts.values())
    heights = {name: len(parts) + 1.6 for name, parts in slices.items()}  # in bars; title and gap take 1.6
    columns: tuple[list[str], list[str]] = [], []
    for name in sorted(slices, key=heights.__getitem__, reverse=True):
        min(columns, key=lambda column: sum(heights[name] for name in column)).append(name)
    tallest = max(sum(heights[name] for name in column) for column in columns)
    figure = Figure(figsize=(10, 0.8 + 0.25 * tallest), layout="constrained")
    halves = figure.add_gridspec(1, 2, wspace=0.03)
    for half, column in enumerate(columns):
        panels = figure.add_subfigure(halves[0, half]).subplots(
            len(column), 1, sharex=True, squeeze=False, height_ratios=[len(slices[name]) for name in column]
        )[:, 0]
        for axes, name in zip(panels, column, strict=True):
            parts = slices[name]
            axes.barh(list(parts), [part["rmspe"] for part in parts.values()], height=0.7, color=SKY)
            for bar, part in enumerate(parts.values()):
                axes.text(0.79, bar, percent(part["rmspe"]), transform=axes.get_yaxis_transform(), ha="right", **SMALL)
                axes.text(1.0, bar, f"{part['rows']:,} rows", transform=axes.get_yaxis_transform(), ha="right", **SMALL)
            axes.axvline(overall, color=BLACK, linewidth=1.2, linestyle="--")
            axes.set(xlim=(0, 1.6 * widest), ylim=(len(parts) - 0.4, -0.6))
            style(axes, name)
            axes.grid(axis="y", visible=False)
            axes.tick_params(axis="y", length=0)
        panels[-1].xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        ticks = MaxNLocator(5, steps=[1, 2, 5, 10]).tick_values(0, widest)
        panels[-1].set_xticks([tick for tick in ticks if tick <= widest])
        panels[-1].set_xlabel(f"RMSPE; dashed: all rows, {percent(overall)}")
    return figure
