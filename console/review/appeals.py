"""Appeals: somebody doubts an answer, and a person decides who has not answered about the photo before."""

import hashlib
import hmac
import secrets
from typing import Final

from console.review import events
from console.review.states import APPEALS, UNDECIDED, conflict, forbidden, not_found, step
from console.storage import Connection, Row
from schemas.feedback.claims import PetsClaims
from schemas.problems import ProblemError
from schemas.review.appeals import AppealStep, NewAppeal

SENDER: Final = "sender"  # name in events of a sender without a key
DAY_S: Final = 86_400.0
MOST_LISTED: Final = 100
_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's: no letters that look like digits


def new_number() -> str:
    """Return a case number that people can read out, such as ``a-7k2m-q90x``. It is no secret: the token is."""
    letters = "".join(secrets.choice(_ALPHABET) for _ in range(8))
    return f"a-{letters[:4]}-{letters[4:]}"


def token_of(case: str, key: bytes) -> str:
    """Return the secret that opens an appeal: 256 bits, from the key. Nothing that is stored could open one."""
    return hmac.digest(key, b"shopcat appeal\0" + case.encode(), hashlib.sha256).hex()


def file(
    connection: Connection, given: NewAppeal, claims: PetsClaims, *, who: str | None, due_days: int, now: float
) -> tuple[Row, bool]:
    """Add an appeal.

    Args:
        connection: a transaction.
        given: the appeal as sent.
        claims: claims of its verified receipt.
        who: name of the sender's key; None without a key.
        due_days: number of days within which it should be decided.
        now: seconds since 1970.

    Returns:
        The appeal, and True if it is new. The same receipt with the same words gets the same appeal again, so that a
        sender who got no answer can try again.

    Raises:
        ProblemError: conflict if there is another appeal for the receipt.
    """
    earlier = connection.execute("SELECT * FROM appeals WHERE receipt_id = ?", (claims.id,)).fetchone()
    if earlier is not None:
        if (earlier["claim"], earlier["breed"]) == (given.claim, given.breed) and earlier["state"] != "erased":
            return earlier, False
        raise conflict("there is an appeal against this answer already; its case number and token open it")
    case = new_number()
    connection.execute(
        "INSERT INTO appeals (id, receipt_id, photo, model, version, claims, filed_at, filed_by, due, claim, breed, "
        "state) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(case, claims.id, claims.photo, claims.model, claims.version, claims.model_dump_json(), now, who),
            *(now + due_days * DAY_S, given.claim, given.breed, step(APPEALS, "new", "file")),
        ),
    )
    events.record(connection, case, "file", "open", who=who or SENDER, now=now)
    return find(connection, case), True


def find(connection: Connection, case: str) -> Row:
    """Return an appeal.

    Raises:
        ProblemError: not-found if no appeal has the number.
    """
    row = connection.execute("SELECT * FROM appeals WHERE id = ?", (case,)).fetchone()
    if row is None:
        raise unknown()
    return row


def unknown() -> ProblemError:
    """Return the error for a wrong number, and for a wrong token of a right number: nobody can tell which."""
    return not_found("no appeal has this case number and this token; check both")


def listed(connection: Connection) -> list[Row]:
    """Return the appeals that wait for a decision, in the order of their due dates."""
    return connection.execute(
        f"SELECT * FROM appeals WHERE state IN ('open', 'assigned') ORDER BY due, id LIMIT {MOST_LISTED}"  # noqa: S608
    ).fetchall()


def may_decide(connection: Connection, appeal: Row, who: str) -> bool:
    """Return False for whoever answered about the same photo as a reviewer, or sent the appeal."""
    if appeal["filed_by"] == who:
        return False
    answered = connection.execute(
        "SELECT 1 FROM review_answers a JOIN review_cases c ON c.id = a.case_id WHERE a.who = ? AND c.photo = ?",
        (who, appeal["photo"]),
    )
    return answered.fetchone() is None


def advance(
    connection: Connection, case: str, given: AppealStep, *, who: str, is_sender: bool, is_admin: bool, now: float
) -> Row:
    """Take a step of an appeal, and return it.

    Args:
        connection: a transaction.
        case: case number.
        given: the step.
        who: name of the client's key, or SENDER.
        is_sender: True if the token was sent.
        is_admin: True if the client may release the appeals of others.
        now: seconds since 1970.

    Raises:
        ProblemError: forbidden or conflict if the step is not allowed to this person, or in this state.
    """
    appeal = find(connection, case)
    state = step(APPEALS, appeal["state"], given.action, given.decision)
    changed: dict[str, object] = {"state": state}
    if given.action == "withdraw":
        if not is_sender:
            raise forbidden("only the sender of an appeal can withdraw it, with its token")
    elif is_sender and given.action in ("assign", "decide"):
        raise forbidden("whoever has the token of an appeal sent it; somebody else has to decide")
    elif given.action == "assign":
        if not may_decide(connection, appeal, who):
            raise forbidden("you answered about this photo, or sent the appeal; somebody else has to decide")
        changed["assigned_to"] = who
    elif appeal["assigned_to"] != who and not (given.action == "release" and is_admin):
        raise conflict("the appeal is assigned to somebody else")
    elif given.action == "release":
        changed["assigned_to"] = None
    else:
        if not may_decide(connection, appeal, who):  # an answer may have come after the assignment
            raise forbidden("you answered about this photo meanwhile; release the appeal, somebody else has to decide")
        changed |= {"decided_at": now, "decided_breed": given.breed, "reason": given.reason}
    columns = ", ".join(f"{name} = ?" for name in changed)
    connection.execute(f"UPDATE appeals SET {columns} WHERE id = ?", (*changed.values(), case))  # noqa: S608
    events.record(connection, case, given.action, state, who=who, now=now)
    return appeal | changed


def is_overdue(appeal: Row, now: float) -> bool:
    """Return True if an appeal should be decided, and is not."""
    return appeal["state"] in UNDECIDED and appeal["due"] < now


def states(connection: Connection) -> dict[str, int]:
    """Return the number of appeals by state."""
    rows = connection.execute("SELECT state, COUNT(*) AS n FROM appeals GROUP BY state ORDER BY state")
    return {row["state"]: row["n"] for row in rows}


def n_overdue(connection: Connection, now: float) -> int:
    """Return the number of appeals that should be decided, and are not."""
    row = connection.execute(
        "SELECT COUNT(*) AS n FROM appeals WHERE state IN ('open', 'assigned') AND due < ?", (now,)
    ).fetchone()
    assert row is not None
    return int(row["n"])


def erase(connection: Connection, receipt_id: str, *, who: str, now: float) -> bool:
    """Erase the words and the prediction of the appeal against an answer; return False if there is none."""
    appeal = connection.execute("SELECT * FROM appeals WHERE receipt_id = ?", (receipt_id,)).fetchone()
    if appeal is None:
        return False
    state = step(APPEALS, appeal["state"], "erase")
    connection.execute(
        "UPDATE appeals SET claims = '', claim = '', breed = NULL, reason = NULL, photo = id, state = ? WHERE id = ?",
        (state, appeal["id"]),
    )
    events.record(connection, appeal["id"], "erase", state, who=who, now=now)
    return True
