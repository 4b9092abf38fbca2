"""Addresses of uploads: the bytes of a photo, written to the disk while they arrive."""

from http import HTTPStatus

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from console.labels.answers import JSON
from console.labels.service import labelling_of
from console.problems import error
from schemas.labels.photos import MAX_PHOTO_NAME, UploadedPhoto
from schemas.problems import ProblemError, invalid_field

_PIECE = 1 << 20  # bytes that are written at once


def routes() -> list[Route]:
    """Return the routes of uploads."""
    return [
        Route("/labels/{project}/photos", send, methods=["POST"]),
        Route("/labels/{project}/photos/{sha256}", put, methods=["PUT"]),
    ]


async def send(request: Request) -> Response:
    """Add a photo whose hash the client does not know."""
    return await _received(request, None)


async def put(request: Request) -> Response:
    """Add a photo, and verify its hash. To send it again changes nothing."""
    return await _received(request, str(request.path_params["sha256"]))


async def _received(request: Request, sha256: str | None) -> Response:
    try:
        return await _receive(request, sha256)
    except ClientDisconnect:  # a page that was closed; nobody gets the answer
        return Response(status_code=HTTPStatus.BAD_REQUEST)


async def _receive(request: Request, sha256: str | None) -> Response:
    opened = await labelling_of(request).open(request)
    _check_type(request)
    name = request.query_params.get("name", sha256 or "photo")
    if not 0 < len(name) <= MAX_PHOTO_NAME:
        raise invalid_field("name", value=name, detail=f"must have 1 to {MAX_PHOTO_NAME:,} characters")
    most = opened.project.photos.limits.photo_bytes
    size = _size(request)
    if size is not None and size > most:
        raise _too_large(most)
    received, piece = 0, bytearray()
    with await run_in_threadpool(opened.project.upload, name, sha256=sha256, size=size) as upload:
        async for chunk in request.stream():
            received += len(chunk)
            if received > most:
                raise _too_large(most)
            piece += chunk
            if len(piece) >= _PIECE:
                await run_in_threadpool(upload.write, bytes(piece))
                piece.clear()
        await run_in_threadpool(upload.write, bytes(piece))
        photo = await run_in_threadpool(upload.finish)
    answer = UploadedPhoto.model_validate({"sha256": photo.sha256, "name": photo.name, "state": photo.state})
    status = HTTPStatus.CREATED if upload.is_new else HTTPStatus.OK
    return Response(answer.to_json(), status, media_type=JSON)


def _check_type(request: Request) -> None:
    """Reject the content types that a form of another site can send without asking the browser's user."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/octet-stream" and not kind.startswith("image/"):
        raise error("unsupported-media-type", "send the photo's bytes with Content-Type: application/octet-stream")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise error("unsupported-media-type", "send the photo's bytes as they are, without Content-Encoding")


def _size(request: Request) -> int | None:
    text = request.headers.get("content-length", "")
    return int(text) if text.isascii() and text.isdecimal() else None


def _too_large(most: int) -> ProblemError:
    return error("too-large", f"the photo has more than {most / 1e6:g} MB, which is the limit; save a smaller picture")
