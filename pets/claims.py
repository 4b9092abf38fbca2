"""Claims of the receipts of breeds."""

import base64
import hashlib
import time

from runtime.receipts import new_id
from schemas.feedback.claims import PetsClaims
from schemas.pets.answer import Prediction
from schemas.pets.request import PetRequest

_TOP = 3  # breeds in a receipt
_HASH_BYTES = (
    12  # of a photo's SHA-256; why: 16 characters, and a million photos have a chance of 1e-17 for two equal ones
)


def pets_claims(request: PetRequest, answer: Prediction, review_share: float) -> PetsClaims:
    """Return the claims about an answer that a classifier has just given.

    Args:
        request: the request.
        answer: the answer.
        review_share: share of the accepted photos that go to review at random.
    """
    return PetsClaims(
        id=new_id(),
        time=int(time.time()),
        model=answer.model,
        version=answer.version,
        breed=answer.breed,
        species=answer.species,
        probability=round(answer.probability, 6),
        known=answer.known,
        decision=answer.decision,
        review_reason=answer.review_reason,
        review_share=review_share,
        top=[(breed.breed, round(breed.probability, 4)) for breed in answer.top[:_TOP]],
        photo=base64.urlsafe_b64encode(hashlib.sha256(request.image).digest()[:_HASH_BYTES]).decode(),
        retain=request.retain,
    )
