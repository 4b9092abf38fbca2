"""Receipts: signed records of answers, which a client keeps and sends back with the true values.

A receipt is ``CLAIMS.SIGNATURE``. CLAIMS is JSON, compressed by deflate and encoded in URL-safe base64. SIGNATURE is
HMAC-SHA256 (RFC 2104) of the text CLAIMS, cut to 128 bits. Only a holder of the key can make a receipt, and no part of
one can be altered. The claims are signed and not encrypted: whoever has a receipt can read them.
"""

import base64
import binascii
import hashlib
import hmac
import json
import os
import secrets
import tempfile
import zlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from runtime.errors import UserError
from runtime.folder import fsync

KEY_BYTES: Final = 32
MAX_LENGTH: Final = 100_000  # characters of a receipt; why: 1,000 items take 30,000 (tests/handlers/test_receipts.py)
_PURPOSE: Final = b"shopcat receipt 1\0"  # so that no other signature by the same key is a valid receipt
_MAC_BYTES: Final = 16
# Frequent parts of claims, from which deflate takes them: the shortest receipts get a third shorter. A change of these
# bytes makes all earlier receipts invalid.
_DICTIONARY: Final = (
    b'random_checkunlike_trainingacceptfalsecat"}rmspe"mean"median","sales":,"median":,"dog","quantiles":[['
    b'"slices":[{"store_type":"a","state":"","stores":[1],"days":[0],"first_date":"2026-0","cutoff":"2026-0'
    b'{"id":"","time":17,"model":"sales","version":"2026{"id":"","time":17,"model":"pets","version":"2026'
    b'","breed":"","species":"cat","probability":0.,"known":true,"decision":"review","review_reason":"low_probability",'
    b'"retain":"appeal""review"]],"photo":"","retain":"none"}"review_reason":null,"review_share":0.02,"top":[["'
)


class ReceiptError(ValueError):
    """A text that is no receipt, or a receipt that was altered or signed with another key."""


class ReceiptKeyError(UserError):
    """The file of the key that signs receipts can't be used; the message names the file and the remedy."""


def new_id() -> str:
    """Return an id for a receipt: 96 random bits, 16 characters."""
    return secrets.token_urlsafe(12)


def sign(claims: Mapping[str, Any], key: bytes) -> str:
    """Return a receipt with claims that JSON can express."""
    compressor = zlib.compressobj(level=6, wbits=-15, zdict=_DICTIONARY)
    text = json.dumps(claims, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
    body = _encode(compressor.compress(text) + compressor.flush())
    return f"{body}.{_signature(body, key)}"


def verify(text: str, key: bytes) -> dict[str, Any]:
    """Return the claims of a receipt.

    The signature is checked before anything else is read, and in constant time.

    Raises:
        ReceiptError: if the receipt is not one that `sign` made with the key.
    """
    body, _, signature = text.partition(".")
    if len(text) > MAX_LENGTH or not text.isascii():
        raise ReceiptError("is not a receipt of this service")
    if not hmac.compare_digest(signature, _signature(body, key)):
        raise ReceiptError("was altered, or was not signed by this service")
    decompressor = zlib.decompressobj(wbits=-15, zdict=_DICTIONARY)
    try:
        claims: dict[str, Any] = json.loads(decompressor.decompress(_decode(body)))
    except (ValueError, zlib.error, binascii.Error) as error:  # signed by a version of another format
        raise ReceiptError("was signed by another version of this service") from error
    return claims


def read_key(file: Path) -> bytes:
    """Return the key in a file.

    Raises:
        ReceiptKeyError: if the file can't be read, or does not have 32 bytes.
    """
    try:
        key = file.read_bytes()
    except OSError as error:
        raise ReceiptKeyError(f"the receipt key {file} can't be read: {error.strerror}; name a readable file") from None
    if len(key) != KEY_BYTES:
        remedy = f"make one with: head -c {KEY_BYTES} /dev/urandom > {file}"
        raise ReceiptKeyError(f"the receipt key {file} has {len(key)} bytes, not {KEY_BYTES}; {remedy}")
    return key


def make_key(file: Path) -> bytes:
    """Return the key in a file, which is made with a random key if it does not exist. Only its owner may read it.

    Processes that make the same file at the same time get the same key.

    Raises:
        ReceiptKeyError: as for `read_key`, and if the file can't be made.
    """
    if not file.exists():
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            handle, part = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)  # mode 0600
            try:
                with os.fdopen(handle, "wb") as opened:
                    opened.write(secrets.token_bytes(KEY_BYTES))
                    opened.flush()
                    os.fsync(opened.fileno())
                with suppress(FileExistsError):  # another process was faster
                    os.link(part, file)
                fsync(file.parent)
            finally:
                Path(part).unlink()
        except OSError as error:
            raise ReceiptKeyError(
                f"the receipt key {file} can't be made: {error.strerror}; name another place"
            ) from None
    return read_key(file)


def _signature(body: str, key: bytes) -> str:
    return _encode(hmac.digest(key, _PURPOSE + body.encode(), hashlib.sha256)[:_MAC_BYTES])


def _encode(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
