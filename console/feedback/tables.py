"""Stored true values as a table to download."""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from console.feedback.stored import Table
from console.storage import Connection

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
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # first characters by which a spreadsheet takes a text for a formula


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
    yield _line(columns)
    for row in rows:
        if kind == "sales":
            row["store"] = json.loads(row["store"])
        yield _line([_safe(row[column]) for column in columns])


def _safe(value: Any) -> Any:
    """Return a value that no spreadsheet runs as a formula: such a text gets an apostrophe in front."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _line(values: Any) -> str:
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerow(values)
    return file.getvalue()
