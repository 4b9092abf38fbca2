"""Storage of true values: counted once each, replaced by later ones, deleted on request.

The statements have names of tables and columns from this program only.
"""

import time
from collections import Counter as Tally
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal

from console.storage import Connection, Row
from schemas.feedback.answer import Outcome

Table = Literal["feedback_sales", "feedback_pets"]
TABLES: tuple[Table, ...] = ("feedback_sales", "feedback_pets")
VALUES: Final[Mapping[Table, tuple[str, ...]]] = {  # columns of the truth; the others are the answer's
    "feedback_sales": ("sales",),
    "feedback_pets": ("truth", "true_breed", "is_right", "why", "note"),
}
_REVISION: Final = ("id", "revision", "value", "received", "client")
_AT_ONCE: Final = 500  # ids in a statement


class Recorder:
    """Recorder of true values within one transaction. `save` writes them all, with few statements."""

    def __init__(self, connection: Connection, table: Table, client: str, ids: Iterable[str]) -> None:
        """Set up, and read the values that are known.

        Args:
            connection: connection of the transaction.
            table: the table.
            client: name of the client that sends the values.
            ids: ids of the values that `record` will get.
        """
        self._connection, self._table, self._client = connection, table, client
        self._now = int(time.time())
        self._counts: Tally[tuple[str, str, str]] = Tally()
        self._new: list[Row] = []
        self._earlier: list[tuple[Any, ...]] = []
        self._changed: list[Row] = []
        self._known = self._read([*dict.fromkeys(ids)])

    def _read(self, ids: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        columns = ", ".join(("id", *VALUES[self._table], "revision", "received", "client"))
        known: dict[str, Mapping[str, Any]] = {}
        for first in range(0, len(ids), _AT_ONCE):
            some = ids[first : first + _AT_ONCE]
            statement = f"SELECT {columns} FROM {self._table} WHERE id IN ({_marks(some)})"  # noqa: S608
            known.update({row["id"]: row for row in self._connection.execute(statement, some)})
        return known

    def record(self, source: str, row: Mapping[str, Any]) -> tuple[Outcome, int]:
        """Take a true value with its answer; return the outcome and the number of the revision.

        Args:
            source: source of the answer, to count by.
            row: the columns, without those of this sending: received, revision and client.
        """
        outcome, revision = self._take(row)
        self._counts[row["model"], source, outcome] += 1
        return outcome, revision

    def _take(self, row: Mapping[str, Any]) -> tuple[Outcome, int]:
        columns, known = VALUES[self._table], self._known.get(row["id"])
        if known is not None and all(known[name] == row[name] for name in columns):
            return "unchanged", known["revision"]
        revision = 1 if known is None else known["revision"] + 1
        new = {**row, "received": self._now, "client": self._client, "revision": revision}
        self._known[row["id"]] = new
        if known is None:
            self._new.append(new)
            return "counted", revision
        value = " ".join(str(known[name]) for name in columns if known[name] is not None)
        self._earlier.append((row["id"], known["revision"], value, known["received"], known["client"]))
        self._changed.append(new)
        return "replaced", revision

    def save(self) -> None:
        """Write the values, and add their outcomes to the numbers of values ever received."""
        if self._new:
            names = [*self._new[0]]
            statement = f"INSERT INTO {self._table} ({', '.join(names)}) VALUES ({_marks(names)})"  # noqa: S608
            self._connection.execute_many(statement, [[*row.values()] for row in self._new])
        if self._changed:
            statement = f"INSERT INTO feedback_revisions ({', '.join(_REVISION)}) VALUES ({_marks(_REVISION)})"  # noqa: S608
            self._connection.execute_many(statement, self._earlier)
            # A recomputed forecast is that of the model that is served now, so that all columns may change.
            changes = ", ".join(f"{name} = ?" for name in self._changed[0])
            statement = f"UPDATE {self._table} SET {changes} WHERE id = ?"  # noqa: S608
            self._connection.execute_many(statement, [[*row.values(), row["id"]] for row in self._changed])
        for (model, source, outcome), number in self._counts.items():
            add_count(self._connection, model, source, outcome, number)


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))


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
