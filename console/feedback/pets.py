"""Truth about photos: compared with the answer that a receipt claims."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from console.feedback.receipts import Verifier
from console.feedback.results import first_problem, tally
from console.feedback.stored import Recorder
from console.problems import error
from console.storage import Database
from pets.class_names import ClassNames
from schemas.feedback.answer import Outcome, PetResult, PetsFeedbackResults, RejectedEntry
from schemas.feedback.claims import PetsClaims
from schemas.feedback.parse import Invalid
from schemas.feedback.request import PetOutcome, PetTruth, Why
from schemas.problems import ProblemError


@dataclass(frozen=True)
class Truth:
    """Truth about a photo.

    Attributes:
        outcome: kind of truth.
        breed: true breed as the model spells it; empty if the truth is no class.
        why: source of the truth.
        note: further words.
    """

    outcome: PetOutcome
    breed: str
    why: Why
    note: str = ""

    def is_right(self, claims: PetsClaims) -> bool | None:
        """Return True if an answer was right; None if the truth is unknown.

        An answer about no class of the model is right if it says that the photo is unlike all training photos.
        """
        if self.outcome == "unknown":
            return None
        return claims.breed == self.breed if self.outcome == "breed" else not claims.known


def record_truth(recorder: Recorder, claims: PetsClaims, truth: Truth) -> tuple[Outcome, int]:
    """Store the truth about a photo; return the outcome and the number of the revision."""
    right = truth.is_right(claims)
    row: Mapping[str, Any] = {
        "id": truth_id(claims, truth.why),
        "receipt": claims.id,
        "model": claims.model,
        "version": claims.version,
        "breed": claims.breed,
        "species": claims.species or "",
        "probability": claims.probability,
        "decision": claims.decision,
        "review_reason": claims.review_reason or "",
        "review_share": claims.review_share,
        "truth": truth.outcome,
        "true_breed": truth.breed,
        "is_right": None if right is None else int(right),
        "why": truth.why,
        "note": truth.note,
        "answered": claims.time,
    }
    return recorder.record("receipt", row)


def truth_id(claims: PetsClaims, why: Why) -> str:
    """Return the id of a truth: the word of an owner does not replace that of a reviewer."""
    return claims.id if why == "reviewer" else f"{claims.id}.owner"


def take_pets(
    database: Database,
    entries: Sequence[PetTruth | Invalid],
    verifier: Verifier,
    classes: Sequence[str],
    client: str,
    *,
    reviews: bool,
) -> PetsFeedbackResults:
    """Store truths about photos and return the result of each; they are durable then.

    Args:
        database: the console's database.
        entries: entries of the request.
        verifier: verifier of their receipts.
        classes: names of the model's classes.
        client: name of the client that sends them.
        reviews: True if the client has the role review.

    Raises:
        ProblemError: if no truth can be taken.
    """
    names = ClassNames(classes)
    found: list[tuple[PetsClaims, Truth] | RejectedEntry] = []
    for place, entry in enumerate(entries):
        if isinstance(entry, Invalid):
            found.append(RejectedEntry(place, None, entry.problem))
            continue
        try:
            if entry.why == "reviewer" and not reviews:
                raise error("forbidden", f"/items/{place}/why: reviewer needs a key with the role review; send owner")
            claims = verifier.claims(entry.receipt, PetsClaims)
            breed = "" if entry.breed is None else classes[names.index(f"items/{place}/breed", entry.breed)]
        except ProblemError as failed:
            found.append(RejectedEntry(place, None, failed.problem))
        else:
            found.append((claims, Truth(entry.outcome, breed, entry.why, entry.note or "")))
    if all(isinstance(value, RejectedEntry) for value in found):
        raise first_problem(value for value in found if isinstance(value, RejectedEntry))
    results: list[PetResult | RejectedEntry] = []
    with database.transaction() as connection:
        ids = [truth_id(value[0], value[1].why) for value in found if not isinstance(value, RejectedEntry)]
        recorder = Recorder(connection, "feedback_pets", client, ids)
        for place, value in enumerate(found):
            if isinstance(value, RejectedEntry):
                results.append(value)
                continue
            claims, truth = value
            outcome, revision = record_truth(recorder, claims, truth)
            shown = truth.breed or truth.outcome
            name, right = truth_id(claims, truth.why), truth.is_right(claims)
            results.append(PetResult(place, name, outcome, revision, claims.breed, shown, right))
        recorder.save()
    return PetsFeedbackResults(**tally(results), results=results)
