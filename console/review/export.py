"""Answers of reviewers as a table, with the way in which each was given."""

from collections.abc import Iterator

from console.storage import Connection, Row
from runtime.csv_lines import csv_line
from schemas.feedback.claims import PetsClaims
from schemas.review.times import utc

COLUMNS = (
    *("case", "model", "version", "answered_at", "reason", "propensity", "prediction", "probability", "decision"),
    *("opinion", "reviewer", "reviewed_at", "seconds", "how", "verdict", "breed", "right", "state", "note"),
)
_PAGE = 1_000


def table(connection: Connection, since: float, until: float) -> Iterator[str]:
    """Yield the lines of a CSV table: a row for each answer, oldest first.

    Args:
        connection: a transaction.
        since: first time of an answer, seconds since 1970.
        until: time before which the answers were given.
    """
    yield csv_line(COLUMNS)
    last: tuple[float, str, int] = (since, "", 0)
    while True:
        answers = connection.execute(
            "SELECT a.*, c.model, c.version, c.answered_at, c.reason, c.propensity, c.claims, c.state "
            "FROM review_answers a JOIN review_cases c ON c.id = a.case_id "
            "WHERE a.at < ? AND (a.at > ? OR (a.at = ? AND (a.case_id > ? OR (a.case_id = ? AND a.opinion > ?)))) "
            "ORDER BY a.at, a.case_id, a.opinion LIMIT ?",
            (until, last[0], last[0], last[1], last[1], last[2], _PAGE),
        ).fetchall()
        for row in answers:
            yield csv_line(_cells(row))
        if len(answers) < _PAGE:
            return
        last = answers[-1]["at"], answers[-1]["case_id"], answers[-1]["opinion"]


def _cells(row: Row) -> Iterator[object]:
    claims = PetsClaims.model_validate_json(row["claims"]) if row["claims"] else None  # empty if erased
    yield from (row["case_id"], row["model"], row["version"], utc(row["answered_at"]), row["reason"], row["propensity"])
    yield from (claims.breed, claims.probability, claims.decision) if claims else ("", "", "")
    yield from (row["opinion"], row["who"], utc(row["at"]), round(row["seconds"], 1), row["how"], row["verdict"])
    yield row["breed"]
    yield "" if claims is None or row["verdict"] == "cant_tell" else int(row["breed"] == claims.breed)
    yield from (row["state"], row["note"])
