"""Atlases: the small thumbnails of many photos in one picture, so that a map of thousands loads with a few requests."""

import hashlib
import io
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from PIL import Image

from labelling.projects.errors import ProjectError, disk_errors
from labelling.projects.photos import make_inside
from labelling.projects.previews.thumbnails import Thumbnails
from runtime.folder import write_file

CELL = 64  # pixels of a square
LINE = 32  # squares in a line
CELLS = LINE * LINE  # squares of an atlas
_KEPT = 100  # atlases of a project; why: each batch of new photos makes others, of 0.5 MB each
_QUALITY = 70


class Atlases:
    """Atlases of a project.

    Args:
        thumbnails: the project's thumbnails.
        folder: folder of the cache in that of the project; it may be deleted at any time.
    """

    def __init__(self, thumbnails: Thumbnails, folder: Path) -> None:
        self._thumbnails, self._folder = thumbnails, folder

    def cached(self, photos: Sequence[str]) -> bytes | None:
        """Return the atlas of these photos if it was made already, otherwise None."""
        with suppress(FileNotFoundError):
            return self._file(photos).read_bytes()
        return None

    def get(self, photos: Sequence[str]) -> bytes:
        """Return a WebP file with the photos as squares, in lines of 32 from the upper left; make it if needed.

        Each photo is whole, in the middle of its square, and the rest is transparent. So is the square of a photo that
        can't be decoded.

        Args:
            photos: hashes of at most 1,024 photos.

        Raises:
            ValueError: if there are more.
        """
        if len(photos) > CELLS:
            raise ValueError(f"an atlas has {CELLS} squares; there are {len(photos)} photos")
        if (content := self.cached(photos)) is not None:
            return content
        atlas = Image.new("RGBA", (CELL * LINE, CELL * LINE))
        for number, photo in enumerate(photos):
            try:
                content = self._thumbnails.get(photo, CELL)
            except ProjectError:
                continue
            with Image.open(io.BytesIO(content), formats=["WEBP"]) as small:
                left, top = (CELL - small.width) // 2, (CELL - small.height) // 2
                atlas.paste(small.convert("RGB"), (number % LINE * CELL + left, number // LINE * CELL + top))
        file = io.BytesIO()
        atlas.save(file, "WEBP", quality=_QUALITY, method=2)
        with disk_errors(self._folder):
            make_inside(self._folder.parent.parent, self._folder)
            write_file(self._file(photos), file.getvalue(), mode=0o600)
            self._sweep()
        return file.getvalue()

    def _file(self, photos: Sequence[str]) -> Path:
        return self._folder / f"{hashlib.sha256(' '.join(photos).encode()).hexdigest()}.webp"

    def _sweep(self) -> None:
        """Remove the oldest atlases."""
        files = sorted(self._folder.glob("*.webp"), key=lambda file: file.stat().st_mtime_ns)
        for file in files[:-_KEPT]:
            file.unlink(missing_ok=True)
