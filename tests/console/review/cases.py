"""Claims, photos and reviewers for tests of the review."""

import itertools
import time
from pathlib import Path
from typing import Any

from PIL import Image

from console.review import queue
from console.storage import Database, Row
from pets.review.kept_photos import keep
from runtime.receipts import sign
from schemas.feedback.claims import PetsClaims
from schemas.review.cases import ReviewAnswer, ReviewFilter

KEY = bytes(range(32))
NOW = 1_796_000_000.0
ANY = ReviewFilter()
_NUMBERS = itertools.count(1)


def claims(reason: str | None = "low_probability", **changed: Any) -> PetsClaims:
    """Return the claims of an answer about a photo of its own."""
    number = next(_NUMBERS)
    content = {
        "id": f"receipt-{number:08}",
        "time": int(NOW) - 1_000 + number,
        "model": "pets",
        "version": "1",
        "breed": "Bengal",
        "species": "cat",
        "probability": 0.6,
        "known": True,
        "decision": "accept" if reason is None else "review",
        "review_reason": reason,
        "review_share": 0.02,
        "top": [["Bengal", 0.6], ["Abyssinian", 0.3], ["Maine_Coon", 0.05]],
        "photo": f"photo-{number}",
        "retain": "review",
    }
    return PetsClaims.model_validate(content | changed)


def fresh(reason: str | None = "low_probability", **changed: Any) -> PetsClaims:
    """Return the claims of an answer that was given just now."""
    return claims(reason, **{"time": int(time.time())} | changed)


def keep_photo(data: Path, found: PetsClaims, key: bytes = KEY, colour: str = "green") -> Path:
    """Write a photo as a worker does, and return its file."""
    folder = data / "review" / "incoming"
    assert keep(folder, found.id, sign(found.to_sign(), key), Image.new("RGB", (40, 30), colour))
    return folder / f"{found.id}.photo"


def receive(database: Database, *found: PetsClaims, wants_second: bool = False, now: float = NOW) -> None:
    """Add cases to the queue."""
    with database.transaction() as connection:
        for one in found:
            queue.receive(connection, one, wants_second=wants_second, now=now)


def take(database: Database, who: str, chosen: ReviewFilter = ANY, now: float = NOW) -> Row | None:
    """Give the next case to a reviewer."""
    with database.transaction() as connection:
        return queue.take(connection, who, chosen, now)


def say(database: Database, case_id: str, who: str, breed: str = "Bengal", now: float = NOW) -> queue.Answered:
    """Answer about a case."""
    with database.transaction() as connection:
        return queue.answer(connection, case_id, who, ReviewAnswer(verdict="breed", breed=breed), now)
