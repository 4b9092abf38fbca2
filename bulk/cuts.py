"""Cuts: the input of a job in parts, always the same for the same input."""

import csv
import io
import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from pyarrow import parquet

from bulk.inputs import InputError, readable
from bulk.job import PARQUET, Kind, Part
from bulk.storage.places import storage_of
from bulk.storage.storage import File
from training.sales.data.readers import SEPARATORS

CSV_BYTES: Final = 8 << 20  # of a part of a CSV file, at least; why: seconds of work, and 100 MB of memory
PARQUET_ROWS: Final = 500_000  # rows of a part of a Parquet file, at least, in whole row groups
PHOTOS: Final = 128  # photos of a part
_BLOCK: Final = 8 << 20  # bytes that are looked through at a time
# A quote that neither begins nor ends a field and is no half of a doubled one: then quotes do not come in pairs.
_STRAY = re.compile(rb'[^"\n\r,;\t|]"[^"\n\r,;\t|]')

_NOTE = re.compile(rb"(\xef\xbb\xbf)?sep=")


def sizes(kind: Kind) -> dict[str, int]:
    """Return the sizes that decide the parts of a job; with other ones, it is another job."""
    return {"photos": PHOTOS} if kind == "pets" else {"csv_bytes": CSV_BYTES, "parquet_rows": PARQUET_ROWS}


def cut(kind: Kind, files: Sequence[File]) -> list[Part]:
    """Return the parts of some files.

    Raises:
        InputError: if no file has rows, or one is not what its name says.
    """
    if kind == "pets":
        places = [file.place for file in files]
        parts = [Part(0, photos=tuple(places[first : first + PHOTOS])) for first in range(0, len(places), PHOTOS)]
    else:
        parts = list(itertools.chain.from_iterable(map(_cut_table, files)))
        if not parts:
            raise InputError(f"{files[0].place}: there are no rows; add them")
    return [part._replace(number=number) for number, part in enumerate(parts)]


def _cut_table(file: File) -> Iterator[Part]:
    yield from _cut_parquet(file) if file.name.lower().endswith(PARQUET) else _cut_csv(file)


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
    """The end of a line.

    Attributes:
        byte: number of bytes up to it.
        line: number of lines up to it.
    """

    byte: int
    line: int


def _cut_csv(file: File) -> Iterator[Part]:
    """Yield parts of whole lines; a line goes on in quotes. A file whose quotes are no pairs is one part.

    There is no part if there is nothing below the header.
    """
    header, *cuts = _line_ends(file)
    if len(cuts) > 1 and not _is_one_row(file, header.byte):
        header, cuts = _first_line(file), cuts[-1:]
    if header.byte == cuts[-1].byte:
        return
    for begin, end in itertools.pairwise([header, *cuts]):
        yield Part(0, file.place, begin.byte, end.byte, header=header.byte, line=begin.line - header.line)


def _is_one_row(file: File, end: int) -> bool:
    """Return True if csv reads a header as one row; a quote that is part of a name would make it longer."""
    with storage_of(file.place).open(file.place) as opened:
        text = opened.read(min(end, _BLOCK)).decode("utf-8-sig", "replace")
    text = re.sub(r"^sep=.*\n", "", text)
    return all(len([*csv.reader(io.StringIO(text, newline=""), delimiter=mark)]) == 1 for mark in SEPARATORS)


def _first_line(file: File) -> _Line:
    """Return the end of the first line that is not Excel's note."""
    with storage_of(file.place).open(file.place) as opened:
        first = opened.readline()
        lines = [first, opened.readline()] if _NOTE.match(first) else [first]
    return _Line(sum(map(len, lines)), len(lines))


def _line_ends(file: File) -> list[_Line]:
    """Return the end of the header, some line ends at least `CSV_BYTES` apart, and the end of the file."""
    ends: list[_Line] = []
    offset = lines = quotes = 0  # before the block
    wanted, start, tail, has_stray = 0, b"", b"", False
    with storage_of(file.place).open(file.place) as opened:
        while block := opened.read(_BLOCK):
            start = start or block[:8]
            has_stray = has_stray or (b'"' in block and bool(_STRAY.search(tail + block)))
            counted = 0  # bytes of the block whose lines and quotes are counted
            while (newline := block.find(b"\n", max(wanted - offset, counted))) >= 0:
                lines += block.count(b"\n", counted, newline + 1)
                quotes += block.count(b'"', counted, newline + 1)
                counted = newline + 1
                wanted = offset + counted
                is_note = not ends and lines == 1 and _NOTE.match(start)  # Excel's line before the header
                if quotes % 2 == 0 and not is_note:
                    ends.append(_Line(wanted, lines))
                    wanted += CSV_BYTES
            lines += block.count(b"\n", counted)
            quotes += block.count(b'"', counted)
            offset, tail = offset + len(block), block[-2:]
    if not ends:
        return [_Line(offset, lines), _Line(offset, lines)]
    if ends[-1].byte < offset:
        ends.append(_Line(offset, lines))
    if len(ends) == 1:
        ends.append(ends[0])
    return [ends[0], ends[-1]] if has_stray else ends
