"""Maps of a project: coordinates of its rows, made once for a version of the rows and aligned to each other.

Files hold maps as they were made. They are aligned when they are read, so that a file may be removed at any time.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from console.labels.service import SeenTable
from labelling.features.spaces import Space
from labelling.maps.alignment import align
from labelling.maps.components import principal
from labelling.maps.independent import independent
from labelling.maps.pacmap import lay_out
from labelling.projects.photos import make_inside
from runtime.folder import write_file
from schemas.labels.maps import ProjectionName

Positions = NDArray[np.float32]  # [row, 2]

FOLDER = "maps"  # in that of the project
REFERENCE = Space("final", "what")  # its components 1 and 2 are the map that others are aligned to
DIMENSIONS = 50  # principal components that are laid out
PROJECTIONS: Mapping[ProjectionName, str] = {
    "pca-1-2": "the two directions in which photos differ most",
    "pca-3-4": "the next two directions",
    "pacmap": "neighbours stay together",
    "ica": "two independent directions",
}
_ENTRY = np.dtype([("photo", "u1", 32), ("position", "<f4", 2)])


class MapFiles:
    """Files with maps, one for each space and projection, and one for the reference.

    A file has the hash and the position of each photo, so that it also serves the photos of a later version.

    Args:
        project: folder of the project.
    """

    def __init__(self, project: Path) -> None:
        self._project, self._folder = project, project / FOLDER

    def read(self, name: str, version: str, photos: Sequence[str]) -> Positions | None:
        """Return a map of a version of the rows; None if there is none."""
        content = self._content(self._path(name, version))
        known = None if content is None else content["photo"].tobytes()
        return None if content is None or known != _bytes(photos) else content["position"].copy()

    def earlier(self, name: str, photos: Sequence[str]) -> Positions | None:
        """Return the positions that photos had on the latest map, NaN for new photos; None without a map."""
        times = {}
        for file in self._folder.glob(f"{name}.*.map"):
            with suppress(FileNotFoundError):
                times[file] = file.stat().st_mtime_ns
        content = self._content(max(times, key=times.__getitem__)) if times else None
        if content is None:
            return None
        known = dict(zip((photo.tobytes().hex() for photo in content["photo"]), content["position"], strict=True))
        missing = np.full(2, np.nan, np.float32)
        return np.array([known.get(photo, missing) for photo in photos], np.float32).reshape(-1, 2)

    def write(self, name: str, version: str, photos: Sequence[str], positions: Positions) -> None:
        """Write a map, and remove those of other versions. A full disk costs the file alone.

        Raises:
            UnknownError: if the project has been deleted.
        """
        content = np.empty(len(photos), _ENTRY)
        content["photo"] = np.frombuffer(_bytes(photos), np.uint8).reshape(-1, 32)
        content["position"] = positions
        file = self._path(name, version)
        self._write(file, content.tobytes())
        for other in self._folder.glob(f"{name}.*.map"):
            if other != file:
                other.unlink(missing_ok=True)
        self._progress(name).unlink(missing_ok=True)

    def report(self, name: str, step: int) -> None:
        """Write the number of steps that a map has done, for other processes."""
        self._write(self._progress(name), json.dumps(step).encode())

    def step(self, name: str) -> int:
        """Return the number of steps that a map has done; 0 if nobody makes it."""
        with suppress(FileNotFoundError, ValueError):
            return int(json.loads(self._progress(name).read_bytes()))
        return 0

    def _write(self, file: Path, content: bytes) -> None:
        make_inside(self._project, self._folder)
        with suppress(OSError):
            write_file(file, content, mode=0o600)

    def _path(self, name: str, version: str) -> Path:
        return self._folder / f"{name}.{hashlib.sha256(version.encode()).hexdigest()[:16]}.map"

    def _progress(self, name: str) -> Path:
        return self._folder / f"{name}.step"

    @staticmethod
    def _content(file: Path) -> NDArray[np.void] | None:
        with suppress(FileNotFoundError):
            content = file.read_bytes()
            if len(content) % _ENTRY.itemsize == 0:
                return np.frombuffer(content, _ENTRY)
        return None


def map_name(space: Space, projection: ProjectionName) -> str:
    """Return the name of a map's file.

    >>> map_name(Space("final", "what"), "pacmap")
    'final-what.pacmap'
    """
    return f"{space.name}.{projection}"


def lay_out_map(project: Path, name: str, version: str, photos: Sequence[str], rows: NDArray[np.float32]) -> Positions:
    """Return a map by PaCMAP, and write its file. It starts from the latest map of this name, and reports its steps."""
    files = MapFiles(project)
    for layout in lay_out(rows, previous=files.earlier(name, photos)):
        files.report(name, layout.step)
    files.write(name, version, photos, layout.positions)
    return layout.positions


def quick_map(projection: ProjectionName, rows: NDArray[np.float32]) -> Positions:
    """Return a map that takes less than a second: any but PaCMAP."""
    if projection == "ica":
        return independent(rows)
    return principal(rows, 2 if projection == "pca-3-4" else 0)


def map_content(
    files: MapFiles, rows: SeenTable, space: Space, projection: ProjectionName, made: Positions | None
) -> bytes:
    """Return a map as the page reads it: two float32 numbers a row, little endian.

    Args:
        files: the project's maps.
        rows: the rows.
        space: the space.
        projection: the projection.
        made: the map, if it is made already.
    """
    if not rows.photos:
        return b""
    reference = reference_map(files, rows.version, rows.photos, rows.array(REFERENCE))
    if made is None:
        made = quick_map(projection, rows.array(space))
    return as_bytes(fitted(align(made, reference)))


def reference_map(files: MapFiles, version: str, photos: Sequence[str], rows: NDArray[np.float32]) -> Positions:
    """Return the map that others are aligned to. It stays near that of the rows before.

    Args:
        files: the project's maps.
        version: version of the rows.
        photos: hashes of the photos.
        rows: the photos in the space REFERENCE.
    """
    known = files.read("reference", version, photos)
    if known is not None:
        return known
    made = principal(rows)
    earlier = files.earlier("reference", photos)
    reference = fitted(made if earlier is None else align(made, earlier))
    files.write("reference", version, photos, reference)
    return reference


def fitted(positions: Positions) -> Positions:
    """Return a map that fills the square from -1 to 1, whatever its aspect and its gaps.

    Along each axis a photo lies halfway between its place and its rank. So no two photos change their order there. A
    few photos far out, or the gap between two groups, leave less of the square empty.

    >>> fitted(np.array([[0, 0], [1, 0], [4, 2]], np.float32)).tolist()
    [[-1.0, -1.0], [-0.25, -1.0], [1.0, 1.0]]
    """
    return np.stack([_spread(axis) for axis in positions.T.astype(np.float64)], axis=1).astype(np.float32)


def _spread(axis: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return numbers from -1 to 1, halfway between the values of an axis and their ranks; equal values stay equal."""
    ordered = np.sort(axis)
    rank = (ordered.searchsorted(axis, "left") + ordered.searchsorted(axis, "right")).astype(np.float64)
    return _unit(_unit(axis) + _unit(rank))


def _unit(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return values scaled to -1 to 1; 0 if all are equal."""
    low, high = values.min(initial=np.inf), values.max(initial=-np.inf)
    return np.zeros_like(values) if high <= low else (2 * (values - low) / (high - low) - 1).clip(-1, 1)


def as_bytes(positions: Positions) -> bytes:
    """Return positions as the page reads them: two float32 numbers a row, little endian."""
    return positions.astype("<f4").tobytes()


def _bytes(photos: Sequence[str]) -> bytes:
    return bytes.fromhex("".join(photos))
