"""Stored true values as a table to download."""

import json
from collections.abc import Iterator, Mapping
from typing import Final

from console.feedback.stored import Table
from console.storage import Connection
from runtime.csv_lines import csv_line

COLUMNS: Final[Mapping[str, tuple[Table, tuple[str, ...]]]] = {  # table and columns by kind of model
    "sales": (
        "feedback_sales",
        (
            *("id", "model", "version", "source", "item", "store", "date", "ahead", "objective", "forecast"),
            *("quantiles", "slice", "sales", "answered", "received", "revision", "client"),
        ),
    ),
    "pets": (
        "feedback_pets",
        (
            *("id", "model", "version", "breed", "species", "probability", "decision", "review_reason"),
            *("review_share", "truth", "true_breed", "is_right", "why", "note", "answered", "received"),
            *("revision", "client"),
        ),
    ),
}


def as_csv(connection: Connection, kind: str, name: str, since: int, until: int) -> Iterator[str]:
    """Yield the lines of a table with the true values of a model that were received within a time.

    Args:
        connection: connection of the transaction.
        kind: kind of the model.
        name: name of the model.
        since: first second.
        until: first second after the last.
    """
    table, columns = COLUMNS[kind]
    rows = connection.execute(
        f"SELECT {', '.join(columns)} FROM {table} "  # noqa: S608 - names of the program
        "WHERE model = ? AND received >= ? AND received < ? ORDER BY received, id",
        (name, since, until),
    )
    yield csv_line(columns)
    for row in rows:
        if kind == "sales":
            row["store"] = json.loads(row["store"])
        yield csv_line(row[column] for column in columns)
