"""Receipts that clients send back: verified, read as claims, and rejected if they are too old."""

import time
from collections.abc import Mapping
from typing import Final, TypeVar

from pydantic import ValidationError

from console.problems import error
from runtime.receipts import ReceiptError, verify
from schemas.feedback.claims import Claims, PetsClaims, SalesClaims

MAX_AGE_DAYS: Final = 400  # why: the true sales of a year ahead come after that year
_SUBJECTS: Final[Mapping[type[Claims], str]] = {PetsClaims: "a photo", SalesClaims: "sales"}

AnyClaims = TypeVar("AnyClaims", bound=Claims)


class Verifier:
    """Verifier of the receipts of one request; a receipt that several values name is verified once."""

    def __init__(self, key: bytes | None, model: str | None = None) -> None:
        """Set up.

        Args:
            key: key that signs receipts; None if answers carry none.
            model: name of the model that the request is about; None if receipts of any model are allowed.
        """
        self._key, self._model = key, model
        self._claims: dict[str, Claims] = {}
        self._now = time.time()

    def claims(self, receipt: str, kind: type[AnyClaims]) -> AnyClaims:
        """Return the claims of a receipt.

        Raises:
            ProblemError: if the receipt is forged, altered, expired, or about another model or subject.
        """
        found = self._claims.get(receipt)
        if found is None:
            found = self._claims[receipt] = self._verified(receipt, kind)
        assert isinstance(found, kind)
        return found

    def _verified(self, receipt: str, kind: type[AnyClaims]) -> AnyClaims:
        if self._key is None:
            raise error("invalid-receipt", "this service signs no receipts; it has no receipt key")
        try:
            content = verify(receipt, self._key)
        except ReceiptError as failed:
            raise error("invalid-receipt", f"the receipt {failed}; send it back as the answer had it") from None
        model = content.get("model")
        if self._model not in (None, model):
            raise error("invalid-receipt", f"the receipt is about the model {model}; send it to /feedback/{model}")
        try:
            claims = kind.model_validate(content)
        except ValidationError:
            subject = _SUBJECTS[kind]
            detail = f"the receipt is not about {subject}, or is of another version of this service"
            raise error("invalid-receipt", f"{detail}; send that of a later answer about {subject}") from None
        if self._now - claims.time > MAX_AGE_DAYS * 86_400:
            day = time.strftime("%Y-%m-%d", time.gmtime(claims.time))
            detail = f"the answer is of {day}, more than {MAX_AGE_DAYS} days ago; send the receipt of a later one"
            raise error("expired-receipt", detail)
        return claims
