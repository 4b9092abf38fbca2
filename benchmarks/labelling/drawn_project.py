"""The console's pages with a made-up project of any size, without photos and without a network.

The pages and their policy are the real ones, and the answers have the form of the service's. Pictures are those of
drawn vehicles, which repeat. Labels are kept in memory.
"""

import base64
import functools
import hashlib
import io
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import uvicorn
from numpy.typing import NDArray
from PIL import Image
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from console import pages, session
from console.identity import Guard
from console.settings import Options
from labelling.demonstration import draw, vehicles
from labelling.features.spaces import SPACES
from serving.ports import HOST, Ports

MAP = "/console/label?project=drawn&show=map"
PROJECTIONS = {
    "pca-1-2": "components 1 and 2",
    "pca-3-4": "components 3 and 4",
    "pacmap": "neighbours",
    "ica": "independent",
}
NAMES = ("front", "left", "back", "right")
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7")
PICTURES = 60  # drawn photos, which repeat
SQUARE, ACROSS = 64, 32
Positions = NDArray[np.float32]


class Drawn(NamedTuple):
    """A made-up project.

    Attributes:
        photos: number of photos.
        truth: kind of each photo, from 0.
        labels: labels that were given, by hash.
        batches: earlier labels of each change, for undo.
    """

    photos: int
    truth: NDArray[np.int64]
    labels: dict[str, int]
    batches: list[dict[str, int | None]]

    @property
    def version(self) -> str:
        """Return the version of the rows, which is their number."""
        return str(self.photos)

    @classmethod
    def make(cls, photos: int, labelled: int) -> "Drawn":
        """Return a project whose first photos have their true labels."""
        truth = np.random.default_rng(0).integers(0, len(NAMES), photos)
        return cls(photos, truth, {name_of(row): int(truth[row]) + 1 for row in range(labelled)}, [])

    def positions(self, space: str, projection: str) -> Positions:
        """Return four groups of photos, whose places depend on the space and the projection."""
        number = int.from_bytes(hashlib.sha256(f"{space} {projection}".encode()).digest()[:4])
        rng = np.random.default_rng(number)
        angles = (self.truth + rng.random()) * np.pi / 2
        centres = 0.55 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        places = centres + rng.normal(0, 0.17, (self.photos, 2)) * [1, 0.8]
        return np.clip(places, -1, 1).astype(np.float32)

    def give(self, changes: dict[str, int | None]) -> dict[str, Any]:
        """Change labels, and return the answer."""
        for photo, label in changes.items():
            if label is None:
                self.labels.pop(photo, None)
            else:
                self.labels[photo] = label
        return {"batch": len(self.batches) + 1, "last_event": len(self.batches) + 2, "labels": changes}


def name_of(row: int) -> str:
    """Return the hash of a photo."""
    return hashlib.sha256(str(row).encode()).hexdigest()


@contextmanager
def serving(photos: int, labelled: int = 0) -> Iterator[str]:
    """Serve the pages with a made-up project until the block ends. Give their address; the map is at MAP there."""
    port = Ports.any_free().inference
    options = Options.model_validate({"data": ".", "gateway": f"http://{HOST}:{port}"})
    app = create_app(Drawn.make(photos, labelled), options)
    config = uvicorn.Config(app, host=HOST, port=port, log_config=None, access_log=False, ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started and thread.is_alive():
            thread.join(0.01)
        yield f"http://{HOST}:{port}"
    finally:
        server.should_exit = True
        server.force_exit = True  # the page's stream has no end
        thread.join()


def no_audit(_: Request) -> dict[str, Any]:
    """Return the state of an audit that asks nothing."""
    numbers = dict.fromkeys(("asked", "answered", "open", "looks"), 0)
    return {**numbers, "draw": 1, "due": False, "figure": None, "text": ""}


def create_app(drawn: Drawn, options: Options) -> Starlette:
    """Return the application."""
    parts = {
        "": lambda _: project(drawn),
        "/photos": lambda _: photo_list(drawn),
        "/state": lambda _: {"last_event": len(drawn.batches) + 1, "labels": drawn.labels},
        "/spaces": lambda _: spaces(),
        "/predictions": lambda _: predictions(drawn),
    }
    app = Starlette(
        routes=[
            Route("/console/api/models", lambda _: JSONResponse({"models": []})),
            *session.routes(),
            *(Route(f"/labels/drawn{path}", answering(answer), methods=["GET"]) for path, answer in parts.items()),
            Route("/labels/drawn/maps/{space}/{projection}", functools.partial(positions, drawn)),
            Route("/labels/drawn/thumbs/{size:int}/{name}.webp", functools.partial(thumbnail, drawn)),
            Route("/labels/drawn/atlases/{number:int}.webp", functools.partial(atlas, drawn)),
            Route("/labels/drawn/events", functools.partial(label, drawn), methods=["POST"]),
            Route("/labels/drawn/undo", functools.partial(undo, drawn), methods=["POST"]),
            Route("/labels/drawn/separation", functools.partial(separate, drawn), methods=["POST"]),
            Route("/labels/drawn/audit/figure", answering(no_audit), methods=["POST"]),
            Route("/labels/drawn/stream", lambda _: Response(status_code=204)),  # nobody else is there
            *pages.routes(pages.read_assets()),
        ],
        middleware=[Middleware(Guard, options=options)],
    )
    app.state.settings = options
    return app


def answering(answer: Callable[[Request], Any]) -> Callable[[Request], Awaitable[Response]]:
    """Return an endpoint that answers with JSON."""

    async def endpoint(request: Request) -> Response:
        return JSONResponse(answer(request))

    return endpoint


def project(drawn: Drawn) -> dict[str, Any]:
    """Return the project."""
    names = [
        {"id": number, "name": name, "colour": colour, "retired": False, "photos": 0}
        for number, (name, colour) in enumerate(zip(NAMES, COLOURS, strict=True), 1)
    ]
    count = drawn.photos
    progress = {"running": False, "photos": count, "embedded": count, "broken": 0, "fitted": count, "finished": True}
    return {
        "id": "drawn", "name": "Drawn vehicles", "created": "2026-11-29T00:00:00Z", "archived": False, "photos": count,
        "labelled": len(drawn.labels), "cant_tell": 0, "labels": names, "progress": {**progress, "error": None},
        "last_event": len(drawn.batches) + 1, "rows_version": drawn.version,
        "audit": {"asked": 0, "answered": 0, "draw": 1}, "people": [],
    }  # fmt: skip


@functools.cache
def vehicle_photos() -> tuple[Image.Image, ...]:
    """Return the drawn photos."""
    return tuple(draw(vehicle) for vehicle in vehicles(PICTURES))


def photo_list(drawn: Drawn) -> dict[str, Any]:
    """Return all photos."""
    sizes = [photo.size for photo in vehicle_photos()]
    photos = [
        {"sha256": name_of(row), "name": f"photo_{row:05d}.jpg", "width": width, "height": height, "group": row}
        for row in range(drawn.photos)
        for width, height in [sizes[row % PICTURES]]
    ]
    return {"rows_version": drawn.version, "photos": photos, "waiting": 0, "broken": [], "copies": []}


def spaces() -> dict[str, Any]:
    """Return the spaces and projections."""
    return {
        "spaces": [{"name": space.name, **space._asdict(), "text": space.text} for space in SPACES],
        "projections": [{"name": name, "text": text} for name, text in PROJECTIONS.items()],
        "default": {"space": "high-where", "projection": "pacmap"},
    }


def predictions(drawn: Drawn) -> dict[str, Any]:
    """Return predictions, most of which are right, once there are labels."""
    if not drawn.labels:
        nothing: dict[str, list[float]] = {"labels": [], "confidence": [], "margin": [], "second": []}
        return {"model": None, "state": "no labels", **nothing, "rows_version": drawn.version}
    confidence = np.random.default_rng(1).beta(3, 1, drawn.photos).round(3)
    labels = np.where(confidence > 0.3, drawn.truth, (drawn.truth + 1) % len(NAMES)) + 1
    model = {"id": 1, "space": "high-where", "labels": [1, 2, 3, 4], "labels_hash": "", "time": 0}
    return {
        "model": model, "state": "trained", "labels": labels.tolist(), "confidence": confidence.tolist(),
        "margin": confidence.tolist(), "second": labels.tolist(), "rows_version": drawn.version,
    }  # fmt: skip


async def positions(drawn: Drawn, request: Request) -> Response:
    """Return a map."""
    found = drawn.positions(request.path_params["space"], request.path_params["projection"])
    count = int(request.query_params["rows_version"])  # a page may know fewer photos
    return Response(found[:count].tobytes(), media_type="application/octet-stream")


async def thumbnail(drawn: Drawn, request: Request) -> Response:
    """Return a photo's thumbnail."""
    row = rows_by_name(drawn.photos)[request.path_params["name"]]
    return webp(small(row % PICTURES, request.path_params["size"]))


@functools.cache
def rows_by_name(photos: int) -> dict[str, int]:
    """Return the row of each hash."""
    return {name_of(row): row for row in range(photos)}


@functools.cache
def small(number: int, size: int) -> Image.Image:
    """Return a drawn photo that is no larger than a size."""
    photo = vehicle_photos()[number].copy()
    photo.thumbnail((size, size))
    return photo


async def atlas(drawn: Drawn, request: Request) -> Response:
    """Return 1,024 squares."""
    picture = Image.new("RGBA", (SQUARE * ACROSS, SQUARE * ACROSS))
    first = request.path_params["number"] * ACROSS * ACROSS
    for row in range(first, min(first + ACROSS * ACROSS, drawn.photos)):
        photo = small(row % PICTURES, SQUARE)
        left, top = (row % ACROSS) * SQUARE, (row - first) // ACROSS * SQUARE
        picture.paste(photo, (left + (SQUARE - photo.width) // 2, top + (SQUARE - photo.height) // 2))
    return webp(picture)


def webp(picture: Image.Image) -> Response:
    """Return a picture as the service does."""
    content = io.BytesIO()
    picture.save(content, "WEBP", quality=70, method=0)
    return Response(content.getvalue(), media_type="image/webp", headers={"cache-control": "private, immutable"})


async def label(drawn: Drawn, request: Request) -> Response:
    """Give photos a label."""
    body = await request.json()
    drawn.batches.append({photo: drawn.labels.get(photo) for photo in body["photos"]})
    return JSONResponse(drawn.give(dict.fromkeys(body["photos"], body["label"])))


async def undo(drawn: Drawn, _: Request) -> Response:
    """Take the last change back."""
    return JSONResponse(drawn.give(drawn.batches.pop()))


async def separate(drawn: Drawn, request: Request) -> Response:
    """Return positions that separate the labels, and a score for each space."""
    body = await request.json()
    ids = body.get("labels") or list(range(1, len(NAMES) + 1))
    places = drawn.positions("separate", str(ids))
    given = list(drawn.labels.values())
    ranking = [
        {"space": space.name, "score": round(0.5 + 0.47 * number / len(SPACES), 3)}
        for number, space in enumerate(SPACES)
    ]
    return JSONResponse({
        "space": "final-where", "text": "separates 94 of 100 pairs (cross-validated)", "score": 0.94, "p_value": 0.01,
        "warning": "random labels can look as good as these, so label more photos", "ranking": ranking[::-1],
        "n_labelled": {number: given.count(number) for number in ids},
        "positions": base64.b64encode(places.tobytes()).decode(), "rows_version": drawn.version,
    })  # fmt: skip
