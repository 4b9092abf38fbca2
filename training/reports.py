"""Parts of a training report that all models share: the folder, the plots of the training, the closing sections."""

from collections.abc import Mapping
from pathlib import Path

from matplotlib.figure import Figure

from runtime.folder import new_folder
from training.loop.history import History
from training.loop.lr_finder import FoundLR
from training.plots import lr_figure, png, training_figure

REPORT = "report.md"

Plots = dict[str, tuple[Figure, str]]
"""Figures with their alternative texts, by file name."""


def training_plots(
    history: History | None, lr: FoundLR | None, *, loss: str, metric: str, label: str, from_zero: bool
) -> Plots:
    """Return the plots of a training, as far as its history and learning-rate finder are known.

    Args:
        history: losses, learning rates and figures by epoch.
        lr: result of the learning-rate finder.
        loss: name of the loss, such as "cross entropy".
        metric: name of the figure in each epoch's ``metrics``.
        label: name of that figure in the report.
        from_zero: start the figure's axis at 0, as is right for errors.
    """
    plots: Plots = {}
    if history is not None and history.epochs:
        figure = training_figure(history, loss=loss, metric=metric, label=label, from_zero=from_zero)
        plots["training.png"] = figure, f"Loss, learning rate and {label} of the holdout in training"
    if lr is not None:
        plots["lr_find.png"] = lr_figure(lr), "Loss against learning rate"
    return plots


def images(plots: Plots) -> dict[str, str]:
    """Return the Markdown that shows each plot, by file name."""
    return {name: f"![{text}]({name})" for name, (_, text) in plots.items()}


def closing_sections(shown: Mapping[str, str], command: str | None) -> list[str]:
    """Return the sections on the training and on the command that made the report, as far as they are known."""
    sections: list[str] = []
    if "training.png" in shown:
        sections += ["## Training", shown["training.png"]]
    if "lr_find.png" in shown:
        sections += ["## Learning-rate finder", shown["lr_find.png"]]
    if command is not None:
        sections += ["## The same again", f"```\n{command}\n```"]
    return sections


def write_folder(
    folder: Path, text: str, plots: Plots, *, replace: bool, files: Mapping[str, str] | None = None
) -> Path:
    """Write ``report.md``, its plots and further files atomically.

    Args:
        folder: folder of the report.
        text: content of ``report.md``.
        plots: figures to draw.
        replace: allow an existing report to be replaced. A folder without a report is never replaced.
        files: texts of further files, by name.

    Returns:
        The folder.

    Raises:
        FolderError: if the folder exists and must not be replaced.
    """
    with new_folder(folder, replace=replace and (folder / REPORT).is_file()) as part:
        for name, (figure, _) in plots.items():
            (part / name).write_bytes(png(figure))
        for name, content in {**(files or {}), REPORT: text}.items():
            (part / name).write_text(content, encoding="utf-8")
    return folder
