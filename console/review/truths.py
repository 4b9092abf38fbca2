"""Answers of reviewers as true values, from which the figures of feedback come."""

from console.feedback.pets import Truth, record_truth, truth_id
from console.feedback.stored import Recorder, delete
from console.storage import Connection, Row
from schemas.feedback.claims import PetsClaims
from schemas.review.cases import ReviewAnswer


def record_answer(connection: Connection, case: Row, given: ReviewAnswer, who: str) -> None:
    """Store the answer about a case as the word of a reviewer; a third opinion replaces the first."""
    assert given.verdict != "skip"
    outcome = "unknown" if given.verdict == "cant_tell" else given.verdict
    _record(connection, case, Truth(outcome, given.breed or "", "reviewer", given.note), who)


def record_decision(connection: Connection, appeal: Row, who: str) -> None:
    """Store the truth that an appeal brought; a declined one brought none.

    It counts as the owner's word, which a person has checked. It is no reviewer's: doubts are no random sample.
    """
    if appeal["state"] not in ("upheld", "changed"):
        return
    claims = PetsClaims.model_validate_json(appeal["claims"])
    breed = claims.breed if appeal["state"] == "upheld" else appeal["decided_breed"]
    truth = Truth("breed" if breed else "other_breed", breed or "", "owner", f"appeal {appeal['id']}")
    _record(connection, appeal, truth, who)


def erase(connection: Connection, receipt_id: str) -> bool:
    """Erase the true values of an answer; return False if there are none."""
    return delete(connection, receipt_id, None) > 0


def _record(connection: Connection, row: Row, truth: Truth, who: str) -> None:
    claims = PetsClaims.model_validate_json(row["claims"])
    recorder = Recorder(connection, "feedback_pets", who, [truth_id(claims, truth.why)])
    record_truth(recorder, claims, truth)
    recorder.save()
