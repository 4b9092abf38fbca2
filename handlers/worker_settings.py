"""Settings that `shopcat serve` passes to workers in environment variables.

A worker that has no use for a variable ignores it.
"""

import os
from pathlib import Path

from runtime.receipts import read_key

INSTANCE = "SHOPCAT_INSTANCE"  # number of the worker's instance
REVIEW_SHARE = "SHOPCAT_REVIEW_SHARE"  # pets: share of the accepted photos that go to review at random
MAX_PIXELS = "SHOPCAT_MAX_PIXELS"  # pets: number of pixels of a photo that may be decoded
BEHIND_GATEWAY = "SHOPCAT_BEHIND_GATEWAY"  # set if headers that only the gateway sets can be trusted
ALLOW_UNPATCHED = "SHOPCAT_ALLOW_UNPATCHED"  # set if TorchServe may run without patches, or with other code
REQUEST_LOG_RATE = "SHOPCAT_REQUEST_LOG_RATE"  # answers in the request log, per second; 0 for all
RECEIPT_KEY = "SHOPCAT_RECEIPT_KEY"  # file of the key that signs receipts; without it, answers have none
KEEP_PHOTOS = "SHOPCAT_KEEP_PHOTOS"  # pets: folder for photos that clients agree to keep; without it, none is kept
REQUEST_MEMORY = "SHOPCAT_REQUEST_MEMORY"  # bytes that requests may take in a worker beyond its loaded model


def worker_environment(
    *,
    review_share: float | None = None,
    max_pixels: int | None = None,
    request_memory: int | None = None,
    allow_unpatched: bool = False,
    request_log_rate: float | None = None,
    receipt_key: Path | None = None,
    keep_photos: Path | None = None,
) -> dict[str, str]:
    """Return the environment variables of the settings; None leaves a setting to the bundle or to its default."""
    settings = {
        REVIEW_SHARE: review_share,
        MAX_PIXELS: max_pixels,
        REQUEST_MEMORY: request_memory,
        REQUEST_LOG_RATE: request_log_rate,
        RECEIPT_KEY: receipt_key,
        KEEP_PHOTOS: keep_photos,
        ALLOW_UNPATCHED: 1 if allow_unpatched else None,
    }
    return {name: str(value) for name, value in settings.items() if value is not None}


def receipt_key() -> bytes | None:
    """Return the key that signs the receipts of this worker's answers; None if it signs none.

    Raises:
        ReceiptKeyError: if the key's file can't be read.
    """
    file = os.environ.get(RECEIPT_KEY)
    return read_key(Path(file)) if file else None
