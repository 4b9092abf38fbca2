"""The storage of each place."""

import shutil
from pathlib import Path

from bulk.storage.local import LocalStorage
from bulk.storage.objects import PACKAGES, ObjectStorage
from bulk.storage.storage import PlaceError, Storage


def storage_of(place: str) -> Storage:
    """Return the storage of a place.

    Raises:
        PlaceError: if this installation can't reach it.
    """
    scheme, separator, _ = place.partition("://")
    if not separator:
        return LocalStorage()
    if scheme not in PACKAGES:
        known = " or ".join(f"{name}://" for name in PACKAGES)
        raise PlaceError(f"{place} is not an address that can be reached; begin it with {known}, or name a folder")
    return ObjectStorage(scheme)


def download(place: str, file: Path) -> None:
    """Copy a file of any place to a file of this machine.

    Raises:
        PlaceError: if it does not exist, or this installation can't reach it.
        UnavailableError: if another try may help.
    """
    with storage_of(place).open(place) as content, file.open("wb") as copied:
        shutil.copyfileobj(content, copied)
