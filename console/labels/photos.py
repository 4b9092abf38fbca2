"""Addresses of photos: the list in the order of the map, and the question if a photo is there."""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from console.labels.answers import JSON
from console.labels.service import OpenProject, labelling_of
from labelling.projects.errors import UnknownError
from schemas.labels.photos import BrokenPhoto, PhotoRows, RowPhoto


def routes() -> list[Route]:
    """Return the routes of photos."""
    return [
        Route("/labels/{project}/photos", look, methods=["GET"]),
        Route("/labels/{project}/photos/{sha256}", has, methods=["HEAD"]),
    ]


async def look(request: Request) -> Response:
    """Return the photos on the map in its order, without those of the audit, and those that are broken."""
    opened = await labelling_of(request).open(request)
    return Response(await run_in_threadpool(opened.part(PhotoList).content), media_type=JSON)


async def has(request: Request) -> Response:
    """Answer 200 if the project has a photo, so that an upload goes on where it stopped."""
    opened = await labelling_of(request).open(request)
    sha256 = str(request.path_params["sha256"])

    def check() -> None:
        if sha256 not in opened.project.photos:
            raise UnknownError(f"photo: there is no photo {sha256[:80]!r} in the project; send it")

    await run_in_threadpool(check)
    return Response(media_type=JSON)


class PhotoList:
    """The list of photos of a project, which is made once for each version of the rows.

    Args:
        opened: the project.
    """

    def __init__(self, opened: OpenProject) -> None:
        self._opened = opened
        self._known: tuple[tuple[str, int, int], bytes] = (("", -1, -1), b"")

    def content(self) -> bytes:
        """Return the list as JSON."""
        project, rows = self._opened.project, self._opened.rows()
        counts = project.photos.counts()
        state = (rows.version, counts["new"], counts["broken"])
        if self._known[0] != state:
            stored = {photo.sha256: photo for photo in project.photos}
            shown = [stored[photo] for photo in rows.photos]
            found = PhotoRows(
                rows_version=rows.version,
                photos=[
                    RowPhoto(
                        sha256=photo.sha256,
                        name=photo.name,
                        width=photo.width or 0,
                        height=photo.height or 0,
                        group=group,
                    )
                    for photo, group in zip(shown, rows.groups.tolist(), strict=True)
                ],
                waiting=counts["new"],
                broken=[
                    BrokenPhoto(sha256=photo.sha256, name=photo.name, kind=photo.kind or "", reason=photo.reason or "")
                    for photo in stored.values()
                    if photo.state == "broken"
                ],
            )
            self._known = state, found.to_json()
        return self._known[1]
