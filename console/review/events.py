"""Steps of cases and appeals with time and name, in a table to which rows are only added."""

from console.review.states import Action, State
from console.storage import Connection, Row

CONSOLE = "console"  # name of the console itself in events


def record(
    connection: Connection, subject: str, action: Action, state: State, *, who: str, now: float, detail: str = ""
) -> None:
    """Add a step.

    Args:
        connection: transaction that also changes the state.
        subject: id of the case or appeal.
        action: the step.
        state: state after it.
        who: name of the client, or CONSOLE.
        now: seconds since 1970.
        detail: words or ids that belong to the step.
    """
    connection.execute(
        "INSERT INTO review_events (subject, number, at, who, action, state, detail) "
        "SELECT ?, COALESCE(MAX(number), 0) + 1, ?, ?, ?, ?, ? FROM review_events WHERE subject = ?",
        (subject, now, who, action, state, detail, subject),
    )


def steps(connection: Connection, subject: str) -> list[Row]:
    """Return the steps of a case or an appeal, oldest first."""
    return connection.execute("SELECT * FROM review_events WHERE subject = ? ORDER BY number", (subject,)).fetchall()
