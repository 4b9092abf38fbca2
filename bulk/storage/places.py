"""The storage of each place."""

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
