"""Addresses of pictures: thumbnails, and atlases of many in one. No photo is decoded in the console's process."""

import asyncio
import hashlib
import time
from contextlib import suppress

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from console.labels.opened.worker import DeadWorkerError, SlowWorkerError
from console.labels.opened.working import atlases_of, make_atlas, make_thumbnail
from console.labels.service import Labelling, OpenProject, StaleError, labelling_of
from labelling.photos.decoding import CRASH
from labelling.photos.files import BrokenFile
from labelling.projects.errors import BrokenPhotoError, ProjectError, UnknownError
from labelling.projects.photos import StoredPhoto
from labelling.projects.previews.atlases import CELLS

_UNCHANGING = "private, max-age=31536000, immutable"  # the address names the content
_SLOW_S = 600.0  # time for which a photo that took too long is not decoded again
_REASON = "decoding it ended two processes; save it again in another program"


def routes() -> list[Route]:
    """Return the routes of pictures."""
    return [
        Route("/labels/{project}/thumbs/{size:int}/{sha256}.webp", thumbnail, methods=["GET"]),
        Route("/labels/{project}/atlases/{number:int}.webp", atlas, methods=["GET"]),
    ]


async def thumbnail(request: Request) -> Response:
    """Return a thumbnail of a photo, also of one that is held back for the audit."""
    labelling = labelling_of(request)
    opened = await labelling.open(request)
    project, broken = opened.project, opened.part(BrokenPhotos)
    sha256, size = str(request.path_params["sha256"]), int(request.path_params["size"])
    etag = f'"{sha256}-{size}"'
    photo = await run_in_threadpool(broken.checked, sha256)
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=_headers(etag))
    content = await run_in_threadpool(project.thumbnails.cached, sha256, size)
    if content is None:
        content = await _thumbnail(labelling, opened, photo, size)
    return Response(content, headers=_headers(etag), media_type="image/webp")


async def _thumbnail(labelling: Labelling, opened: OpenProject, photo: StoredPhoto, size: int) -> bytes:
    """Make a thumbnail. A photo that ends two processes is broken; one that takes too long may be decoded later."""
    broken = opened.part(BrokenPhotos)

    async def make() -> bytes:
        async with broken.decoding:  # one after another, so that nobody waits for a photo that has just proved slow
            broken.check_time(photo)
            try:
                return await labelling.decoder.run(make_thumbnail, opened.project.folder, photo.sha256, size)
            except SlowWorkerError:
                raise broken.slow(photo) from None

    try:
        return await make()
    except DeadWorkerError:  # the system may have ended it, even before this call
        pass
    try:
        return await make()
    except DeadWorkerError:
        await run_in_threadpool(broken.remember, photo)
        raise


async def atlas(request: Request) -> Response:
    """Return the rows of an atlas as small squares in one picture."""
    labelling = labelling_of(request)
    opened = await labelling.open(request)
    start = int(request.path_params["number"]) * CELLS
    rows = await run_in_threadpool(opened.rows)
    if request.query_params.get("rows_version") != rows.version:
        raise StaleError("rows_version: there are other photos on the map by now; ask for the photos again")
    photos = rows.photos[start : start + CELLS]
    if not photos:
        raise UnknownError(f"number: the map has {len(rows.photos)} photos, so there is no such atlas; begin with 0")
    etag = f'"{hashlib.sha256(" ".join(photos).encode()).hexdigest()}"'
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=_headers(etag))
    content = await run_in_threadpool(atlases_of(opened.project).cached, photos)
    if content is None:
        content = await labelling.decoder.run(make_atlas, opened.project.folder, photos)
    return Response(content, headers=_headers(etag), media_type="image/webp")


class BrokenPhotos:
    """Photos of a project that can't be decoded, those too that ended the processes which decoded them.

    Args:
        opened: the project.

    Attributes:
        decoding: held while a photo is decoded.
    """

    def __init__(self, opened: OpenProject) -> None:
        self._photos = opened.project.photos
        self._fatal: set[str] = set()
        self._slow: dict[str, float] = {}  # time until which a photo is not decoded again
        self.decoding = asyncio.Lock()

    def checked(self, sha256: str) -> StoredPhoto:
        """Return a photo by its hash.

        Raises:
            UnknownError: if the project does not have it.
            BrokenPhotoError: if it can't be decoded.
        """
        photo = self._photos[sha256]
        if photo.state == "broken" and photo.kind != "unreadable":
            raise BrokenPhotoError(photo.name, photo.kind or "", photo.reason or "")
        if sha256 in self._fatal:
            raise BrokenPhotoError(photo.name, CRASH, _REASON)
        return photo

    def check_time(self, photo: StoredPhoto) -> None:
        """Check that a photo did not take too long lately.

        Raises:
            SlowWorkerError: if it did.
        """
        if time.monotonic() < self._slow.get(photo.sha256, 0.0):
            raise _slow_error(photo)

    def slow(self, photo: StoredPhoto) -> SlowWorkerError:
        """Remember a photo that took too long for some minutes, and return the error."""
        self._slow[photo.sha256] = time.monotonic() + _SLOW_S
        return _slow_error(photo)

    def remember(self, photo: StoredPhoto) -> None:
        """Remember a photo that ended two processes; one that nobody has decoded yet is broken from now on."""
        self._fatal.add(photo.sha256)
        if self._photos[photo.sha256].state == "new":
            with suppress(ProjectError):
                self._photos.record(broken={photo.sha256: BrokenFile(photo.file.path, CRASH, _REASON)})


def _slow_error(photo: StoredPhoto) -> SlowWorkerError:
    return SlowWorkerError(
        f"decoding {photo.name} takes too long; save a smaller copy with another program and add that one, "
        f"or try again in {_SLOW_S / 60:g} minutes"
    )


def _headers(etag: str) -> dict[str, str]:
    return {"cache-control": _UNCHANGING, "etag": etag}
