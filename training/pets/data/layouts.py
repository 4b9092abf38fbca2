"""Layouts of photo folders: the breed is in annotation lists, in file names, or in folder names.

Errors::

    UserError
    └── PhotosError    photos that can't be trained on
"""

import logging
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from pets.image_files import SUFFIXES
from runtime.errors import UserError

logger = logging.getLogger(__name__)

Labels = Literal["oxford", "names", "folders"]
Species = Literal["cat", "dog"]

PATTERN = r"([^/]+)_\d+.jpg$"
"""Pattern of the fast.ai lesson: the breed is the file name without the number."""
_TRAIN, _VALID = ("train",), ("valid", "val", "validation", "test")  # the first that exists counts
_OXFORD = "oxford-iiit-pet"
_SPECIES: dict[str, Species] = {"1": "cat", "2": "dog"}
_SHOWN = 5  # number of names in the text of a problem


class PetClass(NamedTuple):
    """A breed and its species; None if the layout does not contain it."""

    name: str
    species: Species | None


class LabelledPhoto(NamedTuple):
    """A photo with its breed.

    Attributes:
        file: path of the photo.
        breed: name of the breed.
        valid: True in the validation part, False in the training part, None if the layout has no split.
    """

    file: Path
    breed: str
    valid: bool | None


@dataclass(frozen=True)
class PhotoProblem:
    """A problem with the photos.

    Attributes:
        cause: description of the problem.
        remedy: instruction for the user.
        names: files, lines or breeds concerned, if any.
    """

    cause: str
    remedy: str
    names: Sequence[str] = field(default=())

    def __str__(self) -> str:
        more = ", ..." if len(self.names) > _SHOWN else ""
        names = f" ({len(self.names)}: {', '.join(self.names[:_SHOWN])}{more})" if self.names else ""
        return f"{self.cause}{names}; {self.remedy}"


class PhotosError(UserError):
    """The photos can't be trained on. ``problems`` has all problems; the text has a line for each."""

    def __init__(self, folder: Path, problems: Iterable[PhotoProblem]) -> None:
        self.problems = list(problems)
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        lines = [f"{count} with the photos in {folder}:", *(f"  {problem}" for problem in self.problems)]
        super().__init__("\n".join(lines))


def detect(folder: Path) -> Labels:
    """Return the layout of a folder."""
    if _oxford_root(folder) is not None:
        return "oxford"
    return "names" if list_pictures(_flat(folder), deep=False) else "folders"


def find_photos(
    folder: Path, layout: Labels, pattern: str, problems: list[PhotoProblem]
) -> tuple[tuple[PetClass, ...], list[LabelledPhoto]]:
    """Return the breeds and photos in a folder; add problems with them to ``problems``."""
    if layout == "oxford":
        return _oxford(folder, problems)
    photos = _by_names(folder, pattern, problems) if layout == "names" else _by_folders(folder)
    return tuple(PetClass(breed, None) for breed in sorted({photo.breed for photo in photos})), photos


def _oxford(folder: Path, problems: list[PhotoProblem]) -> tuple[tuple[PetClass, ...], list[LabelledPhoto]]:
    """Return the breeds and photos of the lists in ``annotations/``."""
    root = _oxford_root(folder)
    if root is None:
        problems.append(PhotoProblem("no annotations/trainval.txt", "give the folder with images/ and annotations/"))
        return (), []
    images = {file.stem: file for file in list_pictures(root / "images", deep=False)}
    rows: dict[str, tuple[str, int, Species, bool]] = {}  # by image: breed, class id, species, validation part
    malformed, twice = [], []
    for name, valid in (("trainval.txt", False), ("test.txt", True)):
        file = root / "annotations" / name
        if not file.is_file():
            problems.append(PhotoProblem(f"no annotations/{name}", "put it there: it has the official split"))
            continue
        for number, line in enumerate(file.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            if not line.strip() or line.startswith("#"):
                continue
            match = re.fullmatch(r"((\S+)_\d+) (\d+) ([12]) \d+", line.strip())
            if match is None:
                malformed.append(f"{name} line {number}")
                continue
            image, breed, code, species = match.groups()
            if image in rows:
                twice.append(image)
            rows.setdefault(image, (breed, int(code), _SPECIES[species], valid))
    if malformed:
        remedy = "write name_number, class id, species (1 cat, 2 dog) and breed id"
        problems.append(PhotoProblem("lines of annotations that can't be read", remedy, malformed))
    if twice:
        problems.append(PhotoProblem("images listed twice", "leave each in one list, once", twice))
    kinds = defaultdict(set)
    for breed, code, species, _ in rows.values():
        kinds[code].add(PetClass(breed, species))
    uses = Counter(breed.name for breeds in kinds.values() for breed in breeds)
    unclear = [str(code) for code, breeds in sorted(kinds.items()) if len(breeds) > 1]
    unclear += sorted(name for name, count in uses.items() if count > 1)
    if unclear:
        remedy = "give each class id one breed and species, and each breed one class id"
        problems.append(PhotoProblem("class ids and breeds that contradict each other", remedy, unclear))
    missing, unlisted = len(rows.keys() - images.keys()), len(images.keys() - rows.keys())
    if missing:
        logger.warning("%s: %d of the %d photos in the lists do not exist", folder, missing, len(rows))
    if unlisted:
        logger.info("%s: %d photos are in no list and left out", folder, unlisted)
    photos = [LabelledPhoto(images[image], row[0], row[3]) for image, row in rows.items() if image in images]
    return tuple(min(kinds[code]) for code in sorted(kinds)), photos


def _by_names(folder: Path, pattern: str, problems: list[PhotoProblem]) -> list[LabelledPhoto]:
    """Return the photos whose path matches a pattern; its group 1 is the breed."""
    try:
        breed = re.compile(pattern)
    except re.error as error:
        problems.append(PhotoProblem(f"the pattern {pattern!r} is no regular expression: {error}", "mend it"))
        return []
    if not breed.groups:
        problems.append(PhotoProblem(f"the pattern {pattern!r} has no group", "put the breed in parentheses"))
        return []
    files = list_pictures(folder)
    found = [(file, breed.search(file.as_posix())) for file in files]
    nameless = [file.name for file, match in found if not (match and match[1])]
    if nameless:
        remedy = "rename or take them away, or give a pattern that fits"
        problems.append(PhotoProblem(f"photos that do not match the pattern {pattern!r}", remedy, nameless))
    return [LabelledPhoto(file, match[1], None) for file, match in found if match and match[1]]


def _by_folders(folder: Path) -> list[LabelledPhoto]:
    """Return the photos in a sub-folder for each breed, or in such folders for training and validation."""
    parts = {child.name.lower(): child for child in sorted(folder.iterdir()) if child.is_dir()}
    train, valid = (next((parts[name] for name in names if name in parts), None) for names in (_TRAIN, _VALID))
    if train is None:
        return _folders_in(folder, None)
    if valid is None:
        return _folders_in(train, None)
    return _folders_in(train, False) + _folders_in(valid, True)


def _folders_in(folder: Path, valid: bool | None) -> list[LabelledPhoto]:
    """Return the photos in the sub-folders, whose names are the breeds."""
    photos = list_pictures(folder)
    loose = [file.name for file in photos if file.parent == folder]
    if loose:
        logger.warning("%s: %s", folder, PhotoProblem("photos in no breed's folder", "they are left out", loose))
    return [LabelledPhoto(file, file.relative_to(folder).parts[0], valid) for file in photos if file.parent != folder]


def _oxford_root(folder: Path) -> Path | None:
    """Return the folder that holds ``annotations/``; None if there is none."""
    roots = (folder, folder / _OXFORD)
    return next((root for root in roots if (root / "annotations" / "trainval.txt").is_file()), None)


def _flat(folder: Path) -> Path:
    """Return the folder's ``images/`` if it is the only sub-folder, as in the fast.ai lesson; otherwise the folder."""
    children = [child.name for child in folder.iterdir() if child.is_dir() and not child.name.startswith(".")]
    return folder / "images" if children == ["images"] else folder


def list_pictures(folder: Path, *, deep: bool = True) -> list[Path]:
    """Return the pictures in a folder by their suffix, sorted, without hidden files."""
    files = folder.rglob("*") if deep else folder.glob("*")
    return sorted(
        file
        for file in files
        if file.suffix.lower() in SUFFIXES
        and not any(part.startswith((".", "__MACOSX")) for part in file.relative_to(folder).parts)
        and file.is_file()
    )
