"""Write the report on a breed model: a folder with ``report.md`` and its pictures.

`training.pets.pictures` draws the pictures.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

from runtime.folder import new_folder
from training.history import History
from training.lr_finder import FoundLR
from training.pets import pictures
from training.pets.card import METRICS, accepted, headline, interval, percent
from training.pets.evaluation import BreedEvaluation, Share
from training.pets.metrics import most_confused
from training.plots import lr_figure, png, training_figure

REPORT = "report.md"
WORST = 12  # number of mistakes shown as photos
CONFUSED = 20  # number of pairs in the table


def write_report(
    folder: Path,
    evaluation: BreedEvaluation,
    *,
    title: str,
    photos: Callable[[Path], Image.Image],
    heatmaps: Callable[[Path, str], bytes] | None = None,
    history: History | None = None,
    lr: FoundLR | None = None,
    command: str | None = None,
    replace: bool = True,
) -> Path:
    """Write a report in an atomic write.

    Args:
        folder: folder of the report.
        evaluation: outputs of the model for labelled photos.
        title: heading of the report.
        photos: function that opens a photo, upright. It is called for the worst mistakes alone.
        heatmaps: function that returns a PNG of a photo with its heatmap for a breed; None for no heatmaps.
        history: losses and metrics of the training by epoch; ``accuracy`` is plotted if present.
        lr: result of the learning-rate finder.
        command: command that writes the same report again.
        replace: replace an existing report. A folder that is not a report is never replaced.

    Returns:
        The folder.

    Raises:
        FolderError: if ``folder`` exists and may not be replaced.
    """
    plots = {
        "breeds.png": (pictures.plot_breeds(evaluation), "Accuracy by breed with 95 % intervals"),
        "calibration.png": (
            pictures.plot_calibration(evaluation),
            "Accuracy by confidence, before and after temperature scaling",
        ),
        "abstention.png": (pictures.plot_abstention(evaluation), "Accuracy of the accepted photos by coverage"),
    }
    if mistakes := evaluation.mistakes():
        shown = mistakes[:WORST]
        plots["confusion.png"] = pictures.plot_confusion(evaluation), "Confusion matrix"
        plots["worst.png"] = pictures.plot_worst(evaluation, shown, photos, heatmaps), "The worst mistakes"
    if history is not None and history.epochs:
        figure = training_figure(history, loss="cross entropy", metric="accuracy", label="accuracy", from_zero=False)
        plots["training.png"] = figure, "Loss, learning rate and accuracy on the holdout during training"
    if lr is not None:
        plots["lr_find.png"] = lr_figure(lr), "Loss against learning rate"
    text = _text(evaluation, title, plots, command, overlaid=heatmaps is not None)
    with new_folder(folder, replace=replace and (folder / REPORT).is_file()) as part:
        for name, (figure, _) in plots.items():
            (part / name).write_bytes(png(figure))
        (part / REPORT).write_text(text, encoding="utf-8")
    return folder


def _text(
    evaluation: BreedEvaluation,
    title: str,
    plots: dict[str, tuple[Figure, str]],
    command: str | None,
    *,
    overlaid: bool,
) -> str:
    """Return the text of ``report.md``."""
    figures, mistakes = evaluation.metrics(), evaluation.mistakes()
    images = {name: f"![{words}]({name})" for name, (_, words) in plots.items()}
    without = evaluation.without_photos()
    parts = [
        f"# {title}",
        f"**Accuracy {percent(figures['accuracy'])}** ({interval(figures['accuracy_interval'])}) on "
        f"{figures['photos']:,} photos, **{percent(figures['mean_over_breeds'])}** "
        f"({interval(figures['mean_over_breeds_interval'])}) averaged over {figures['breeds']} breeds.",
        headline(figures),
        "\n".join(f"- {label}: {meaning}." for label, _, meaning in METRICS.values()),
        "## How it was evaluated",
        f"- On {figures['photos']:,} photos that the network was not trained on. It sees the middle of each, without "
        "augmentation, as in serving.\n"
        + (f"- Breeds without such a photo, about which nothing is known: {', '.join(without)}.\n" * bool(without))
        + "- Intervals are Wilson's at 95 %. The interval of the mean over breeds is wide if breeds have few photos.\n"
        "- If options were chosen by these figures, the figures are too good.",
        "## Mistakes",
    ]
    if mistakes:
        heat = " each beside the heatmap of the predicted breed," if overlaid else ""
        parts += [
            f"{len(mistakes):,} of {len(evaluation):,} photos. The {min(WORST, len(mistakes))} mistakes with the "
            f"lowest probability of the true breed,{heat} with predicted and true breed:",
            images["worst.png"],
            _confused(evaluation),
            images["confusion.png"],
        ]
    else:
        parts += [f"None in {len(evaluation):,} photos."]
    parts += [
        "## By breed and species",
        images["breeds.png"],
        _species_table(evaluation),
        _breed_table(evaluation.by_breed()),
        "## Calibration",
        f"Of the photos with a probability of 0.9, nine of ten should be right. Logits are divided by the temperature "
        f"{evaluation.temperature:.3f}, which was fitted to other photos.",
        images["calibration.png"],
        "## Accept or review",
        accepted(figures, evaluation.threshold),
        images["abstention.png"],
    ]
    if "training.png" in images:
        parts += ["## Training", images["training.png"]]
    if "lr_find.png" in images:
        parts += ["## Learning-rate finder", images["lr_find.png"]]
    if command is not None:
        parts += ["## How to write this report again", f"```\n{command}\n```"]
    return "\n\n".join(filter(None, parts)) + "\n"


def _confused(evaluation: BreedEvaluation) -> str:
    """Return a table of the pairs confused at least twice, most frequent first."""
    pairs = most_confused(evaluation.confusion)
    if not pairs:
        return "No two breeds were confused more than once."
    names, photos = [name for name, _ in evaluation.classes], evaluation.confusion.sum(axis=1)
    lines = ["Confused more than once:\n", "| breed | predicted | photos | of |", "|---|---|---:|---:|"]
    lines += [f"| {names[i]} | {names[j]} | {count:,} | {photos[i]:,} |" for i, j, count in pairs[:CONFUSED]]
    return "\n".join(lines)


def _species_table(evaluation: BreedEvaluation) -> str:
    """Return a table of the accuracy by species; empty if no species is known."""
    species = evaluation.species()
    if species is None:
        return ""
    rows = [(f"{share.name}s: the breed is right", share) for share in evaluation.by_species()]
    return _table("species", [*rows, ("all: cat or dog is right", species)])


def _breed_table(shares: Sequence[Share]) -> str:
    """Return a table of the accuracy by breed, the lowest first."""
    ordered = sorted(shares, key=lambda share: (share.accuracy, -share.photos))
    return _table("breed", [(share.name, share) for share in ordered])


def _table(head: str, rows: Sequence[tuple[str, Share]]) -> str:
    lines = [f"| {head} | photos | right | accuracy | 95 % interval |", "|---|---:|---:|---:|---:|"]
    for label, share in rows:
        lines.append(
            f"| {label} | {share.photos:,} | {share.right:,} | {percent(share.accuracy)} | {interval(share.interval)} |"
        )
    return "\n".join(lines)
