"""Thumbnails: small pictures of photos, made anew as WebP, upright, without EXIF and so without a place.

They are cached by the photo's hash. Only pixels come over from the photo, so a browser gets nothing else.
"""

import io
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from PIL import Image

from labelling.projects.errors import BrokenPhotoError, ProjectError, UnknownError, disk_errors
from labelling.projects.photos import Photos, make_inside
from pets.images import KEEP, Photo, open_photo
from runtime.folder import write_file
from schemas.problems import ProblemError

SIZES = (64, 256, 1024)  # pixels of the longer side
_QUALITY = {64: 70, 256: 78, 1024: 85}


class Thumbnails:
    """Thumbnails of a project.

    Decoding an unknown file costs time and memory. Call `make` in a process that may wait, such as that of the
    embedding.

    Args:
        photos: the project's photos.
        folder: folder of the cache in that of the project; it may be deleted at any time.
    """

    def __init__(self, photos: Photos, folder: Path) -> None:
        self._photos, self._folder = photos, folder

    def cached(self, sha256: str, size: int) -> bytes | None:
        """Return a thumbnail if it was made already, otherwise None. Nothing is decoded.

        Raises:
            UnknownError: if this is no hash.
            ProjectError: if there is no such size.
        """
        with suppress(FileNotFoundError):
            return self._path(sha256, size).read_bytes()
        return None

    def get(self, sha256: str, size: int) -> bytes:
        """Return a thumbnail, a WebP file; make it if it is not in the cache.

        Args:
            sha256: hash of a photo of the project.
            size: pixels of the longer side: 64, 256 or 1024. A smaller photo is not enlarged.

        Raises:
            UnknownError: if the project does not have the photo.
            ProjectError: if there is no such size.
            BrokenPhotoError: if the photo is gone, has changed or can't be decoded.
        """
        content = self.cached(sha256, size)
        return self.make(sha256, [size])[0] if content is None else content

    def make(self, sha256: str, sizes: Iterable[int] = SIZES) -> list[bytes]:
        """Decode a photo once, make thumbnails of several sizes, and put them into the cache; see `get`."""
        paths = {size: self._path(sha256, size) for size in sizes}
        content = self._photos.read(sha256)
        try:
            photo = _open(content, max(paths))
        except ProblemError as error:
            raise BrokenPhotoError(self._photos[sha256].name, _kind(error), error.problem.detail) from error
        made = [_encode(photo.image, size) for size in paths]
        for path, thumbnail in zip(paths.values(), made, strict=True):
            with disk_errors(self._folder):
                make_inside(self._folder.parent, path.parent)
                write_file(path, thumbnail, mode=0o600)
        return made

    def _path(self, sha256: str, size: int) -> Path:
        if size not in SIZES:
            raise ProjectError(f"size: there are no thumbnails of {size} pixels; choose one of {SIZES}")
        if not re.fullmatch(r"[0-9a-f]{64}", sha256):  # a part of a path
            raise UnknownError(f"photo: there is no photo {sha256[:80]!r} in the project; list the photos")
        return self._folder / str(size) / sha256[:2] / f"{sha256}.webp"


def _open(content: bytes, size: int) -> Photo:
    """Decode a photo; keep enough pixels for a thumbnail, unless that is beyond the limits of decoding."""
    try:
        return open_photo(content, keep=max(size, KEEP))
    except ProblemError as error:
        if size <= KEEP or _kind(error) != "image-too-large":
            raise
    return open_photo(content)


def _kind(error: ProblemError) -> str:
    return error.problem.type.rpartition(":")[2]


def _encode(image: Image.Image, size: int) -> bytes:
    """Return a picture, reduced to a longer side, as WebP without anything but pixels."""
    width, height = image.size
    scale = min(size / max(width, height), 1.0)
    small = image
    if scale < 1:
        sides = (max(round(width * scale), 1), max(round(height * scale), 1))
        small = image.resize(sides, Image.Resampling.LANCZOS, reducing_gap=2.0)
    file = io.BytesIO()
    small.save(file, "WEBP", quality=_QUALITY[size], method=4, exif=b"", xmp=b"", icc_profile=b"")
    return file.getvalue()
