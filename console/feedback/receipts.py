"""Receipts that clients send back: verified once each, read as claims, and rejected if they are too old."""

import time
from pathlib import Path
from typing import Final, TypeVar

from pydantic import ValidationError

from console.problems import error
from runtime.receipts import ReceiptError, read_key, verify
from schemas.feedback.claims import Claims

MAX_AGE_DAYS: Final = 400  # why: the true sales of a year ahead come after that year

AnyClaims = TypeVar("AnyClaims", bound=Claims)


class Verifier:
    """Verifier of the receipts of one request; a receipt that several values name is verified once."""

    def __init__(self, model: str, key_file: Path | None) -> None:
        """Set up.

        Args:
            model: name of the model that the request is about.
            key_file: file of the key that signs receipts; None if answers carry none.
        """
        self._model, self._key = model, read_key(key_file) if key_file else None
        self._claims: dict[str, Claims] = {}
        self._now = time.time()

    def claims(self, receipt: str, kind: type[AnyClaims]) -> AnyClaims:
        """Return the claims of a receipt.

        Raises:
            ProblemError: if the receipt is forged, altered, expired, or about another model.
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
        if model != self._model:
            raise error("invalid-receipt", f"the receipt is about the model {model}; send it to /feedback/{model}")
        try:
            claims = kind.model_validate(content)
        except ValidationError:  # signed by an earlier or later version
            raise error("invalid-receipt", "the receipt is of another version of this service") from None
        if self._now - claims.time > MAX_AGE_DAYS * 86_400:
            day = time.strftime("%Y-%m-%d", time.gmtime(claims.time))
            detail = f"the answer is of {day}, more than {MAX_AGE_DAYS} days ago; later answers can have feedback"
            raise error("expired-receipt", detail)
        return claims
