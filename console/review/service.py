"""The review as one part of the console: photos, settings and classes that its addresses share."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from console.feedback.receipts import Verifier
from console.review.photos import PhotoStore, keep_up
from console.settings import Settings
from console.storage import Connection, Database
from runtime.bundle import read_manifest
from runtime.receipts import read_key
from schemas.bundle import FORMAT_VERSION
from schemas.feedback.claims import PetsClaims
from schemas.pets.manifest import PetsManifest

Result = TypeVar("Result")


class Review:
    """Shared state of the review's addresses.

    Attributes:
        database: the console's database.
        store: the kept photos.
        key: key that signs receipts; None if answers carry none.
    """

    def __init__(self, settings: Settings, database: Database) -> None:
        self.database, self._settings = database, settings
        self.key = read_key(settings.receipt_key) if settings.receipt_key else None
        self.store = PhotoStore(
            settings.data,
            self.key or b"",
            retention_days=settings.retention_days,
            second_share=settings.second_opinions,
        )
        self.appeal_days = settings.appeal_days

    @contextmanager
    def running(self) -> Iterator[None]:
        """Take kept photos in and delete old ones while the block runs, in a thread."""
        if self.key is None:
            yield
            return
        stopping = threading.Event()
        thread = threading.Thread(
            target=keep_up, args=(self.store, self.database, stopping.wait), name="kept photos", daemon=True
        )
        thread.start()
        try:
            yield
        finally:
            stopping.set()
            thread.join()

    def claims(self, receipt: str) -> PetsClaims:
        """Return the claims of a photo's receipt.

        Raises:
            ProblemError: if the receipt is forged, altered, too old, or not about a photo.
        """
        return Verifier(self.key).claims(receipt, PetsClaims)


def classes(request: Request, model: str) -> list[str]:
    """Return the classes of a served model; none if it is not served any more."""
    folder = request.app.state.settings.bundles.get(model)
    if folder is None:
        return []
    manifest = read_manifest(folder, PetsManifest, kind="pets", format_version=FORMAT_VERSION)
    return [breed.name for breed in manifest.classes]


def review_of(request: Request) -> Review:
    """Return the review that a request is about."""
    found = request.app.state.review
    assert isinstance(found, Review)
    return found


async def reading(request: Request, run: Callable[[Connection], Result]) -> Result:
    """Return the result of a function that only reads the database, run in a thread."""

    def read() -> Result:
        with review_of(request).database.reading() as connection:
            return run(connection)

    return await run_in_threadpool(read)


async def writing(request: Request, run: Callable[[Connection], Result]) -> Result:
    """Return the result of a function in a transaction, run in a thread; its changes are durable then."""

    def write() -> Result:
        with review_of(request).database.transaction() as connection:
            return run(connection)

    return await run_in_threadpool(write)
