"""Cuts: the input of a job in parts, always the same for the same input."""

import csv
import io
import itertools
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import IO, Final, NamedTuple

import numpy as np
from pyarrow import parquet

from bulk.damage import InputError, readable
from bulk.job import PARQUET, Kind, Part
from bulk.storage.places import storage_of
from bulk.storage.storage import File
from bulk.work import again
from training.sales.data.readers import SEPARATORS, separator_of

CSV_BYTES: Final = 8 << 20  # of a part of a CSV file, at least; why: seconds of work, and 100 MB of memory
PARQUET_ROWS: Final = 500_000  # rows of a part of a Parquet file, at least, in whole row groups
PHOTOS: Final = 128  # photos of a part
_BLOCK: Final = 8 << 20  # bytes that are looked through at a time
_READERS: Final = 8  # files that are read at a time; why: an object store needs 50 ms for each


def sizes(kind: Kind) -> dict[str, int]:
    """Return the sizes that decide the parts of a job; with other ones, it is another job."""
    return {"photos": PHOTOS} if kind == "pets" else {"csv_bytes": CSV_BYTES, "parquet_rows": PARQUET_ROWS}


def cut(kind: Kind, files: Sequence[File]) -> list[Part]:
    """Return the parts of some files.

    Raises:
        InputError: if no file has rows, or one is not what its name says.
        UnavailableError: if a file can't be read again and again.
    """
    if kind == "pets":
        places = [file.place for file in files]
        parts = [Part(0, photos=tuple(places[first : first + PHOTOS])) for first in range(0, len(places), PHOTOS)]
    else:
        stop = threading.Event()
        with ThreadPoolExecutor(_READERS) as pool:
            try:
                cuts = pool.map(lambda file: again(partial(_cut_table, file, stop)), files)
                parts = list(itertools.chain.from_iterable(cuts))
            except BaseException:  # also Ctrl-C
                stop.set()
                raise
        if not parts:
            raise InputError(f"{files[0].place}: there are no rows; add them")
    return [part._replace(number=number) for number, part in enumerate(parts)]


def _cut_table(file: File, stop: threading.Event) -> list[Part]:
    return list(_cut_parquet(file) if file.name.lower().endswith(PARQUET) else _cut_csv(file, stop))


def _cut_parquet(file: File) -> Iterator[Part]:
    """Yield parts of whole row groups."""
    with storage_of(file.place).open(file.place) as opened, readable(file.place):
        found = parquet.read_metadata(opened)
        rows = [found.row_group(group).num_rows for group in range(found.num_row_groups)]
    first = before = pending = 0
    for group, count in enumerate(rows):
        pending += count
        if pending >= PARQUET_ROWS or group == len(rows) - 1:
            if pending:
                yield Part(0, file.place, first, group + 1, line=before)
            first, before, pending = group + 1, before + pending, 0


class _Line(NamedTuple):
    """The end of a row.

    Attributes:
        byte: number of bytes up to it.
        line: number of lines up to it.
    """

    byte: int
    line: int


def _cut_csv(file: File, stop: threading.Event) -> Iterator[Part]:
    """Yield parts of whole rows; a row may have several lines, in quotes. There is no part without rows."""
    with storage_of(file.place).open(file.place) as opened:
        head = _head(opened)
    if head.end.byte == file.size:
        if head.lines > 1:
            raise InputError(f"{file.place}: there are no rows, or a quote in the header is not closed; correct it")
        return
    for begin, end in itertools.pairwise([head.end, *_row_ends(file, head, stop)]):
        yield Part(0, file.place, begin.byte, end.byte, header=head.end.byte, line=begin.line - head.end.line)


class _Head(NamedTuple):
    """The header of a CSV file, and Excel's line before it if there is one.

    Attributes:
        separator: separator of the fields.
        lines: number of the header's lines.
        end: its end.
    """

    separator: str
    lines: int
    end: _Line


def _head(opened: IO[bytes]) -> _Head:
    """Return the header, which is one row for Python's csv. Lines end as on Windows, Linux or old Macs."""
    text = io.TextIOWrapper(opened, "latin-1", newline="")  # a character is a byte
    first = text.readline()
    separator, n_notes = separator_of(first.encode("latin-1"))
    read = [first] if n_notes else []

    def following() -> Iterator[str]:
        for line in text if n_notes else itertools.chain([first], text):
            read.append(line)
            yield line.removeprefix("\xef\xbb\xbf")  # a mark of UTF-8, before a quote

    if separator in SEPARATORS:
        with suppress(csv.Error):  # of a header beyond all bounds, which pandas describes
            next(csv.reader(following(), delimiter=separator), None)
    else:
        next(following(), None)
    return _Head(separator, len(read) - n_notes, _Line(sum(map(len, read)), sum(line.count("\n") for line in read)))


def _row_ends(file: File, head: _Head, stop: threading.Event) -> list[_Line]:
    """Return some ends of rows at least `CSV_BYTES` apart, and the end of the file.

    A row ends with a line that has an even number of quotes before it. That is so only if every other quote begins a
    field, or doubles the quote before it. In a file with another quote, such as ``5"``, nothing is sure but the end.
    """
    if head.separator not in SEPARATORS:
        return [_Line(file.size, 0)]
    before_field = np.frombuffer(f'{head.separator}\n\r"'.encode(), np.uint8)
    ends: list[_Line] = []
    (offset, lines), quotes, last = head.end, 0, b"\n"  # before the block
    wanted = offset + CSV_BYTES
    with storage_of(file.place).open(file.place) as opened:
        opened.seek(offset)
        while not stop.is_set() and (block := opened.read(_BLOCK)):
            if b'"' in block:
                characters = np.frombuffer(last + block, np.uint8)
                places = np.flatnonzero(characters == ord('"'))
                opening = places[places > 0][quotes % 2 :: 2]
                if not np.isin(characters[opening - 1], before_field).all():
                    return [_Line(file.size, lines)]
            counted = 0  # bytes of the block whose lines and quotes are counted
            while (newline := block.find(b"\n", max(wanted - offset, counted))) >= 0:
                lines += block.count(b"\n", counted, newline + 1)
                quotes += block.count(b'"', counted, newline + 1)
                counted = newline + 1
                wanted = offset + counted
                if quotes % 2 == 0:
                    ends.append(_Line(wanted, lines))
                    wanted += CSV_BYTES
            lines += block.count(b"\n", counted)
            quotes += block.count(b'"', counted)
            offset, last = offset + len(block), block[-1:]
    if not ends or ends[-1].byte < offset:
        ends.append(_Line(offset, lines))
    return ends
