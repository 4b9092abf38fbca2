"""Tables and sentences with a model's figures, for its card and its report."""

from collections.abc import Mapping
from typing import Any

from runtime.shares import wilson
from training.cards import Metric, percent, table


def share(value: float) -> str:
    """Return a share in percent with one decimal.

    >>> share(0.96619)
    '96.6 %'
    """
    return percent(value, decimals=1)


def interval(ends: tuple[float, float] | list[float]) -> str:
    """Format a range of shares in percent.

    >>> interval((0.94188, 0.98061))
    '94.2 to 98.1 %'
    """
    low, high = ends
    return f"{100 * low:.1f} to {100 * high:.1f} %"


# By the names of Evaluation.metrics().
METRICS: Mapping[str, Metric] = {
    "accuracy": Metric("Accuracy", share, "share of photos whose predicted breed is right"),
    "mean_over_breeds": Metric(
        "Mean over breeds",
        share,
        "mean of the breeds' accuracies, so that a breed with few photos counts as much as any other",
    ),
    "top_5": Metric("Top 5", share, "share of photos whose breed is among the five most probable"),
    "ece": Metric(
        "Calibration error",
        "{:.4f}".format,
        "mean distance between the probability and the share of right answers (ECE, 15 bins)",
    ),
    "nll": Metric("NLL", "{:.4f}".format, "mean negative logarithm of the true breed's probability"),
}


def headline(metrics: Mapping[str, Any]) -> str:
    """Return the metrics as a Markdown table.

    Args:
        metrics: result of ``Evaluation.metrics``.
    """
    rows = []
    for key, (label, written, _) in METRICS.items():
        ends, before = metrics.get(f"{key}_interval"), metrics.get(f"{key}_uncalibrated")
        rows.append([label, written(metrics[key]), interval(ends) if ends else "", written(before) if before else ""])
    return table(["", "model", "95 % interval", "before temperature scaling"], "lrrr", rows)


def accepted(metrics: Mapping[str, Any], threshold: float) -> str:
    """Return a sentence on the photos that the threshold accepts."""
    if not metrics["accepted"]:
        return f"At the threshold of {threshold:.3f} no photo of the test is accepted."
    accepted_share, right = share(metrics["accepted"]), share(metrics["accepted_accuracy"])
    return (
        f"At the threshold of {threshold:.3f}, {accepted_share} of the test photos are accepted, of which {right} "
        f"are right ({interval(metrics['accepted_accuracy_interval'])})."
    )


# By the names of Evaluation.metrics(), for photos as they are beside shifted copies.
_SHIFT_ROWS: Mapping[str, tuple[str, bool]] = {
    "accuracy": ("Accuracy", True),
    "mean_over_breeds": ("Mean over breeds", True),
    "ece": ("Calibration error", False),
    "accepted": ("Accepted", False),
    "accepted_accuracy": ("Right among the accepted", True),
    "unlike_training": ("Counted as unlike the training photos", False),
}


def under_shift(left_out: Mapping[str, Any]) -> str:
    """Return a table of the figures of photos left out, as they are and as shifted copies.

    Args:
        left_out: result of ``training.pets.train.left_out_metrics``.
    """
    rows = []
    for key, (label, has_interval) in _SHIFT_ROWS.items():
        cells = [label]
        for part in (left_out["plain"], left_out["shifted"]):
            value = part[key]
            text = "none" if value is None else f"{value:.3f}" if key == "ece" else share(value)
            if has_interval and value is not None:
                text += f" ({interval(part[f'{key}_interval'])})"
            cells.append(text)
        rows.append(cells)
    return table(["training photos, each left out of a fit", "as they are", "shifted copies"], "lrr", rows)


def by_breed(left_out: Mapping[str, Any], counts: Mapping[str, int]) -> str:
    """Return a table of the breeds with the shares of right photos, the lowest under shift first.

    Args:
        left_out: result of ``training.pets.train.left_out_metrics``.
        counts: number of training photos by breed.
    """
    plain, shifted = left_out["plain"]["by_breed"], left_out["shifted"]["by_breed"]
    copies = left_out["shifted"]["copies"]

    def cell(part: Mapping[str, int], versions: int) -> str:
        right, photos = part["right"], part["photos"]
        return f"{share(right / photos)} ({interval(wilson(right / versions, photos / versions))})"

    rows = [
        [name, f"{counts[name]:,}", cell(plain[name], 1), cell(shifted[name], copies)]
        for name in sorted(shifted, key=lambda name: shifted[name]["right"] / shifted[name]["photos"])
    ]
    return table(["breed", "training photos", "right, as they are", "right, shifted copies"], "lrrr", rows)


def unknown_photos(metrics: Mapping[str, Any]) -> str:
    """Return a paragraph on photos that are unlike the training photos; empty if nothing was measured."""
    sentences = []
    breeds = metrics.get("left_out", {}).get("unknown_breeds")
    if breeds:
        low, high = breeds["interval"]
        sentences.append(
            f"Breeds that were left out of a fit have a lower largest logit than the others: AUROC "
            f"{breeds['auroc']:.3f} ({low:.3f} to {high:.3f} in draws of the breeds that are left out). Where 5 % of "
            f"the photos of known breeds are flagged, {share(breeds['flagged'])} of theirs are"
            + (f"; at the bundle's threshold, {share(breeds['noticed'])}." if breeds["noticed"] is not None else ".")
        )
    pictures = metrics.get("unlike_pictures")
    if pictures:
        low, high = pictures["auroc_interval"]
        sentences.append(
            f"Of {pictures['pictures']:,} pictures that show none of the breeds, {share(pictures['noticed'])} "
            f"({interval(pictures['noticed_interval'])}) are noticed: AUROC {pictures['auroc']:.3f} "
            f"({low:.3f} to {high:.3f})."
        )
    return " ".join(sentences)
