"""Colours and style of all plots, and the plots of a training.

Only matplotlib's Figure is used, which draws on an Agg canvas: no window, no global state.
"""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from runtime.folder import write_file
from training.loop.history import History
from training.loop.lr_finder import FoundLR

# Okabe and Ito's colours, which are distinct for colour-blind people.
BLUE, ORANGE, SKY, PALE, GREY, BLACK = "#0072B2", "#D55E00", "#56B4E9", "#E3F2FB", "#8C8C8C", "#222222"
Floats = NDArray[np.floating]


def training_figure(history: History, *, loss: str, metric: str, label: str, from_zero: bool) -> Figure:
    """Return a figure with loss and learning rate by step, and the metric after each epoch.

    Args:
        history: history of the training.
        loss: name of the loss, such as "cross entropy".
        metric: name of the share in each epoch's ``metrics``; epochs without it are left out.
        label: name of the share in the figure.
        from_zero: start the share's axis at 0, as is right for errors.
    """
    epochs = [epoch for epoch in history.epochs if metric in epoch.metrics]
    steps = np.arange(1, len(history.losses) + 1) * len(history.epochs) / len(history.losses)
    figure = Figure(figsize=(10, 4), layout="constrained")
    grid = figure.add_gridspec(2, 2 if epochs else 1, height_ratios=(2, 1))
    losses = figure.add_subplot(grid[0, 0])
    losses.plot(steps, history.losses, color=SKY, alpha=0.5, linewidth=0.6, label="each batch")
    losses.plot(steps, smooth(history.losses), color=BLUE, linewidth=1.8, label="moving average")
    losses.set_yscale("log")
    losses.tick_params(labelbottom=False)
    losses.legend(frameon=False)
    style(losses, "Training loss", ylabel=loss)
    rate = figure.add_subplot(grid[1, 0], sharex=losses)
    rate.plot(steps, history.lrs, color=BLACK, linewidth=1.4)
    style(rate, "", xlabel="epoch", ylabel="learning rate")
    if epochs:
        shares = [epoch.metrics[metric] for epoch in epochs]
        last = epochs[-1].number, shares[-1]
        axes = figure.add_subplot(grid[:, 1])
        axes.plot([epoch.number for epoch in epochs], shares, color=ORANGE, marker="o", linewidth=1.8)
        words = f"{100 * shares[-1]:.2f} %"
        axes.annotate(words, last, (4, 8), textcoords="offset points", ha="right", color=ORANGE)
        axes.margins(y=0.1)  # space for the last figure
        if from_zero:
            axes.set_ylim(0, 1.1 * max(shares))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.yaxis.set_major_formatter(PercentFormatter(1))
        style(axes, "Holdout after each epoch", xlabel="epoch", ylabel=label)
    return figure


def lr_figure(found: FoundLR) -> Figure:
    """Return a figure with the loss by learning rate and the suggested rate."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(found.lrs, found.losses, color=BLUE, linewidth=1.8)
    at = found.suggestion, float(np.interp(found.suggestion, found.lrs, found.losses))
    axes.plot(*at, color=ORANGE, marker="o")
    words = f"suggested: {found.suggestion:.2g}"
    axes.annotate(words, at, (8, 8), textcoords="offset points", color=ORANGE, fontweight="bold")
    axes.set_xscale("log")
    style(axes, "Learning-rate finder", xlabel="learning rate", ylabel="training loss, smoothed")
    return figure


def plot_lr(found: FoundLR, file: Path) -> None:
    """Write a PNG file with the losses of a learning-rate finder, atomically."""
    write_file(file, png(lr_figure(found)))


def style(axes: Axes, title: str, *, xlabel: str = "", ylabel: str = "") -> None:
    """Style axes: title on the left, a light grid behind the data, no box around it."""
    axes.set_title(title, loc="left", fontsize=10, fontweight="bold")
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.grid(color="#DDDDDD", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def smooth(losses: Sequence[float]) -> Floats:
    """Return the moving average over a fiftieth of the steps, fewer at the ends."""
    window = np.ones(max(len(losses) // 50, 1))
    return np.convolve(losses, window, "same") / np.convolve(np.ones(len(losses)), window, "same")


def png(figure: Figure) -> bytes:
    """Return a figure as the content of a PNG file."""
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=120)
    return content.getvalue()
