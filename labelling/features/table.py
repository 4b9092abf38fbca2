"""Tables of features on disk: a row of float16 numbers for each photo, which is known by the hash of its file.

::

    FOLDER/KEY/rows.f16      rows, one after the other; they are mapped into memory
    FOLDER/KEY/photos.bin    an entry for each row: hash, size and look of the photo, and a checksum

The key names what the rows depend on, such as a network. Tables of several keys lie side by side, and none reads the
rows of another. A row is written and flushed before its entry, so that a row without a valid entry does not count. A
killed writer therefore loses its last rows and nothing else. Several processes may append: each takes a lock. An open
table has a shared lock of its entries, so that `remove_others` leaves it.
"""

import os
import re
import shutil
import weakref
import zlib
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from runtime.folder import FolderError
from runtime.lock import lock

_ENTRY = np.dtype(
    [("sha256", "u1", 32), ("width", "<u4"), ("height", "<u4"), ("dhash", "<u8"), ("row", "<u4"), ("check", "<u4")]
)
_ENTRIES = "photos.bin"
_LARGEST = float(np.finfo(np.float16).max)
_BLOCK = 1 << 24  # values that are read at once; why: a table may be larger than the memory


class PhotoFacts(NamedTuple):
    """A photo that was decoded.

    Attributes:
        sha256: SHA-256 of its file, hexadecimal.
        width: width of the upright photo, pixels.
        height: height of the upright photo, pixels.
        dhash: 64 bits that near duplicates share; see `labelling.photos.looks.dhash`.
    """

    sha256: str
    width: int
    height: int
    dhash: int


class FeatureTable:
    """Rows of features by photo, in a folder.

    Args:
        folder: folder of all tables; it is created.
        key: hash of everything that the rows depend on besides the photo, hexadecimal.
        width: number of columns.

    Raises:
        FolderError: if the folder can't be written.
    """

    def __init__(self, folder: Path, key: str, width: int) -> None:
        self.folder, self.width = folder / key, width
        self._rows, self._entries = self.folder / "rows.f16", self.folder / _ENTRIES
        try:
            self._open()
        except OSError as error:
            raise FolderError(f"{self.folder} can't be written: {error.strerror}; name another folder") from None
        self.facts: list[PhotoFacts] = []
        self._numbers: dict[str, int] = {}
        self._mapped: NDArray[np.float16] = np.empty((0, width), np.float16)
        self.refresh()

    def _open(self) -> None:
        """Create the files that are missing, and hold the lock of the entries as long as this table lives."""
        opened = ExitStack()
        weakref.finalize(self, opened.close)
        is_there: bool | None = False
        while is_there is False:  # another process has removed the table meanwhile
            opened.close()
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with suppress(FileNotFoundError):
                for file in (self._rows, self._entries):
                    file.touch(mode=0o600)
                is_there = opened.enter_context(lock(self._entries, wait=True, shared=True))

    def __len__(self) -> int:
        return len(self.facts)

    def __contains__(self, sha256: str) -> bool:
        return sha256 in self._numbers

    def refresh(self) -> int:
        """Read the rows that other processes have appended; return the number of all rows."""
        first = len(self.facts)
        size = self._rows.stat().st_size // self._row_bytes
        with self._entries.open("rb") as file:
            file.seek(first * _ENTRY.itemsize)
            content = file.read()
        entries = np.frombuffer(content, _ENTRY, len(content) // _ENTRY.itemsize)
        for number, entry in enumerate(entries[: max(size - first, 0)], first):
            if entry["row"] != number or entry["check"] != _check(entry):
                break
            sha256 = entry["sha256"].tobytes().hex()
            self._numbers[sha256] = number
            self.facts.append(PhotoFacts(sha256, int(entry["width"]), int(entry["height"]), int(entry["dhash"])))
        if len(self.facts) > len(self._mapped):
            self._mapped = np.memmap(self._rows, np.float16, "r", shape=(len(self.facts), self.width))
        return len(self.facts)

    def append(self, facts: Sequence[PhotoFacts], rows: NDArray[np.floating]) -> None:
        """Append the rows of photos that the table does not have.

        Args:
            facts: the photos.
            rows: ``[photo, column]``. Values beyond those of float16 become its largest.
        """
        with lock(self.folder, wait=True):
            self.refresh()
            new = {fact.sha256: i for i, fact in enumerate(facts) if fact.sha256 not in self._numbers}
            if not new:
                return
            chosen = list(new.values())
            values = np.clip(np.asarray(rows, np.float32)[chosen], -_LARGEST, _LARGEST).astype(np.float16)
            first = len(self.facts)
            _write(self._rows, first * self._row_bytes, values.tobytes())
            entries = np.zeros(len(chosen), _ENTRY)
            for number, (entry, i) in enumerate(zip(entries, chosen, strict=True), first):
                entry["sha256"] = np.frombuffer(bytes.fromhex(facts[i].sha256), np.uint8)
                entry["width"], entry["height"], entry["dhash"] = facts[i][1:]
                entry["row"] = number
                entry["check"] = _check(entry)
            _write(self._entries, first * _ENTRY.itemsize, entries.tobytes())
            self.refresh()

    def numbers(self, photos: Sequence[str]) -> NDArray[np.int64]:
        """Return the row number of each photo, by hash; -1 for a photo that the table does not have."""
        return np.fromiter((self._numbers.get(sha256, -1) for sha256 in photos), np.int64, len(photos))

    def read(self, numbers: NDArray[np.int64], columns: slice) -> NDArray[np.float32]:
        """Return some columns of rows, ``[row, column]``, by row number.

        Raises:
            IndexError: if the table does not have a row.
        """
        if len(numbers) and not 0 <= numbers.min() <= numbers.max() < len(self):
            raise IndexError(f"the table has {len(self)} rows; {numbers.min()} to {numbers.max()} are asked for")
        result = np.empty((len(numbers), columns.stop - columns.start), np.float32)
        step = max(_BLOCK // max(result.shape[1], 1), 1)
        for start in range(0, len(numbers), step):
            result[start : start + step] = self._mapped[numbers[start : start + step], columns]
        return result

    @property
    def _row_bytes(self) -> int:
        return self.width * 2


def remove_others(folder: Path, key: str) -> None:
    """Remove the tables of other keys from a folder, except for those that somebody has open."""
    for other in folder.iterdir():
        if other.name == key or not re.fullmatch(r"[0-9a-f]{64}", other.name):
            continue
        with suppress(OSError), lock(other / _ENTRIES) as is_free:
            if is_free:
                shutil.rmtree(other, ignore_errors=True)


def _check(entry: np.void) -> int:
    """Return the checksum of an entry's other fields."""
    return zlib.crc32(entry.tobytes()[: -_ENTRY["check"].itemsize])


def _write(file: Path, offset: int, content: bytes) -> None:
    """Write and flush a part of a file; what a killed writer has left there is overwritten."""
    descriptor = os.open(file, os.O_WRONLY)
    try:
        while content:
            written = os.pwrite(descriptor, content, offset)
            content, offset = content[written:], offset + written
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
