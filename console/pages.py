"""The pages: files that are read once, at the start, and delivered by their names.

A path only looks up a table of these files, so that no other file can be reached.
"""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from console.problems import error

STATIC = Path(__file__).with_name("static")
SHELL = "index.html"
PAGE = "page.js"  # module of a page, in a folder with the page's name
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".ico": "image/x-icon",
    ".txt": "text/plain; charset=utf-8",
}
_COMPRESSED = (".html", ".css", ".js", ".json", ".svg", ".txt")


@dataclass(frozen=True)
class Asset:
    """A file of the pages.

    Attributes:
        content: the file's bytes.
        compressed: the same with gzip; None if that is no shorter.
        content_type: the media type.
        tag: hash of the content.
    """

    content: bytes
    compressed: bytes | None
    content_type: str
    tag: str

    @classmethod
    def read(cls, file: Path) -> "Asset":
        """Return a file."""
        content = file.read_bytes()
        compressed = gzip.compress(content, mtime=0) if file.suffix in _COMPRESSED else None
        if compressed and len(compressed) >= len(content):
            compressed = None
        return cls(content, compressed, _TYPES[file.suffix], hashlib.sha256(content).hexdigest()[:24])

    def response(self, request: Request) -> Response:
        """Return the response to GET or HEAD."""
        is_compressed = self.compressed is not None and _takes_gzip(request.headers.get("accept-encoding", ""))
        # A tag of its own for each form, as a strong tag names exact bytes.
        tag = f'"{self.tag}{"-gzip" * is_compressed}"'
        # Names stay when the content changes, so a browser asks each time, and mostly gets a 304.
        headers = {"etag": tag, "cache-control": "no-cache"}
        if self.compressed is not None:
            headers["vary"] = "accept-encoding"
        if _matches(request.headers.get("if-none-match", ""), tag):
            return Response(status_code=304, headers=headers)
        if is_compressed:
            headers["content-encoding"] = "gzip"
        content = self.compressed if is_compressed and self.compressed is not None else self.content
        return Response(content, headers=headers, media_type=self.content_type)


def read_assets(folder: Path = STATIC) -> Mapping[str, Asset]:
    """Return the files of a folder by their addresses below ``/console/``, and the shell by those of the pages."""
    files = {file.relative_to(folder).as_posix(): file for file in sorted(folder.rglob("*")) if file.suffix in _TYPES}
    assets = {name: Asset.read(file) for name, file in files.items()}
    shell = assets[SHELL]
    pages = [name.removesuffix(f"/{PAGE}") for name in assets if name.endswith(f"/{PAGE}")]
    return assets | dict.fromkeys(["", *pages], shell)


def routes(assets: Mapping[str, Asset]) -> list[Route]:
    """Return the route of the pages, which comes after the routes of their API."""

    async def deliver(request: Request) -> Response:
        asset = assets.get(request.path_params["name"])
        if asset is None:
            raise error("not-found", "the pages begin at /console/")
        return asset.response(request)

    return [Route("/console/{name:path}", deliver, methods=["GET", "HEAD"])]


def _takes_gzip(header: str) -> bool:
    """Return True if an ``Accept-Encoding`` allows gzip.

    >>> [_takes_gzip(text) for text in ("br, gzip", "gzip;q=0, *", "*;q=0.5", "identity", "")]
    [True, False, True, False, False]
    """
    weights: dict[str, float] = {}
    for part in header.lower().split(","):
        name, _, weight = part.partition(";")
        try:
            weights[name.strip()] = float(weight.strip().removeprefix("q=") or 1)
        except ValueError:
            continue
    return weights.get("gzip", weights.get("*", 0.0)) > 0


def _matches(header: str, tag: str) -> bool:
    """Return True if an ``If-None-Match`` names a tag."""
    found = [part.strip().removeprefix("W/") for part in header.split(",")]
    return tag in found or found == ["*"]
