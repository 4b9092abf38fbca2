"""The report on a breed model: a folder with ``report.md`` and its pictures, for a person to judge the model by.

Offline only; the pictures are drawn in ``training.pets.pictures``.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

from runtime.folder import new_folder
from training.learner import History
from training.lr_finder import FoundLR
from training.pets import pictures
from training.pets.card import METRICS, accepted, headline, interval, percent
from training.pets.evaluation import BreedEvaluation, Share
from training.pets.metrics import most_confused
from training.plots import lr_figure, png, training_figure

REPORT = "report.md"
WORST = 12  # mistakes that are shown as photos
CONFUSED = 20  # pairs in the table


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
    """Write a report, whole or not at all.

    Args:
        folder: where it is to appear.
        evaluation: what the model said of photos beside what they show.
        title: its heading.
        photos: opens a photo, upright. It is asked for the worst mistakes alone.
        heatmaps: gives a PNG of a photo with its heatmap for a breed, if the mistakes are to be shown with one.
        history: the training's losses and figures by epoch, if there was one; ``accuracy`` is shown if it is there.
        lr: what the learning-rate finder saw, if it was run.
        command: the command that gives the same again.
        replace: whether a report that is there already may be replaced. A folder that is no report never is.

    Returns:
        The folder.

    Raises:
        FolderError: if ``folder`` is there already and may not be replaced.
    """
    plots = {
        "breeds.png": (pictures.plot_breeds(evaluation), "Accuracy by breed with 95 % intervals"),
        "calibration.png": (pictures.plot_calibration(evaluation), "Accuracy by confidence, before and after"),
        "abstention.png": (pictures.plot_abstention(evaluation), "Accuracy of the accepted photos by coverage"),
    }
    if mistakes := evaluation.mistakes():
        shown = mistakes[:WORST]
        plots["confusion.png"] = pictures.plot_confusion(evaluation), "Confusion matrix"
        plots["worst.png"] = pictures.plot_worst(evaluation, shown, photos, heatmaps), "The worst mistakes"
    if history is not None and history.epochs:
        figure = training_figure(history, loss="cross entropy", metric="accuracy", label="accuracy", from_zero=False)
        plots["training.png"] = figure, "Loss, learning rate and accuracy of the holdout in training"
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
    """``report.md``."""
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
        "## How it was judged",
        f"- On {figures['photos']:,} photos that the network was not trained on: the middle of each, without "
        "augmentation, as a client's photo is seen.\n"
        + (
            f"- Breeds without such a photo, so that nothing is known about them: {', '.join(without)}.\n"
            * bool(without)
        )
        + "- Intervals are Wilson's at 95 %. That of the mean over breeds is wide where breeds have few photos.\n"
        "- If options were chosen by these figures, the figures flatter.",
        "## Mistakes",
    ]
    if mistakes:
        heat = " beside each where the network looked for the breed it said," if overlaid else ""
        parts += [
            f"{len(mistakes):,} of {len(evaluation):,} photos. The {min(WORST, len(mistakes))} in which the true breed "
            f"had the lowest probability,{heat} what was said and what it is:",
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
        f"Of the photos whose breed has a probability of 0.9, nine of ten should be right. Logits are divided by the "
        f"temperature {evaluation.temperature:.3f}, which was found on other photos.",
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
        parts += ["## The same again", f"```\n{command}\n```"]
    return "\n\n".join(filter(None, parts)) + "\n"


def _confused(evaluation: BreedEvaluation) -> str:
    """The pairs confused at least twice, most first."""
    pairs = most_confused(evaluation.confusion)
    if not pairs:
        return "No two breeds were confused more than once."
    names, photos = [name for name, _ in evaluation.classes], evaluation.confusion.sum(axis=1)
    lines = ["Confused more than once:\n", "| breed | said to be | photos | of |", "|---|---|---:|---:|"]
    lines += [f"| {names[i]} | {names[j]} | {count:,} | {photos[i]:,} |" for i, j, count in pairs[:CONFUSED]]
    return "\n".join(lines)


def _species_table(evaluation: BreedEvaluation) -> str:
    """By cat and dog, if known."""
    species = evaluation.species()
    if species is None:
        return ""
    rows = [(f"{share.name}s: the breed is right", share) for share in evaluation.by_species()]
    return _table("species", [*rows, ("all: cat or dog is right", species)])


def _breed_table(shares: Sequence[Share]) -> str:
    """By breed, the lowest accuracy first."""
    ordered = sorted(shares, key=lambda share: (share.accuracy, -share.photos))
    return _table("breed", [(share.name, share) for share in ordered])


def _table(head: str, rows: Sequence[tuple[str, Share]]) -> str:
    lines = [f"| {head} | photos | right | accuracy | 95 % interval |", "|---|---:|---:|---:|---:|"]
    for label, share in rows:
        lines.append(
            f"| {label} | {share.photos:,} | {share.right:,} | {percent(share.accuracy)} | {interval(share.interval)} |"
        )
    return "\n".join(lines)
