"""Storage of true values: counted once each, replaced by later ones, deleted on request.

The statements have names of tables and columns from this program only.
"""

import time
from collections import Counter as Tally
from collections.abc import Mapping
from typing import Any, Final, Literal

from console.storage import Connection
from schemas.feedback.answer import Outcome

Table = Literal["feedback_sales", "feedback_pets"]
TABLES: tuple[Table, ...] = ("feedback_sales", "feedback_pets")
VALUES: Final[Mapping[Table, tuple[str, ...]]] = {  # columns of the truth; the others are the answer's
    "feedback_sales": ("sales",),
    "feedback_pets": ("truth", "true_breed", "is_right", "why", "note"),
}


class Recorder:
    """Recorder of true values within one transaction."""

    def __init__(self, connection: Connection, client: str) -> None:
        """Set up.

        Args:
            connection: connection of the transaction.
            client: name of the client that sends the values.
        """
        self._connection, self._client = connection, client
        self._now = int(time.time())
        self._counts: Tally[tuple[str, str, str]] = Tally()

    def record(self, table: Table, source: str, row: Mapping[str, Any]) -> tuple[Outcome, int]:
        """Store a true value with its answer; return the outcome and the number of the revision.

        Args:
            table: the table.
            source: source of the answer, to count by.
            row: the columns, without those of this sending: received, revision and client.
        """
        outcome, revision = self._store(table, row)
        self._counts[row["model"], source, outcome] += 1
        return outcome, revision

    def _store(self, table: Table, row: Mapping[str, Any]) -> tuple[Outcome, int]:
        columns = VALUES[table]
        known = self._connection.execute(
            f"SELECT {', '.join(columns)}, revision, received, client FROM {table} WHERE id = ?",  # noqa: S608
            (row["id"],),
        ).fetchone()
        sent = {"received": self._now, "client": self._client}
        if known is None:
            new = {**row, **sent, "revision": 1}
            names, marks = ", ".join(new), ", ".join("?" * len(new))
            self._connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", [*new.values()])  # noqa: S608
            return "counted", 1
        if all(known[name] == row[name] for name in columns):
            return "unchanged", known["revision"]
        earlier = " ".join(str(known[name]) for name in columns if known[name] is not None)
        self._connection.execute(
            "INSERT INTO feedback_revisions (id, revision, value, received, client) VALUES (?, ?, ?, ?, ?)",
            (row["id"], known["revision"], earlier, known["received"], known["client"]),
        )
        revision = known["revision"] + 1
        # A recomputed forecast is that of the model that is served now, so that all columns may change.
        new = {**row, **sent, "revision": revision}
        changes = ", ".join(f"{name} = ?" for name in new)
        statement = f"UPDATE {table} SET {changes} WHERE id = ?"  # noqa: S608
        self._connection.execute(statement, [*new.values(), row["id"]])
        return "replaced", revision

    def save_counts(self) -> None:
        """Add the outcomes of this transaction to the numbers of values ever received."""
        for (model, source, outcome), number in self._counts.items():
            add_count(self._connection, model, source, outcome, number)


def add_count(connection: Connection, model: str, source: str, outcome: str, number: int) -> None:
    """Add to a number of values ever received."""
    connection.execute(
        "INSERT INTO feedback_counts (model, source, outcome, number) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (model, source, outcome) DO UPDATE SET number = feedback_counts.number + excluded.number",
        (model, source, outcome, number),
    )


def delete(connection: Connection, name: str, client: str | None) -> int:
    """Delete the values under an id with their answers and revisions; return their number.

    Args:
        connection: connection of the transaction.
        name: id of a value, or of a receipt with all of its values; not empty.
        client: delete only values that this client alone sent; None to delete those of all clients.
    """
    deleted = 0
    for table in TABLES:
        rows = connection.execute(
            f"SELECT id, client FROM {table} WHERE id = ? OR receipt = ?",  # noqa: S608
            (name, name),
        ).fetchall()
        for row in rows:
            others = connection.execute(
                "SELECT 1 FROM feedback_revisions WHERE id = ? AND client <> ?", (row["id"], client or "")
            ).fetchone()
            # Otherwise a client could replace the value of another, and then delete it as its own.
            if client is None or (client == row["client"] and others is None):
                connection.execute("DELETE FROM feedback_revisions WHERE id = ?", (row["id"],))
                connection.execute(f"DELETE FROM {table} WHERE id = ?", (row["id"],))  # noqa: S608
                deleted += 1
    return deleted
