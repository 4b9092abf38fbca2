"""The exported folder as a ZIP file that is written while it is sent, so that no part of it is held in memory."""

import hashlib
import zipfile
from collections.abc import Iterator
from io import RawIOBase
from pathlib import Path

from labelling.photos.files import BrokenFile
from labelling.projects.errors import BrokenPhotoError
from labelling.projects.exchange.decisions import Decision
from labelling.projects.exchange.export import TABLE, Plan

_CHUNK = 256 << 10  # bytes


class _Sink(RawIOBase):
    """A file that can't be read or searched, whose content is taken away piece by piece."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, piece: object) -> int:
        content = bytes(piece)  # type: ignore[call-overload] # a bytes-like object
        self._pieces.append(content)
        return len(content)

    def take(self) -> bytes:
        content = b"".join(self._pieces)
        self._pieces.clear()
        return content


def zip_export(plan: Plan) -> Iterator[bytes]:
    """Yield the pieces of a ZIP file with the folder that `export_folder` writes. Photos are not compressed again.

    Raises:
        ExportError: if labels are missing; before the first piece.
        BrokenPhotoError: if a photo has vanished or changed since the plan was made. The pieces then lack the end of a
            ZIP file, so that no program takes them for complete.
    """
    plan.check()
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
        for row in plan.chosen:
            yield from _photo(archive, sink, plan.place(row), row)
        with archive.open(zipfile.ZipInfo(TABLE), "w", force_zip64=True) as entry:
            for line in plan.table():
                entry.write(line.encode())
        yield sink.take()
    yield sink.take()


def zip_folder(folder: Path) -> Iterator[bytes]:
    """Yield the pieces of a ZIP file with the files of a folder, below its name."""
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            info = zipfile.ZipInfo(file.relative_to(folder.parent).as_posix())
            info.file_size = file.stat().st_size
            with file.open("rb") as content, archive.open(info, "w") as entry:
                while chunk := content.read(_CHUNK):
                    entry.write(chunk)
                    yield sink.take()
    yield sink.take()


def _photo(archive: zipfile.ZipFile, sink: _Sink, place: str, row: Decision) -> Iterator[bytes]:
    """Write a photo, and yield what there is to send. Its content is verified on the way."""
    info, digest = zipfile.ZipInfo(place), hashlib.sha256()
    info.file_size = row.photo.file.size
    try:
        with row.photo.file.path.open("rb") as photo, archive.open(info, "w") as entry:
            while chunk := photo.read(_CHUNK):
                digest.update(chunk)
                entry.write(chunk)
                yield sink.take()
    except OSError as error:
        broken = BrokenFile.of(row.photo.file.path, error)
        raise BrokenPhotoError(row.photo.name, broken.kind, broken.reason) from error
    if digest.hexdigest() != row.photo.sha256:
        raise BrokenPhotoError(
            row.photo.name, "unreadable", "the file has changed meanwhile; download the photos again"
        )
