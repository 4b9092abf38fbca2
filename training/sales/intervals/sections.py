"""Markdown on intervals and objectives, for reports and model cards."""

from collections.abc import Mapping
from typing import Any

from training.cards import percent, signed_percent, table

_HEAD = ("rows", "80 % covers", "90 % covers", "80 % width", "90 % width", "pinball loss")
_KEYS = ("coverage_80", "coverage_90", "width_80", "width_90", "pinball")

INTERVAL_WORDS = (
    "- Covers: share of the sales that lie in the interval.\n"
    "- Width: sum of the intervals' widths over the sum of the sales.\n"
    "- Pinball loss: weighted quantile loss (wQL) of the 5, 10, 50, 90 and 95 % quantiles."
)


def interval_sections(figures: Mapping[str, Any]) -> list[str]:
    """Return the sections on intervals and objectives.

    Args:
        figures: figures as `interval_figures` returns them.
    """
    windows, factors, judged = figures["windows"], figures["factors"], figures["judged"]
    source = (
        f"Intervals, quantiles and objectives follow from the errors of {len(windows)} past windows, after "
        f"{', '.join(windows)}. Each was forecast by a fit that saw only the sales before it."
    )
    objectives = (
        "An objective multiplies the median forecast by a factor: "
        + ", ".join(f"{name} {factor:.4f}" for name, factor in factors.items())
        + "."
    )
    if judged is None:
        alone = "With one window, nobody has checked how many sales the intervals cover: expect deviations."
        return ["## Intervals", source, alone, objectives]
    bias = ", ".join(f"{signed_percent(value)} with the objective {name}" for name, value in judged["bias"].items())
    return [
        "## Intervals",
        f"{source} Each window is judged by the errors of the others.",
        interval_table("", {"all days": judged["all"], "totals of a store and window": judged["totals"]}),
        INTERVAL_WORDS,
        interval_table("Week of the horizon", judged["by_week"]),
        interval_table("Store type", judged["by_store_type"]),
        interval_table("Window after", judged["by_window"]),
        f"{objectives} The totals of all forecasts are off by {bias}.",
    ]


def interval_table(name: str, parts: Mapping[str, Mapping[str, float]]) -> str:
    """Return a table of coverage, width and pinball loss by label of one kind of slice."""
    rows = [[label, f"{part['rows']:,}", *(percent(part[key]) for key in _KEYS)] for label, part in parts.items()]
    return table([name, *_HEAD], "l" + "r" * len(_HEAD), rows)
