"""The storage of each place."""

from bulk.storage.local import LocalStorage
from bulk.storage.storage import PlaceError, Storage


def storage_of(place: str) -> Storage:
    """Return the storage of a place.

    Raises:
        PlaceError: if this installation can't reach it.
    """
    if "://" in place:
        raise PlaceError(f"{place} is an address that this version can't reach; name a folder")
    return LocalStorage()
