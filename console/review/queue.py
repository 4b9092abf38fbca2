"""The review queue: cases that wait, leases, and answers.

A lease of ten minutes gives a case to one reviewer. A photo that some reviewers answer twice goes to two of them, and
to a third if the two differ. Nobody answers about a photo twice, and nobody sees another answer before.
"""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from console.review import events
from console.review.agreement import agreement
from console.review.states import CASES, WAITING, Action, conflict, not_found, step
from console.storage import Connection, Row
from schemas.feedback.claims import PetsClaims
from schemas.review.cases import CaseState, How, Queue, ReviewAnswer, ReviewFilter, Waits
from schemas.review.times import utc

LEASE_S = 600.0
MOST_LISTED = 50
_OPINION: Mapping[str, int] = {"first": 1, "second": 2, "third": 3}
_DAY_S = 86_400


class Answered(NamedTuple):
    """An answer that was stored.

    Attributes:
        case: the case after it.
        counts: True if it is the case's answer from now on: it is the first, or the third decides.
    """

    case: Row
    counts: bool


def receive(connection: Connection, claims: PetsClaims, *, wants_second: bool, now: float) -> bool:
    """Add a photo to the queue, if its answer was a `review`.

    Returns:
        False if nobody has to look: the answer was accepted, the photo is kept for an appeal alone, or a case of the
        same photo and version exists. A photo that is sent for an appeal is no random one.
    """
    if claims.review_reason is None or claims.retain != "review":
        return False
    added = connection.execute(
        "INSERT INTO review_cases (id, photo, model, version, answered_at, reason, propensity, opinions_wanted, "
        "claims, state) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (
            *(claims.id, claims.photo, claims.model, claims.version, claims.time, claims.review_reason),
            *(propensity(claims), 2 if wants_second else 1, claims.model_dump_json(), "first"),
        ),
    ).rowcount
    if not added:
        return False
    events.record(connection, claims.id, "receive", step(CASES, "new", "receive"), who=events.CONSOLE, now=now)
    return True


def propensity(claims: PetsClaims) -> float:
    """Return the probability with which a photo with this reason goes to review."""
    return claims.review_share if claims.review_reason == "random_check" else 1.0


def wants_second(receipt_id: str, share: float, key: bytes) -> bool:
    """Return True for a share of all cases, which nobody without the key can foresee."""
    digest = hmac.digest(key, b"shopcat second opinion\0" + receipt_id.encode(), hashlib.sha256)
    return int.from_bytes(digest[:8], "big") < share * 2**64


def take(connection: Connection, who: str, chosen: ReviewFilter, now: float) -> Row | None:
    """Give the next case to a reviewer, for ten minutes.

    A reviewer has one case at a time: the same one again if it fits the filter, otherwise it goes back.

    Returns:
        The case; None if no case waits for this reviewer.
    """
    condition, parameters = _for_reviewer(who, chosen, now)
    held = connection.execute(
        "SELECT * FROM review_cases WHERE leased_by = ? AND leased_until > ? AND state IN ('first', 'second', 'third')",
        (who, now),
    ).fetchall()
    case = connection.execute(
        f"SELECT * FROM review_cases c WHERE {condition} "  # noqa: S608 - fixed text
        "ORDER BY CASE WHEN c.leased_by = ? THEN 0 ELSE 1 END, c.answered_at, c.id LIMIT 1",
        (*parameters, who),
    ).fetchone()
    for other in held:
        if case is None or other["id"] != case["id"]:
            _give_back(connection, other, "release", who, now)
    if case is None:
        return None
    is_new = case["leased_by"] != who or case["leased_until"] <= now
    leased_at = now if is_new else case["leased_at"]
    changed = {"leased_by": who, "leased_at": leased_at, "leased_until": now + LEASE_S}
    connection.execute(
        "UPDATE review_cases SET leased_by = ?, leased_at = ?, leased_until = ? WHERE id = ?",
        (*changed.values(), case["id"]),
    )
    if is_new:
        events.record(connection, case["id"], "lease", step(CASES, case["state"], "lease"), who=who, now=now)
    return case | changed


def case_of(connection: Connection, case_id: str, who: str, now: float) -> Row:
    """Return a case that a reviewer may see: they hold it, or have answered.

    Raises:
        ProblemError: not-found in every other case, so that nobody learns about the cases of others.
    """
    case = connection.execute("SELECT * FROM review_cases WHERE id = ?", (case_id,)).fetchone()
    if case is not None:
        holds = case["leased_by"] == who and case["leased_until"] > now and case["state"] in WAITING
        if holds or has_answered(connection, case_id, who):
            return case
    raise not_found("no case of yours has this id, or its ten minutes are over; take the next with POST /review")


def has_answered(connection: Connection, case_id: str, who: str) -> bool:
    """Return True if a reviewer has answered about a case."""
    found = connection.execute("SELECT 1 FROM review_answers WHERE case_id = ? AND who = ?", (case_id, who))
    return found.fetchone() is not None


def opinions(connection: Connection, case_id: str) -> list[Row]:
    """Return the answers about a case, first opinion first."""
    return connection.execute("SELECT * FROM review_answers WHERE case_id = ? ORDER BY opinion", (case_id,)).fetchall()


def answer(connection: Connection, case_id: str, who: str, given: ReviewAnswer, now: float) -> Answered:
    """Store a reviewer's answer, or give the case back if they skip it.

    The same answer sent again changes nothing. A reviewer whose ten minutes are over may still answer, unless another
    has taken the case.

    Raises:
        ProblemError: not-found for a case of somebody else, conflict for a second, other answer or a case that has
            ended.
    """
    case = connection.execute("SELECT * FROM review_cases WHERE id = ?", (case_id,)).fetchone()
    earlier = connection.execute(
        "SELECT * FROM review_answers WHERE case_id = ? AND who = ?", (case_id, who)
    ).fetchone()
    if case is not None and earlier is not None:
        if (earlier["verdict"], earlier["breed"]) == (given.verdict, given.breed):
            return Answered(case, False)
        raise conflict("you have answered about this photo already, and an answer stays as it is")
    if case is None or case["leased_by"] != who:
        raise not_found("no case of yours has this id, or its ten minutes are over; take the next with POST /review")
    if given.verdict == "skip":
        return Answered(_give_back(connection, case, "skip", who, now, f"{given.reason} {given.note}".strip()), False)
    state = step(CASES, case["state"], "answer", _state_after(connection, case, given))
    opinion = _OPINION[case["state"]]
    connection.execute(
        "INSERT INTO review_answers (case_id, opinion, who, at, seconds, how, verdict, breed, note) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(case_id, opinion, who, now, now - case["leased_at"], how(case)),
            *(given.verdict, given.breed, given.note),
        ),
    )
    events.record(connection, case_id, "answer", state, who=who, now=now, detail=str(opinion))
    return Answered(_set_state(connection, case, state), counts=opinion != 2)


def _state_after(connection: Connection, case: Row, given: ReviewAnswer) -> CaseState:
    """Return the state after an answer: another opinion may be wanted."""
    if case["state"] == "first" and case["opinions_wanted"] > 1:
        return "second"
    if case["state"] == "second":
        (first,) = opinions(connection, case["id"])
        if (first["verdict"], first["breed"]) != (given.verdict, given.breed):
            return "third"
    return "settled"


def how(case: Row) -> How:
    """Return the way in which a reviewer of a case answers."""
    return "blind" if case["reason"] == "random_check" else "prediction_shown"


def expire(connection: Connection, case_id: str, now: float) -> None:
    """End a case whose photo was deleted before it was settled."""
    case = connection.execute("SELECT * FROM review_cases WHERE id = ?", (case_id,)).fetchone()
    if case is not None and case["state"] in WAITING:
        state = step(CASES, case["state"], "expire")
        events.record(connection, case_id, "expire", state, who=events.CONSOLE, now=now)
        _set_state(connection, case, state)


def erase(connection: Connection, case_id: str, *, who: str, now: float) -> bool:
    """Erase everything about a case but that it existed; return False if it does not exist.

    Notes and predictions go. Counts of answers stay, because the verdicts without photo and prediction name nobody.
    """
    case = connection.execute("SELECT * FROM review_cases WHERE id = ?", (case_id,)).fetchone()
    if case is None:
        return False
    state = step(CASES, case["state"], "erase")
    connection.execute("UPDATE review_cases SET claims = '', photo = id WHERE id = ?", (case_id,))
    connection.execute("UPDATE review_answers SET note = '' WHERE case_id = ?", (case_id,))
    connection.execute("UPDATE review_events SET detail = '' WHERE subject = ?", (case_id,))
    events.record(connection, case_id, "erase", state, who=who, now=now)
    _set_state(connection, case, state)
    return True


def look(connection: Connection, who: str, chosen: ReviewFilter, now: float) -> Queue:
    """Return the queue as a reviewer sees it."""
    condition, parameters = _for_reviewer(who, chosen, now)
    waiting = connection.execute(
        f"SELECT COUNT(*) AS n FROM review_cases c WHERE {condition}",  # noqa: S608 - fixed text
        parameters,
    ).fetchone()
    listed = connection.execute(
        f"SELECT * FROM review_cases c WHERE {condition} ORDER BY c.answered_at, c.id LIMIT {MOST_LISTED}",  # noqa: S608
        parameters,
    )
    by_reason, by_reason_parameters = _matching(chosen.model_copy(update={"reason": None}))
    counts = connection.execute(
        f"SELECT reason, COUNT(*) AS n, MIN(answered_at) AS oldest FROM review_cases c WHERE {by_reason} "  # noqa: S608
        "AND state IN ('first', 'second', 'third') GROUP BY reason ORDER BY reason",
        by_reason_parameters,
    ).fetchall()
    of_model, model_parameters = _matching(ReviewFilter(model=chosen.model))
    states = connection.execute(
        f"SELECT state, COUNT(*) AS n FROM review_cases c WHERE {of_model} GROUP BY state ORDER BY state",  # noqa: S608
        model_parameters,
    )
    today = connection.execute(
        "SELECT COUNT(*) AS n FROM review_answers WHERE who = ? AND at >= ?", (who, now - now % _DAY_S)
    ).fetchone()
    assert waiting is not None
    assert today is not None
    return Queue(
        waiting=waiting["n"],
        counts={row["reason"]: row["n"] for row in counts},
        states={row["state"]: row["n"] for row in states},
        oldest_seconds=max((max(now - row["oldest"], 0.0) for row in counts), default=0.0),
        answered_today=today["n"],
        agreement=agreement(pairs(connection, chosen.model)),
        cases=[
            Waits(
                id=row["id"],
                model=row["model"],
                reason=row["reason"],
                waiting_for=row["state"],
                since=utc(row["answered_at"]),
                leased=row["leased_by"] is not None and row["leased_until"] > now,
            )
            for row in listed
        ],
    )


def pairs(connection: Connection, model: str | None = None) -> Sequence[tuple[str, str]]:
    """Return the first and the second answer about each photo that has both."""
    rows = connection.execute(
        "SELECT one.verdict AS verdict, one.breed AS breed, two.verdict AS verdict_2, two.breed AS breed_2 "
        "FROM review_answers one JOIN review_answers two ON two.case_id = one.case_id AND two.opinion = 2 "
        "JOIN review_cases c ON c.id = one.case_id WHERE one.opinion = 1" + (" AND c.model = ?" if model else ""),
        (model,) if model else (),
    )
    return [(f"{row['verdict']} {row['breed'] or ''}", f"{row['verdict_2']} {row['breed_2'] or ''}") for row in rows]


def _matching(chosen: ReviewFilter) -> tuple[str, tuple[object, ...]]:
    """Return the condition of the cases that a filter chooses, and its parameters."""
    values = {"c.model = ?": chosen.model, "c.reason = ?": chosen.reason, "c.state = ?": chosen.waiting_for}
    conditions = {condition: value for condition, value in values.items() if value is not None}
    return " AND ".join(["1 = 1", *conditions]), (*conditions.values(),)


def _for_reviewer(who: str, chosen: ReviewFilter, now: float) -> tuple[str, tuple[object, ...]]:
    """Return the condition of the cases that a reviewer may take, and its parameters.

    They wait, nobody else holds them, and the reviewer has neither answered nor skipped them.
    """
    condition, parameters = _matching(chosen)
    return (
        f"{condition} AND c.state IN ('first', 'second', 'third') "  # noqa: S608 - fixed text
        "AND (c.leased_by IS NULL OR c.leased_until <= ? OR c.leased_by = ?) "
        "AND NOT EXISTS (SELECT 1 FROM review_events e WHERE e.subject = c.id AND e.who = ? "
        "AND e.action IN ('answer', 'skip'))",
        (*parameters, now, who, who),
    )


def _give_back(connection: Connection, case: Row, action: Action, who: str, now: float, detail: str = "") -> Row:
    """End a lease without an answer."""
    state = step(CASES, case["state"], action)
    events.record(connection, case["id"], action, state, who=who, now=now, detail=detail)
    return _set_state(connection, case, state)


def _set_state(connection: Connection, case: Row, state: str) -> Row:
    """Set the state of a case, which ends a lease."""
    changed = {"state": state, "leased_by": None, "leased_at": None, "leased_until": None}
    connection.execute(
        "UPDATE review_cases SET state = ?, leased_by = ?, leased_at = ?, leased_until = ? WHERE id = ?",
        (*changed.values(), case["id"]),
    )
    return case | changed
