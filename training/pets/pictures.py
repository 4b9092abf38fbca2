"""Pictures for the report on a breed model. Each function draws a figure from a ``Evaluation``."""

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator, PercentFormatter
from PIL import Image

from runtime.shares import wilson
from training.pets.calibration import expected_calibration_error, reliability, softmax
from training.pets.card.figures import share
from training.pets.evaluation import Evaluation, Mistake, Share
from training.pets.metrics import Floats
from training.plots import BLACK, BLUE, GREY, ORANGE, PALE, SKY, style

FULL = 40  # largest number of classes of which the confusion matrix shows all
SIDE = 360  # side of a photo among the mistakes, pixels


def plot_confusion(evaluation: Evaluation) -> Figure:
    """Draw the confusion matrix: true breed in rows, predicted breed in columns, right blue, mistakes orange.

    The number is the number of photos, the shade its share of the row. Rows without photos are left out. With more than
    40 classes only those with mistakes are shown.
    """
    matrix = evaluation.confusion
    mistakes = matrix * ~np.eye(len(matrix), dtype=bool)
    among = np.ones(len(matrix), bool) if len(matrix) <= FULL else (mistakes.sum(axis=0) + mistakes.sum(axis=1)) > 0
    rows, columns = np.flatnonzero(among & (matrix.sum(axis=1) > 0)), np.flatnonzero(among)
    row_share = matrix[rows] / matrix[rows].sum(axis=1, keepdims=True)
    figure = Figure(figsize=(2.8 + 0.25 * len(columns), 2.6 + 0.25 * len(rows)), layout="compressed")
    axes = figure.add_subplot()
    right = rows[:, None] == columns
    for color, where in ((BLUE, right), (ORANGE, ~right)):
        shades = LinearSegmentedColormap.from_list("", ["white", color])
        shown = np.ma.masked_where(~where | (matrix[np.ix_(rows, columns)] == 0), 0.15 + 0.85 * row_share[:, columns])
        axes.imshow(shown, cmap=shades, vmin=0, vmax=1, aspect="equal")
    for y, row in enumerate(rows):
        for x, column in enumerate(columns):
            if count := matrix[row, column]:
                ink = "white" if row_share[y, column] > 0.5 else BLACK
                axes.text(x, y, str(count), ha="center", va="center", fontsize=7, color=ink)
    names = [name for name, _ in evaluation.classes]
    axes.set_xticks(range(len(columns)), [names[i] for i in columns], rotation=90, fontsize=8)
    axes.set_yticks(range(len(rows)), [names[i] for i in rows], fontsize=8)
    axes.set_xticks(np.arange(len(columns) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(rows) + 1) - 0.5, minor=True)
    style(axes, "Photos by true and predicted breed", xlabel="predicted", ylabel="true")
    axes.grid(visible=False)
    axes.grid(which="minor", color="#EEEEEE", linewidth=0.6)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    return figure


def plot_worst(
    evaluation: Evaluation,
    mistakes: Sequence[Mistake],
    photos: Callable[[Path], Image.Image],
    heatmaps: Callable[[Path, str], bytes] | None,
) -> Figure:
    """Draw photos of mistakes with the predicted and the true breed, each beside its heatmap if there is one.

    Args:
        evaluation: evaluation that the mistakes belong to.
        mistakes: mistakes to draw.
        photos: function that opens a photo, upright.
        heatmaps: function that returns a PNG of a photo with its heatmap for a breed, or None for no heatmaps.
    """
    width, columns = (2, 3) if heatmaps else (1, 4)
    columns = min(columns, len(mistakes))
    rows = -(-len(mistakes) // columns)
    figure = Figure(figsize=(2.6 * columns * (1.4 if heatmaps else 1), 2.6 * rows), layout="constrained")
    for axes, mistake in zip(figure.subplots(rows, columns, squeeze=False).flat, mistakes, strict=False):
        file = evaluation.files[mistake.photo]
        tiles = [photos(file)]
        if heatmaps:
            tiles.append(Image.open(io.BytesIO(heatmaps(file, mistake.predicted))))
        axes.imshow(_side_by_side(tiles, width))
        axes.set_title(
            f"predicted {mistake.predicted} {share(mistake.predicted_probability)}\ntrue {mistake.actual} "
            f"{share(mistake.actual_probability)}",
            loc="left",
            fontsize=8,
        )
        axes.set_xlabel(file.name, fontsize=6, color=GREY, loc="left")
    for axes in figure.axes:
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    return figure


def plot_calibration(evaluation: Evaluation) -> Figure:
    """Draw reliability diagrams before and after temperature scaling, with a histogram of the confidence below."""
    figure = Figure(figsize=(10, 5.4), layout="constrained")
    grid = figure.add_gridspec(2, 2, height_ratios=(3, 1))
    panels = (
        ("Before", softmax(evaluation.logits)),
        (f"At temperature {evaluation.temperature:.3f}", evaluation.probabilities),
    )
    for column, (name, probabilities) in enumerate(panels):
        axes, below = figure.add_subplot(grid[0, column]), figure.add_subplot(grid[1, column])
        bins = reliability(probabilities, evaluation.labels)
        filled = np.flatnonzero(bins.photos)
        right = bins.accuracy[filled] * bins.photos[filled]
        ends = np.array([wilson(*pair) for pair in zip(right, bins.photos[filled], strict=True)]).T
        confidence, accuracy = bins.confidence[filled], bins.accuracy[filled]
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle="--", label="calibrated")
        axes.errorbar(
            confidence,
            accuracy,
            np.abs(ends - accuracy),
            color=BLUE,
            ecolor=SKY,
            marker="o",
            linewidth=1.2,
            clip_on=False,
            label="photos of a bin, 95 % interval",
        )
        axes.legend(frameon=False, loc="best", fontsize=8)
        error = expected_calibration_error(probabilities, evaluation.labels)
        style(axes, f"{name}: calibration error {error:.4f}", ylabel="right")
        below.bar(
            (np.arange(len(bins.photos)) + 0.5) / len(bins.photos), bins.photos, 0.9 / len(bins.photos), color=SKY
        )
        below.set_yscale("log")
        below.set_ylim(0.7, 2 * len(evaluation))
        style(below, "", xlabel="confidence", ylabel="photos")
        for panel in (axes, below):
            panel.set_xlim(0, 1.02)
            panel.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.set_ylim(0, 1.04)
        axes.tick_params(labelbottom=False)
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    return figure


def plot_abstention(evaluation: Evaluation) -> Figure:
    """Draw the accuracy of the accepted photos over their share of all photos, with the threshold marked."""
    curve, chosen = evaluation.abstention(), evaluation.accepted
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    pairs = zip(curve.right.tolist(), curve.accepted.tolist(), strict=True)
    low, high = np.array([wilson(right, photos) for right, photos in pairs]).T
    axes.fill_between(curve.coverage, low, high, color=PALE, label="95 % interval")
    axes.plot(curve.coverage, curve.accuracy, color=BLUE, linewidth=1.8, label="accuracy of the accepted")
    if chosen.photos:
        point = chosen.photos / len(evaluation), chosen.accuracy
        axes.plot(*point, color=ORANGE, marker="o", markersize=8)
        words = f"threshold {evaluation.threshold:.3f}:\n{share(point[0])} accepted, {share(point[1])} right"
        axes.annotate(words, point, (-8, -14), textcoords="offset points", ha="right", va="top", color=ORANGE)
    lowest = float(curve.accuracy[curve.coverage > 0.05].min(initial=1))
    axes.set(xlim=(0, 1.01), ylim=(max(0, 1 - 2.5 * (1 - min(lowest, low[0]))), 1.005))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1))
    axes.legend(frameon=False, loc="lower right", fontsize=8)
    style(axes, "Accept or review", xlabel="photos accepted", ylabel="right")
    return figure


def plot_breeds(evaluation: Evaluation) -> Figure:
    """Draw accuracies with intervals: by species, and by breed with the lowest first."""
    species = evaluation.by_species()
    breeds = sorted(evaluation.by_breed(), key=lambda breed: (breed.accuracy, -breed.photos))
    groups = [group for group in (species, breeds) if group]
    heights = [len(group) + 1.5 for group in groups]
    figure = Figure(figsize=(8, 0.8 + 0.22 * sum(heights)), layout="constrained")
    panels = figure.subplots(len(groups), 1, height_ratios=heights, sharex=True, squeeze=False)[:, 0]
    titles = ["By breed, the lowest first"] if len(groups) == 1 else ["By species", "By breed, the lowest first"]
    for axes, group, title in zip(panels, groups, titles, strict=True):
        _intervals(axes, group)
        axes.axvline(evaluation.all.accuracy, color=BLACK, linewidth=1, linestyle="--", zorder=1)
        style(axes, title)
        axes.tick_params(axis="y", length=0, labelsize=8)
        axes.grid(axis="y", visible=False)
    panels[-1].set(xlim=(0, 1.01))
    panels[-1].xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    panels[-1].xaxis.set_major_locator(MultipleLocator(0.1))
    panels[-1].set_xlabel(f"right, with Wilson's 95 % interval; dashed: all photos, {share(evaluation.all.accuracy)}")
    return figure


def _intervals(axes: Axes, shares: Sequence[Share]) -> None:
    """Draw a row for each share: the interval as a bar, the share as a dot, the number of photos at the right."""
    small: dict[str, Any] = {"fontsize": 8, "va": "center", "ha": "left", "color": BLACK}
    for row, group in enumerate(shares):
        low, high = group.interval
        axes.barh(row, high - low, left=low, height=0.5, color=SKY)
        axes.text(1.01, row, f"{group.right:,} of {group.photos:,}", transform=axes.get_yaxis_transform(), **small)
    axes.plot([group.accuracy for group in shares], range(len(shares)), "o", color=BLUE, markersize=5, clip_on=False)
    axes.set_yticks(range(len(shares)), [group.name for group in shares])
    axes.set_ylim(len(shares) - 0.4, -0.6)


def _side_by_side(tiles: Sequence[Image.Image], width: int) -> Floats:
    """Return pictures side by side, each scaled into a white square: ``[SIDE, width * SIDE, 3]``, 0 to 1."""
    canvas = Image.new("RGB", (width * SIDE, SIDE), "white")
    for column, tile in enumerate(tiles):
        scale = (SIDE - 8) / max(tile.size)
        size = max(round(tile.width * scale), 1), max(round(tile.height * scale), 1)
        canvas.paste(tile.convert("RGB").resize(size), (column * SIDE + (SIDE - size[0]) // 2, (SIDE - size[1]) // 2))
    return np.asarray(canvas) / 255
