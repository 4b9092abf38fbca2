"""Rows of cases and appeals as answers of the API: each person sees what they may see."""

from collections.abc import Sequence
from typing import Any

from console.review import appeals, events, queue
from console.storage import Connection, Row
from schemas.feedback.claims import PetsClaims
from schemas.review.appeals import Appeal, AppealList, AppealSummary, FiledAppeal, ReviewedAppeal, Step
from schemas.review.cases import Candidate, Case, Opinion, ShownPrediction
from schemas.review.times import utc


def case(connection: Connection, row: Row, who: str, *, classes: Sequence[str], has_photo: bool) -> Case:
    """Return a case for a reviewer, who holds it or has answered.

    Before the answer, a blind case has no prediction, and no case has the answers of others.
    """
    answered = queue.has_answered(connection, row["id"], who)
    blind = queue.how(row) == "blind"
    return Case(
        id=row["id"],
        model=row["model"],
        version=row["version"],
        reason=row["reason"],
        propensity=row["propensity"],
        state=row["state"],
        since=utc(row["answered_at"]),
        blind=blind,
        lease_until=utc(row["leased_until"]) if row["leased_by"] == who else None,
        photo=f"/review/{row['id']}/photo" if has_photo else None,
        classes=sorted(classes),
        prediction=None if blind and not answered else prediction(row["claims"]),
        opinions=[opinion(given) for given in queue.opinions(connection, row["id"])] if answered else [],
    )


def prediction(claims: str) -> ShownPrediction | None:
    """Return the model's answer from stored claims; None if they are erased."""
    if not claims:
        return None
    found = PetsClaims.model_validate_json(claims)
    top = [Candidate(breed, probability) for breed, probability in found.top]
    return ShownPrediction(found.breed, found.probability, found.known, top)


def opinion(row: Row) -> Opinion:
    """Return a reviewer's answer."""
    return Opinion(
        number=row["opinion"],
        who=row["who"],
        at=utc(row["at"]),
        verdict=row["verdict"],
        breed=row["breed"],
        how=row["how"],
        note=row["note"],
    )


def filed_appeal(connection: Connection, row: Row, now: float, token: str) -> FiledAppeal:
    """Return a new appeal for its sender."""
    return FiledAppeal(**_appeal(connection, row, now, names=False), token=token)


def sent_appeal(connection: Connection, row: Row, now: float) -> Appeal:
    """Return an appeal for its sender, who learns no names of reviewers."""
    return Appeal(**_appeal(connection, row, now, names=False))


def reviewed_appeal(
    connection: Connection, row: Row, who: str, now: float, *, classes: Sequence[str], has_photo: bool
) -> ReviewedAppeal:
    """Return an appeal for a reviewer. The photo is for whoever it is assigned to."""
    is_mine = row["assigned_to"] == who
    answers = connection.execute(
        "SELECT a.* FROM review_answers a JOIN review_cases c ON c.id = a.case_id WHERE c.photo = ? "
        "ORDER BY a.at, a.opinion",
        (row["photo"],),
    )
    return ReviewedAppeal(
        **_appeal(connection, row, now, names=True),
        model=row["model"],
        version=row["version"],
        assigned_to=row["assigned_to"],
        may_decide=appeals.may_decide(connection, row, who),
        photo=f"/appeals/{row['id']}/photo" if has_photo and is_mine else None,
        classes=sorted(classes),
        opinions=[opinion(given) for given in answers] if is_mine else [],
    )


def appeal_list(connection: Connection, who: str, now: float) -> AppealList:
    """Return the appeals that wait, for a reviewer."""
    return AppealList(
        states=appeals.states(connection),
        overdue=appeals.n_overdue(connection, now),
        appeals=[
            AppealSummary(
                case=row["id"],
                state=row["state"],
                due=utc(row["due"]),
                overdue=appeals.is_overdue(row, now),
                model=row["model"],
                assigned_to=row["assigned_to"],
                may_decide=appeals.may_decide(connection, row, who),
            )
            for row in appeals.listed(connection)
        ],
    )


def _appeal(connection: Connection, row: Row, now: float, *, names: bool) -> dict[str, Any]:
    """Return the fields that the sender and the reviewer of an appeal both see.

    Args:
        connection: a transaction.
        row: the appeal.
        now: seconds since 1970.
        names: True to show the names of those who took its steps.
    """
    sender = row["filed_by"] or appeals.SENDER
    return {
        "case": row["id"],
        "state": row["state"],
        "filed": utc(row["filed_at"]),
        "due": utc(row["due"]),
        "overdue": appeals.is_overdue(row, now),
        "claim": row["claim"],
        "breed": row["breed"],
        "prediction": prediction(row["claims"]),
        "decided": None if row["decided_at"] is None else utc(row["decided_at"]),
        "reason": row["reason"],
        "decided_breed": row["decided_breed"],
        "steps": [
            Step(utc(step["at"]), step["action"], step["who"] if names else _role(step["who"], sender))
            for step in events.steps(connection, row["id"])
        ],
    }


def _role(who: str, sender: str) -> str:
    return "sender" if who in (sender, appeals.SENDER) else who if who == events.CONSOLE else "reviewer"
