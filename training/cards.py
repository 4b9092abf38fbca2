"""Pieces of Markdown that the model cards and reports of all models share."""

import re
import textwrap
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from training.options import TrainingOptions, declarations


class Metric(NamedTuple):
    """Presentation of a figure.

    Attributes:
        label: heading of its column or row.
        format: function that writes a value.
        meaning: definition in a few words.
    """

    label: str
    format: Callable[[float], str]
    meaning: str


def percent(value: float, decimals: int = 2) -> str:
    """Return a share in per cent.

    >>> percent(0.10763), percent(0.96619, decimals=1)
    ('10.76 %', '96.6 %')
    """
    return f"{100 * value:.{decimals}f} %"


def signed_percent(value: float) -> str:
    """Return a share in per cent with its sign.

    >>> signed_percent(0.005), signed_percent(-0.1)
    ('+0.50 %', '-10.00 %')
    """
    return f"{100 * value:+.2f} %"


def definitions(metrics: Mapping[str, Metric], *, bold: bool = False) -> str:
    """Return a list of the figures with their meanings."""
    mark = "**" if bold else ""
    return "\n".join(f"- {mark}{metric.label}{mark}: {metric.meaning}." for metric in metrics.values())


def table(head: Iterable[str], alignment: str, rows: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table.

    Args:
        head: headings of the columns.
        alignment: a letter for each column, ``l`` for left or ``r`` for right.
        rows: cells of each row.

    >>> print(table(["breed", "photos"], "lr", [["beagle", "12"]]))
    | breed | photos |
    |---|---:|
    | beagle | 12 |
    """
    rule = "|".join("---:" if letter == "r" else "---" for letter in alignment)
    lines = [" | ".join(cells) for cells in (head, *rows)]
    return "\n".join([f"| {lines[0]} |", f"|{rule}|", *(f"| {line} |" for line in lines[1:])])


def option_list(options: type[TrainingOptions], training: Mapping[str, Any], leave_out: tuple[str, ...] = ()) -> str:
    """Return a list of training options with their values and meanings; options that are None are left out.

    Args:
        options: the dataclass that declares them.
        training: the manifest's ``training``, with the values by the options' names.
        leave_out: names of options that the card states elsewhere.
    """
    return "\n".join(
        f"- `{declared.name}` {_option(training[declared.name])}: {declared.help}"
        for declared in declarations(options)
        if declared.name not in leave_out and training.get(declared.name) is not None
    )


def _option(value: Any) -> str:
    """Return an option's value as the command line takes it; a manifest that was read has lists for tuples."""
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def wrapped(text: str, width: int = 119) -> str:
    """Fill the lines of each paragraph and list item; headings and tables stay as they are."""
    return "\n\n".join(_wrapped_block(block, width) for block in text.split("\n\n"))


def _wrapped_block(block: str, width: int) -> str:
    if block.startswith(("#", "|")):
        return block
    items = re.split(r"\n(?=- )", block)
    indent = "  " if block.startswith("- ") else ""
    wrapper = textwrap.TextWrapper(width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return "\n".join(wrapper.fill(" ".join(item.split())) for item in items)
