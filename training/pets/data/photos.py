"""Labelled photos, found and checked, in a training and a validation part.

Whatever is wrong is collected and raised once, so that a person mends the folder in one go. How photos tell their
breed stands in `layouts.py`.

Copies of a photo, byte for byte, are no error, since even published data has some; but what the validation has seen
would flatter it, so of all copies training keeps one at most, and none that the validation has. A photo that is there
under two breeds can teach neither, and training leaves it out.
"""

import hashlib
import json
import logging
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from pets.images import Photo, open_photo
from schemas.problems import ProblemError
from training.pets.data.layouts import PATTERN, Labelled, Labels, PetClass, PhotoProblem, PhotosError, detect, find

__all__ = [
    "PATTERN",
    "Labels",
    "PetClass",
    "PetData",
    "PhotoProblem",
    "PhotosError",
    "Split",
    "load_photo",
    "read_pets",
]

log = logging.getLogger(__name__)


class Split(NamedTuple):
    """Photos to train on, or to judge by.

    Attributes:
        files: their paths.
        labels: ``[photo]``, index into the classes.
    """

    files: tuple[Path, ...]
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class PetData:
    """Photos with their breeds; no photo is in both parts.

    Attributes:
        folder: where they were found.
        layout: how they told their breed.
        classes: the breeds, in the order of the labels.
        train: to train on.
        valid: to judge by.
    """

    folder: Path
    layout: Labels
    classes: tuple[PetClass, ...]
    train: Split
    valid: Split

    def fingerprint(self) -> str:
        """A digest of the photos' names, sizes in bytes, labels and parts: what a resumed training must find again."""
        parts = [
            [(file.relative_to(self.folder).as_posix(), file.stat().st_size, label) for file, label in rows]
            for rows in (zip(part.files, part.labels.tolist(), strict=True) for part in (self.train, self.valid))
        ]
        return hashlib.sha256(json.dumps([self.classes, *parts]).encode()).hexdigest()


def read_pets(
    folder: Path,
    *,
    labels: Labels | None = None,
    pattern: str = PATTERN,
    valid_pct: float = 0.2,
    seed: int = 0,
    check: bool = True,
) -> PetData:
    """Find the photos in a folder and their breeds.

    Args:
        folder: where they are.
        labels: how a photo tells its breed; found out if left out.

            - ``oxford``: torchvision's ``OxfordIIITPet`` layout, ``images/`` and ``annotations/trainval.txt`` and
              ``test.txt``, here or in ``oxford-iiit-pet/``, with their split. Photos that are listed and not there are
              left out.
            - ``names``: by ``pattern``.
            - ``folders``: a sub-folder for each breed; if there are, in ``train/`` and in ``valid/`` (``val``,
              ``validation``) or ``test/``, with their split.
        pattern: regular expression whose group 1, searched in the path, is the breed.
        valid_pct: share of each breed to judge by, at least one photo, where the layout has no split. Which, depends
            on ``seed`` and the names of the breed's files alone.
        seed: of the split.
        check: whether to open every photo, so that a broken one is found now.

    Raises:
        PhotosError: with everything that is wrong.
    """
    problems: list[PhotoProblem] = []
    if not folder.is_dir():
        raise PhotosError(folder, [PhotoProblem("no such folder", "name the folder of the photos")])
    if not 0 < valid_pct < 1:
        problems.append(
            PhotoProblem(f"valid_pct is {valid_pct:g}", "give the share of the photos to judge by, between 0 and 1")
        )
        valid_pct = 0.5
    layout = labels or detect(folder)
    classes, photos = find(folder, layout, pattern, problems)
    if check:
        _check_photos(photos, problems)
    if not problems:  # a file that can't be read can't be compared either
        photos = _without_copies(photos)
    _check_breeds(photos, problems)
    if problems:
        raise PhotosError(folder, problems)
    photos = [photo for each in _by_breed(photos) for photo in _parted(each, valid_pct, seed)]
    present = {photo.breed for photo in photos}
    classes = tuple(each for each in classes if each.name in present)
    codes = {each.name: code for code, each in enumerate(classes)}
    train, valid = (
        Split(
            tuple(photo.file for photo in photos if photo.valid is part),
            np.array([codes[photo.breed] for photo in photos if photo.valid is part], np.int64),
        )
        for part in (False, True)
    )
    log.info("%s: %d breeds, %d photos to train on, %d to judge by", folder, len(classes), len(train[0]), len(valid[0]))
    return PetData(folder, layout, classes, train, valid)


def load_photo(file: Path) -> Photo:
    """Open a photo.

    Raises:
        PhotosError: if it can't be read; the message names it.
    """
    try:
        return open_photo(file.read_bytes())
    except (OSError, ProblemError) as error:
        raise PhotosError(
            file.parent, [PhotoProblem(_why(error), "replace it or take it away", [file.name])]
        ) from error


def _why(error: OSError | ProblemError) -> str:
    return error.problem.detail if isinstance(error, ProblemError) else f"can't be read: {error.strerror or error}"


def _check_photos(photos: Sequence[Labelled], problems: list[PhotoProblem]) -> None:
    """Adds the photos that can't be opened."""

    def wrong(photo: Labelled) -> str | None:
        try:
            open_photo(photo.file.read_bytes())
        except (OSError, ProblemError) as error:
            return _why(error)
        return None

    log.info("opening %d photos, to see that none is broken", len(photos))
    broken = defaultdict(list)
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # Pillow decodes without Python's lock
        for photo, why in zip(photos, pool.map(wrong, photos), strict=True):
            if why is not None:
                broken[why].append(photo.file.name)
    problems += [PhotoProblem(why, "replace or take away", names) for why, names in broken.items()]


def _without_copies(photos: Sequence[Labelled]) -> list[Labelled]:
    """The photos less what training must not see: see the top of the module."""
    sizes = Counter(photo.file.stat().st_size for photo in photos)
    left_out: dict[str, set[Path]] = {"copies of others": set(), "there under two breeds": set()}
    seen = defaultdict(list)
    for photo in photos:
        if sizes[photo.file.stat().st_size] > 1:  # only photos of the same size can be the same, and need be read
            seen[hashlib.sha256(photo.file.read_bytes()).digest()].append(photo)
    for same in seen.values():
        teachable = [photo.file for photo in same if not photo.valid]
        if len({photo.breed for photo in same}) > 1:
            left_out["there under two breeds"].update(teachable)
        else:
            left_out["copies of others"].update(teachable[len(teachable) == len(same) :])
    for why, files in left_out.items():
        if files:
            names = sorted(file.name for file in files)
            log.warning("%s", PhotoProblem(f"photos that are {why}", "training leaves them out", names))
    return [photo for photo in photos if not any(photo.file in files for files in left_out.values())]


def _check_breeds(photos: Sequence[Labelled], problems: list[PhotoProblem]) -> None:
    """Adds what is missing to train and to judge."""
    breeds = {photo.breed for photo in photos}
    if len(breeds) < 2 and not problems:
        found = f"all photos are of one breed, {breeds.pop()}" if breeds else "no photo there"
        problems.append(PhotoProblem(found, "give photos of two breeds at least, or another layout or pattern"))
        return
    counts = Counter((photo.breed, photo.valid) for photo in photos)
    if any(photo.valid is None for photo in photos):
        few = sorted(breed for breed in breeds if counts[breed, None] < 2)
        cause, remedy = "breeds with one photo, which can't be split", "give two photos or more, or take the breed away"
    else:
        few = sorted(breed for breed in breeds if not counts[breed, False])
        cause, remedy = "breeds with no photo to train on", "give some, or take the breed away"
        unjudged = sorted(breed for breed in breeds if not counts[breed, True])
        if unjudged:
            log.warning("%s", PhotoProblem("breeds with no photo to judge by", "no figure counts them", unjudged))
        if photos and not any(photo.valid for photo in photos):
            problems.append(PhotoProblem("no photo to judge by", "give some, with the split or without one"))
    if few:
        problems.append(PhotoProblem(cause, remedy, few))


def _by_breed(photos: Iterable[Labelled]) -> list[list[Labelled]]:
    """The photos of each breed, sorted by name, so that no file system's order matters."""
    order = sorted(photos, key=lambda photo: (photo.breed, photo.file.as_posix()))
    return [list(same) for _, same in groupby(order, key=lambda photo: photo.breed)]


def _parted(photos: Sequence[Labelled], valid_pct: float, seed: int) -> list[Labelled]:
    """The photos of one breed, split if they are not."""
    if photos[0].valid is not None:
        return list(photos)
    many = min(max(round(len(photos) * valid_pct), 1), len(photos) - 1)
    # a generator for each breed: a new breed leaves the split of the others as it was
    valid = np.random.default_rng([seed, crc32(photos[0].breed.encode())]).permutation(len(photos)) < many
    return [photo._replace(valid=bool(part)) for photo, part in zip(photos, valid, strict=True)]
