"""The pages: files that are read once, at the start, and delivered by their names.

A path only looks up a table of these files, so that no other file can be reached. The shell of a page names all modules
that the page imports, so that a browser asks for them at once and not one after another.
"""

import gzip
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from posixpath import dirname, join, normpath

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from console.problems import error

STATIC = Path(__file__).with_name("static")
SHELL = "index.html"
PAGE = "page.js"  # module of a page, in a folder with the page's name
APP = "shared/app.js"  # module of the shell
_PLACE = b"<!-- modules -->"  # in the shell, for the links to the modules
_IMPORT = re.compile(rb"""^import\b(?!\()[^;"]*"(\.[^"]+)";""", re.MULTILINE)
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
    def of(cls, content: bytes, suffix: str) -> "Asset":
        """Return a file with some content and the suffix of its name."""
        compressed = gzip.compress(content, mtime=0) if suffix in _COMPRESSED else None
        if compressed and len(compressed) >= len(content):
            compressed = None
        return cls(content, compressed, _TYPES[suffix], hashlib.sha256(content).hexdigest()[:24])

    def response(self, request: Request) -> Response:
        """Return the response to GET or HEAD."""
        is_compressed = self.compressed is not None and _takes_gzip(request.headers.get("accept-encoding", ""))
        # Each form has another tag, as a strong tag names exact bytes.
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
    contents = {name: file.read_bytes() for name, file in files.items()}
    assets = {name: Asset.of(content, files[name].suffix) for name, content in contents.items()}
    pages = {name.removesuffix(f"/{PAGE}"): name for name in contents if name.endswith(f"/{PAGE}")}
    shells = {"": _shell(contents), **{page: _shell(contents, module) for page, module in pages.items()}}
    return assets | {page: Asset.of(content, Path(SHELL).suffix) for page, content in shells.items()}


def modules_of(contents: Mapping[str, bytes], name: str) -> list[str]:
    """Return the names of a module and of all modules that it imports, directly or through others.

    Args:
        contents: contents of the files by name.
        name: name of the module. Modules that are imported by a call, when they are needed, do not count.
    """
    found = [name]
    for module in found:  # grows meanwhile
        imported = [normpath(join(dirname(module), path.decode())) for path in _IMPORT.findall(contents[module])]
        found += [new for new in dict.fromkeys(imported) if new not in found]
    return found


def _shell(contents: Mapping[str, bytes], *modules: str) -> bytes:
    """Return the shell with links to its modules and to those of a page."""
    names = dict.fromkeys(name for module in (APP, *modules) for name in modules_of(contents, module))
    links = [f'<link rel="modulepreload" href="/console/{name}">'.encode() for name in names]
    return contents[SHELL].replace(_PLACE, b"\n    ".join(links))


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
