"""Read labelled photos, check them, and split them into a training and a validation part.

All problems are collected and raised at once, so that a person can correct the folder once. `layouts.py` finds the
breed of a photo.

Exact copies of a photo are no error, because even published data has some. But a copy in both parts would make the
validation figures too good. So training keeps at most one of several copies, and none if the validation part has one. A
photo under two breeds teaches neither, so training leaves it out.
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
from training.pets.data.layouts import (
    PATTERN,
    LabelledPhoto,
    Labels,
    PetClass,
    PhotoProblem,
    PhotosError,
    detect,
    find_photos,
    list_pictures,
)

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

logger = logging.getLogger(__name__)


class Split(NamedTuple):
    """The photos of one part.

    Attributes:
        files: paths of the photos.
        labels: index of each photo's class, ``[photo]``.
    """

    files: tuple[Path, ...]
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class PetData:
    """Photos with their breeds; no photo is in both parts.

    Attributes:
        folder: folder of the photos.
        layout: layout of the folder.
        classes: breeds in the order of the labels.
        train: photos of the training part.
        valid: photos of the validation part.
        unlike: pictures that show none of the breeds, to measure the detection of unknown photos by.
    """

    folder: Path
    layout: Labels
    classes: tuple[PetClass, ...]
    train: Split
    valid: Split
    unlike: tuple[Path, ...] = ()

    def fingerprint(self) -> str:
        """Return a hash of the photos' names, sizes, labels and parts, which a resumed training compares."""
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
    unlike: Path | None = None,
) -> PetData:
    """Find the photos in a folder and their breeds.

    Args:
        folder: folder of the photos.
        labels: layout of the folder; detected if left out.

            - ``oxford``: torchvision's ``OxfordIIITPet`` layout with ``images/``, ``annotations/trainval.txt`` and
              ``test.txt``, here or in ``oxford-iiit-pet/``, and its split. Listed photos that do not exist are left
              out.
            - ``names``: ``pattern`` finds the breed in the file name.
            - ``folders``: a sub-folder for each breed. The sub-folders may lie in ``train/`` and in ``valid/``
              (``val``, ``validation``) or ``test/``, which is then the split.
        pattern: regular expression, searched in the path; its group 1 is the breed.
        valid_pct: share of each breed in the validation part, at least one photo, if the layout has no split. The
            choice depends only on ``seed`` and the names of the breed's files.
        seed: random seed of the split.
        check: open every photo, so that a broken one is found now.
        unlike: folder of pictures that show none of the breeds, with its sub-folders.

    Raises:
        PhotosError: if there are problems; it has all of them.
    """
    problems: list[PhotoProblem] = []
    if not folder.is_dir():
        raise PhotosError(folder, [PhotoProblem("no such folder", "name the folder of the photos")])
    if not 0 < valid_pct < 1:
        problems.append(
            PhotoProblem(f"valid_pct is {valid_pct:g}", "give the share of the validation photos, between 0 and 1")
        )
        valid_pct = 0.5
    layout = labels or detect(folder)
    classes, photos = find_photos(folder, layout, pattern, problems)
    others = _unlike(unlike, problems)
    if check:
        _check_photos([*(photo.file for photo in photos), *others], problems)
    if not problems:  # a file that can't be read can't be compared either
        photos = _without_copies(photos)
    _check_breeds(photos, problems)
    if problems:
        raise PhotosError(folder, problems)
    photos = [photo for breed in _by_breed(photos) for photo in _split_breed(breed, valid_pct, seed)]
    present = {photo.breed for photo in photos}
    classes = tuple(breed for breed in classes if breed.name in present)
    codes = {breed.name: code for code, breed in enumerate(classes)}
    train, valid = (
        Split(
            tuple(photo.file for photo in photos if photo.valid is part),
            np.array([codes[photo.breed] for photo in photos if photo.valid is part], np.int64),
        )
        for part in (False, True)
    )
    logger.info(
        "%s: %d breeds, %d photos to train on, %d to validate on", folder, len(classes), len(train[0]), len(valid[0])
    )
    return PetData(folder, layout, classes, train, valid, others)


def load_photo(file: Path) -> Photo:
    """Open a photo.

    Raises:
        PhotosError: if it can't be read; the message names it.
    """
    try:
        return open_photo(file.read_bytes())
    except (OSError, ProblemError) as error:
        raise PhotosError(file.parent, [PhotoProblem(_cause(error), "replace or remove it", [file.name])]) from error


def _cause(error: OSError | ProblemError) -> str:
    """Return the cause of an error in words."""
    return error.problem.detail if isinstance(error, ProblemError) else f"can't be read: {error.strerror or error}"


def _unlike(folder: Path | None, problems: list[PhotoProblem]) -> tuple[Path, ...]:
    """Return the pictures of the folder that shows none of the breeds; add to ``problems`` if there are none."""
    if folder is None:
        return ()
    if not folder.is_dir():
        problems.append(PhotoProblem(f"no such folder: {folder}", "name the folder of pictures without the breeds"))
        return ()
    pictures = tuple(list_pictures(folder))
    if not pictures:
        problems.append(PhotoProblem(f"{folder} has no picture", "name a folder of pictures without the breeds"))
    return pictures


def _check_photos(files: Sequence[Path], problems: list[PhotoProblem]) -> None:
    """Add the photos that can't be opened to ``problems``."""

    def cause_of(file: Path) -> str | None:
        try:
            open_photo(file.read_bytes())
        except (OSError, ProblemError) as error:
            return _cause(error)
        return None

    logger.info("opening %d photos to check them", len(files))
    broken = defaultdict(list)
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # Pillow decodes without Python's lock
        for file, cause in zip(files, pool.map(cause_of, files), strict=True):
            if cause is not None:
                broken[cause].append(file.name)
    problems += [PhotoProblem(cause, "replace or remove", names) for cause, names in broken.items()]


def _without_copies(photos: Sequence[LabelledPhoto]) -> list[LabelledPhoto]:
    """Leave out the photos that training must not see; see the top of the module."""
    sizes = Counter(photo.file.stat().st_size for photo in photos)
    left_out: dict[str, set[Path]] = {"copies of others": set(), "under two breeds": set()}
    by_content = defaultdict(list)
    for photo in photos:
        if sizes[photo.file.stat().st_size] > 1:  # only photos of equal size can be copies, and need reading
            by_content[hashlib.sha256(photo.file.read_bytes()).digest()].append(photo)
    for copies in by_content.values():
        trainable = [photo.file for photo in copies if not photo.valid]
        if len({photo.breed for photo in copies}) > 1:
            left_out["under two breeds"].update(trainable)
        else:
            left_out["copies of others"].update(trainable[len(trainable) == len(copies) :])
    for cause, files in left_out.items():
        if files:
            names = sorted(file.name for file in files)
            logger.warning("%s", PhotoProblem(f"photos that are {cause}", "training leaves them out", names))
    return [photo for photo in photos if not any(photo.file in files for files in left_out.values())]


def _check_breeds(photos: Sequence[LabelledPhoto], problems: list[PhotoProblem]) -> None:
    """Add breeds without enough photos to ``problems``."""
    breeds = {photo.breed for photo in photos}
    if len(breeds) < 2 and not problems:
        cause = f"all photos are of one breed, {breeds.pop()}" if breeds else "there is no photo"
        problems.append(PhotoProblem(cause, "give photos of two breeds at least, or another layout or pattern"))
        return
    counts = Counter((photo.breed, photo.valid) for photo in photos)
    if any(photo.valid is None for photo in photos):
        few = sorted(breed for breed in breeds if counts[breed, None] < 2)
        cause, remedy = "breeds with one photo, which can't be split", "give two photos or more, or remove the breed"
    else:
        few = sorted(breed for breed in breeds if not counts[breed, False])
        cause, remedy = "breeds with no photo to train on", "give some, or remove the breed"
        unvalidated = sorted(breed for breed in breeds if not counts[breed, True])
        if unvalidated:
            logger.warning(
                "%s", PhotoProblem("breeds with no photo to validate on", "no metric counts them", unvalidated)
            )
        if photos and not any(photo.valid for photo in photos):
            problems.append(
                PhotoProblem("there is no photo to validate on", "give some, with the split or without one")
            )
    if few:
        problems.append(PhotoProblem(cause, remedy, few))


def _by_breed(photos: Iterable[LabelledPhoto]) -> list[list[LabelledPhoto]]:
    """Return the photos of each breed, sorted by name, so that the order of the file system does not matter."""
    order = sorted(photos, key=lambda photo: (photo.breed, photo.file.as_posix()))
    return [list(group) for _, group in groupby(order, key=lambda photo: photo.breed)]


def _split_breed(photos: Sequence[LabelledPhoto], valid_pct: float, seed: int) -> list[LabelledPhoto]:
    """Return the photos of one breed, split unless the layout has split them."""
    if photos[0].valid is not None:
        return list(photos)
    n_valid = min(max(round(len(photos) * valid_pct), 1), len(photos) - 1)
    # a generator for each breed, so that a new breed does not change the split of the others
    valid = np.random.default_rng([seed, crc32(photos[0].breed.encode())]).permutation(len(photos)) < n_valid
    return [photo._replace(valid=bool(part)) for photo, part in zip(photos, valid, strict=True)]
