"""Markdown tables for the terminal."""

from collections.abc import Iterable


def table_row(first: str, cells: Iterable[str]) -> str:
    """Return a row of a Markdown table.

    >>> table_row("map", ["deletion", "insertion"])
    '| map | deletion | insertion |'
    """
    return f"| {' | '.join([first, *cells])} |"
