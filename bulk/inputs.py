"""The input of a job: files of folders and addresses, each once, and the same from the start of the job to its end."""

import os
from collections.abc import Sequence
from functools import partial

from bulk.damage import InputError
from bulk.job import Job, Kind
from bulk.storage.places import storage_of
from bulk.storage.storage import File, PlaceError
from bulk.work import again
from pets.image_files import SUFFIXES as PHOTO_SUFFIXES

SUFFIXES = {"sales": (".csv", ".parquet"), "pets": tuple(sorted(PHOTO_SUFFIXES))}


def absolute(place: str) -> str:
    """Return a place that is the same in every working directory."""
    return place if "://" in place else os.path.abspath(place)


def find_files(kind: Kind, places: Sequence[str], out: str) -> tuple[File, ...]:
    """Return the files of some places, each once, in the order of the places and of their names.

    Args:
        kind: kind of the bundle, which says what is read from a folder.
        places: files, folders and addresses.
        out: output of the job.

    Raises:
        PlaceError: if a place does not exist, or has no file of the kind.
        InputError: if the output lies in a place, so that it would be the next job's input.
    """
    found: dict[str, File] = {}
    for place in places:
        files = again(partial(storage_of(place).files, place))
        if not files:
            raise PlaceError(f"{place} does not exist, or is an empty folder")
        if _real(out).startswith(_real(place).rstrip("/") + "/"):
            raise InputError(f"{out} lies in {place}, whose files are read; name a folder outside it")
        alone = len(files) == 1 and _real(files[0].place) == _real(place)
        chosen = files if alone else [file for file in files if file.name.lower().endswith(SUFFIXES[kind])]
        if not chosen:
            raise PlaceError(f"{place} has no file that ends in {', '.join(SUFFIXES[kind])}; {files[0].name} does not")
        for file in chosen:
            found.setdefault(_real(file.place), file)
    return tuple(found.values())


def check_unchanged(job: Job) -> None:
    """Check that the files of a job are those that it began with.

    Raises:
        InputError: if a file was changed, added or removed.
    """
    before, now = (
        {file.place: file for file in files} for files in (job.files, find_files(job.kind, job.inputs, job.out))
    )
    changed = sorted(place for place in before.keys() | now.keys() if before.get(place) != now.get(place))
    if changed:
        raise InputError(
            f"{changed[0]} was changed, added or removed while the job ran, so its output is not complete; run the job "
            "again with another folder"
        )


def _real(place: str) -> str:
    """Return the only spelling of a place."""
    return place.rstrip("/") if "://" in place else os.path.realpath(place)
