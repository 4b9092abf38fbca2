"""Write the report on a breed model: a folder with ``report.md`` and its pictures.

`training.pets.pictures` draws the pictures.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from training.cards import definitions, table
from training.loop.history import History
from training.loop.lr_finder import FoundLR
from training.pets import pictures
from training.pets.card.figures import METRICS, accepted, headline, interval, share, under_shift, unknown_photos
from training.pets.evaluation import Evaluation, Share
from training.pets.metrics import most_confused
from training.reports import Plots, closing_sections, images, training_plots, write_folder

WORST = 12  # number of mistakes shown as photos
CONFUSED = 20  # number of pairs in the table


def write_report(
    folder: Path,
    evaluation: Evaluation,
    *,
    title: str,
    photos: Callable[[Path], Image.Image],
    heatmaps: Callable[[Path, str], bytes] | None = None,
    history: History | None = None,
    lr: FoundLR | None = None,
    command: str | None = None,
    left_out: Mapping[str, Any] | None = None,
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
        left_out: result of ``training.pets.train.left_out_metrics``; None after an evaluation without training.
        replace: replace an existing report. A folder that is not a report is never replaced.

    Returns:
        The folder.

    Raises:
        FolderError: if ``folder`` exists and may not be replaced.
    """
    plots: Plots = {
        "breeds.png": (pictures.plot_breeds(evaluation), "Accuracy by breed with 95 % intervals"),
        "calibration.png": (
            pictures.plot_calibration(evaluation),
            "Accuracy by confidence, before and after temperature scaling",
        ),
        "abstention.png": (pictures.plot_abstention(evaluation), "Accuracy of the accepted photos by coverage"),
    }
    if mistakes := evaluation.mistakes():
        worst = mistakes[:WORST]
        plots["confusion.png"] = pictures.plot_confusion(evaluation), "Confusion matrix"
        plots["worst.png"] = pictures.plot_worst(evaluation, worst, photos, heatmaps), "The worst mistakes"
    plots |= training_plots(history, lr, loss="cross entropy", metric="accuracy", label="accuracy", from_zero=False)
    text = _text(evaluation, title, plots, command, left_out, overlaid=heatmaps is not None)
    return write_folder(folder, text, plots, replace=replace)


def _text(
    evaluation: Evaluation,
    title: str,
    plots: Plots,
    command: str | None,
    left_out: Mapping[str, Any] | None,
    *,
    overlaid: bool,
) -> str:
    """Return the text of ``report.md``."""
    shown = images(plots)
    sections = [
        f"# {title}",
        *_figures(evaluation),
        *_mistakes(evaluation, shown, overlaid=overlaid),
        "## By breed and species",
        shown["breeds.png"],
        _species_table(evaluation),
        _breed_table(evaluation.by_breed()),
        "## Calibration",
        f"Of the photos with a probability of 0.9, nine of ten should be right. Logits are divided by the temperature "
        f"{evaluation.temperature:.3f}, which was fitted to other photos.",
        shown["calibration.png"],
        "## Accept or review",
        accepted(evaluation.metrics(), evaluation.threshold),
        shown["abstention.png"],
        *_beyond(evaluation, left_out),
        *closing_sections(shown, command),
    ]
    return "\n\n".join(filter(None, sections)) + "\n"


def _figures(evaluation: Evaluation) -> list[str]:
    """Return the sections on the figures and on how the model was evaluated."""
    figures, without = evaluation.metrics(), evaluation.without_photos()
    unknown = f"- Breeds without such a photo, about which nothing is known: {', '.join(without)}.\n"
    return [
        f"**Accuracy {share(figures['accuracy'])}** ({interval(figures['accuracy_interval'])}) on "
        f"{figures['photos']:,} photos, **{share(figures['mean_over_breeds'])}** "
        f"({interval(figures['mean_over_breeds_interval'])}) averaged over {figures['breeds']} breeds.",
        headline(figures),
        definitions(METRICS),
        "## How it was evaluated",
        f"- On {figures['photos']:,} photos that the network was not trained on. It sees the middle of each, without "
        "augmentation, as in serving.\n"
        + unknown
        * bool(without)
        + "- Intervals are Wilson's at 95 %. The interval of the mean over breeds is wide if breeds have few photos.\n"
        "- If options were chosen by these figures, the figures are too good.",
    ]


def _beyond(evaluation: Evaluation, left_out: Mapping[str, Any] | None) -> list[str]:
    """Return the sections on shifted copies and on unknown photos, as far as they were measured."""
    sections = []
    if left_out is not None:
        sections += ["## Under shift", under_shift(left_out)]
    unknown = unknown_photos({**evaluation.metrics(), "left_out": left_out or {}})
    if unknown:
        sections += ["## Unknown photos", unknown]
    return sections


def _mistakes(evaluation: Evaluation, shown: Mapping[str, str], *, overlaid: bool) -> list[str]:
    """Return the section on mistakes; ``overlaid`` if the photos have heatmaps beside them."""
    mistakes = evaluation.mistakes()
    if not mistakes:
        return ["## Mistakes", f"None in {len(evaluation):,} photos."]
    heatmaps = " each beside the heatmap of the predicted breed," if overlaid else ""
    return [
        "## Mistakes",
        f"{len(mistakes):,} of {len(evaluation):,} photos. The {min(WORST, len(mistakes))} mistakes with the lowest "
        f"probability of the true breed,{heatmaps} with predicted and true breed:",
        shown["worst.png"],
        _confused(evaluation),
        shown["confusion.png"],
    ]


def _confused(evaluation: Evaluation) -> str:
    """Return a table of the pairs confused at least twice, most frequent first."""
    pairs = most_confused(evaluation.confusion)
    if not pairs:
        return "No two breeds were confused more than once."
    names, photos = [name for name, _ in evaluation.classes], evaluation.confusion.sum(axis=1)
    rows = [[names[i], names[j], f"{count:,}", f"{photos[i]:,}"] for i, j, count in pairs[:CONFUSED]]
    return "Confused more than once:\n\n" + table(["breed", "predicted", "photos", "of"], "llrr", rows)


def _species_table(evaluation: Evaluation) -> str:
    """Return a table of the accuracy by species; empty if no species is known."""
    species = evaluation.species()
    if species is None:
        return ""
    rows = [(f"{group.name}s: the breed is right", group) for group in evaluation.by_species()]
    return _shares_table("species", [*rows, ("all: cat or dog is right", species)])


def _breed_table(shares: Sequence[Share]) -> str:
    """Return a table of the accuracy by breed, the lowest first."""
    ordered = sorted(shares, key=lambda group: (group.accuracy, -group.photos))
    return _shares_table("breed", [(group.name, group) for group in ordered])


def _shares_table(head: str, shares: Sequence[tuple[str, Share]]) -> str:
    """Return a table of groups of photos with their accuracies."""
    rows = [
        [label, f"{group.photos:,}", f"{group.right:,}", share(group.accuracy), interval(group.interval)]
        for label, group in shares
    ]
    return table([head, "photos", "right", "accuracy", "95 % interval"], "lrrrr", rows)
