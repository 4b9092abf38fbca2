"""Kept photos in the console: taken in from the workers, delivered to reviewers, and deleted in time.

Folders within the data folder::

    review/incoming/  files that workers write (pets.review.kept_photos)
    review/photos/    ID.jpg, one for each row of review_photos that is not deleted

A photo is written before its row, and a file of a worker is deleted after both. So a console that is killed at any
moment takes the rest in when it starts again, and no photo is forgotten.
"""

import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from console.review import queue
from console.storage import Connection, Database, StorageError
from pets.review import kept_photos
from runtime.folder import make_private, write_file
from runtime.receipts import ReceiptError, verify
from schemas.feedback.claims import PetsClaims

logger = logging.getLogger(__name__)

PHOTOS = Path("review", "photos")  # within the data folder
DAY_S: Final = 86_400.0
_UNFINISHED_S: Final = 3_600.0  # age of an unfinished file whose writer must have been killed


@dataclass(frozen=True)
class PhotoStore:
    """Kept photos of a service.

    Attributes:
        data: the service's data folder.
        key: key that signs receipts.
        retention_days: number of days after which a photo is deleted.
        second_share: share of the cases that two reviewers answer.
    """

    data: Path
    key: bytes
    retention_days: int
    second_share: float

    def take_in(self, database: Database, now: float) -> int:
        """Take in the photos that workers have written, and return their number.

        A file that is no kept photo, or whose receipt is forged or of another key, is deleted: nobody knows which
        retention it was meant for.
        """
        folder = self.data / kept_photos.INCOMING
        if not folder.is_dir():
            return 0
        taken = 0
        for file in sorted(folder.iterdir()):
            with contextlib.suppress(FileNotFoundError):
                if file.suffix == kept_photos.PART:
                    if file.stat().st_mtime < now - _UNFINISHED_S:
                        file.unlink()
                    continue
                try:
                    self._take_in(database, file, now)
                    taken += 1
                except (ValueError, ReceiptError, ValidationError) as error:
                    logger.warning("a file in %s is no kept photo and is deleted: %s", folder, error)
                file.unlink()
        return taken

    def _take_in(self, database: Database, file: Path, now: float) -> None:
        kept = kept_photos.read(file)
        claims = PetsClaims.model_validate(verify(kept.receipt, self.key))
        if claims.id != kept.id:
            raise ValueError(f"its receipt is that of {claims.id}")
        if self._is_overdue(claims.time, now):  # the console was down for as long
            return
        photo = self.file(claims.id)
        make_private(photo.parent)
        write_file(photo, kept.jpeg, mode=0o600)
        with database.transaction() as connection:
            wanted = queue.receive(
                connection, claims, wants_second=queue.wants_second(claims.id, self.second_share, self.key), now=now
            )
            # why: a photo sent again makes no second case, and needs no second file
            if wanted or claims.retain == "appeal":
                connection.execute(
                    "INSERT INTO review_photos (id, photo, kept_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                    (claims.id, claims.photo, float(claims.time)),
                )
            known = connection.execute(
                "SELECT 1 FROM review_photos WHERE id = ? AND deleted_at IS NULL", (claims.id,)
            ).fetchone()
        if known is None:
            photo.unlink(missing_ok=True)

    def delete_old(self, database: Database, now: float) -> int:
        """Delete the photos whose time is over, end the cases that still waited for them, and return their number."""
        with database.reading() as connection:
            old = connection.execute(
                "SELECT id FROM review_photos WHERE deleted_at IS NULL AND kept_at < ?", (self._oldest(now),)
            ).fetchall()
        for row in old:
            self.file(row["id"]).unlink(missing_ok=True)
            with database.transaction() as connection:
                self._set_deleted(connection, row["id"], now)
                queue.expire(connection, row["id"], now)
        return len(old)

    def erase(self, connection: Connection, receipt_id: str, now: float) -> bool:
        """Delete the photo of a receipt; return False if none is kept.

        A file that still waits for the console goes, too.
        """
        row = connection.execute(
            "SELECT id FROM review_photos WHERE id = ? AND deleted_at IS NULL", (receipt_id,)
        ).fetchone()
        if row is not None:
            connection.execute("UPDATE review_photos SET deleted_at = ?, photo = id WHERE id = ?", (now, receipt_id))
            self.file(receipt_id).unlink(missing_ok=True)
        waiting = [
            file  # why: compared with names that exist, so that an id from a client is no part of a path
            for file in (self.data / kept_photos.INCOMING).glob(f"*{kept_photos.SUFFIX}")
            if file.name == receipt_id + kept_photos.SUFFIX
        ]
        for file in waiting:
            file.unlink(missing_ok=True)
        return row is not None or bool(waiting)

    def find(self, connection: Connection, photo: str) -> Path | None:
        """Return the file of a photo that is kept under any receipt; None if there is none.

        Args:
            connection: a transaction.
            photo: hash of the photo, as in claims.
        """
        row = connection.execute(
            "SELECT id FROM review_photos WHERE photo = ? AND deleted_at IS NULL ORDER BY kept_at DESC LIMIT 1",
            (photo,),
        ).fetchone()
        if row is None or not (file := self.file(row["id"])).exists():
            return None
        return file

    def file(self, receipt_id: str) -> Path:
        """Return the place of a photo. Only ids from the database may be passed, so that a client can't name a path."""
        return self.data / PHOTOS / f"{receipt_id}.jpg"

    def count(self, connection: Connection, now: float) -> tuple[int, int]:
        """Return the number of kept photos, and the number of those that should be deleted and are not."""
        row = connection.execute(
            "SELECT COUNT(*) AS kept, COALESCE(SUM(CASE WHEN kept_at < ? THEN 1 ELSE 0 END), 0) AS overdue "
            "FROM review_photos WHERE deleted_at IS NULL",
            (self._oldest(now),),
        ).fetchone()
        assert row is not None
        return int(row["kept"]), int(row["overdue"])

    def _oldest(self, now: float) -> float:
        """Return the time before which no photo may have been kept."""
        return now - self.retention_days * DAY_S

    def _is_overdue(self, kept_at: float, now: float) -> bool:
        return kept_at < self._oldest(now)

    @staticmethod
    def _set_deleted(connection: Connection, receipt_id: str, now: float) -> None:
        connection.execute("UPDATE review_photos SET deleted_at = ? WHERE id = ?", (now, receipt_id))


def keep_up(
    store: PhotoStore, database: Database, wait: Callable[[float], bool], *, every: float = 2.0, most: float = 60.0
) -> None:
    """Take photos in and delete old ones until the console stops; run it in a thread.

    Args:
        store: the photos.
        database: the console's database.
        wait: function that waits for as many seconds; it returns True if the console stops.
        every: seconds between two rounds.
        most: seconds between two rounds after errors.
    """
    pause = every
    while True:
        try:
            store.take_in(database, time.time())
            store.delete_old(database, time.time())
            pause = every
        except (OSError, StorageError) as error:
            logger.warning("kept photos can't be taken in or deleted; trying again: %s", error)
            pause = min(pause * 2, most)
        if wait(pause):
            return
