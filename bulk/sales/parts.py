"""Parts of tables: their columns, their rows as they go to the output, and as forecasts read them."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Final, Protocol

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import parquet

from bulk.damage import InputError, readable
from bulk.job import PARQUET, Part
from bulk.storage.places import storage_of
from training.sales.data.readers import UnreadableError, may_quote_commas, read_csv_lines
from training.sales.forecast_files.formats import RowsError, Source, names_of, without_blank_lines

BATCH: Final = 250_000  # rows of a Parquet file in memory

DistinctTexts = dict[str, NDArray[np.object_]]


class PartFile(Protocol):
    """A part whose file is open."""

    @property
    def names(self) -> list[str]:
        """Return the names of the columns."""
        ...

    def texts(self, dates: Sequence[str], numbers: Sequence[str]) -> DistinctTexts:
        """Return the distinct texts of columns, without blanks around them; nothing else is parsed.

        Args:
            dates: names of columns; those of another type are left out.
            numbers: names of columns that are left out too if no cell of the part has a comma.

        Raises:
            RowsError: if the part can't be read.
        """
        ...

    def batches(self) -> Iterator[tuple[pa.Table, Source]]:
        """Yield the rows, of a Parquet file a number at a time: a table for the output, and one for forecasts.

        Raises:
            RowsError: if the part can't be read.
        """
        ...


@contextmanager
def opened(part: Part) -> Iterator[PartFile]:
    """Open the file of a part."""
    with storage_of(part.file).open(part.file) as file:
        yield _Groups(part, file) if part.file.lower().endswith(PARQUET) else _Lines(part, file)


class _Lines:
    """Lines of a CSV file; all columns are texts."""

    def __init__(self, part: Part, file: IO[bytes]) -> None:
        self._part, self._file = part, file
        self._header = file.read(part.header)

    @property
    def names(self) -> list[str]:
        """Return the names of the columns."""
        return names_of(self._frame(b""))

    def texts(self, dates: Sequence[str], numbers: Sequence[str]) -> DistinctTexts:
        """Return the distinct texts of columns."""
        lines, names = self._lines(), self.names
        chosen = [*dates, *(numbers if may_quote_commas(self._header, lines) else ())]
        frame = self._frame(lines, [names.index(name) for name in chosen])
        return {name: _stripped(frame[name].unique()) for name in chosen}

    def batches(self) -> Iterator[tuple[pa.Table, Source]]:
        """Yield all rows."""
        frame = without_blank_lines(self._frame(self._lines()))
        texts = pa.schema([(name, pa.string()) for name in names_of(frame)])
        table = pa.Table.from_pandas(frame, texts, preserve_index=False)
        yield table.replace_schema_metadata(), Source(self._part.file, frame)

    def _lines(self) -> bytes:
        self._file.seek(self._part.first)
        return self._file.read(self._part.end - self._part.first)

    def _frame(self, lines: bytes, columns: list[int] | None = None) -> pd.DataFrame:
        try:
            return read_csv_lines(self._header, lines, self._part.line, columns)
        except UnreadableError as error:
            raise RowsError(f"{self._part.file}: {error}") from None


class _Groups:
    """Row groups of a Parquet file; columns have their types."""

    def __init__(self, part: Part, file: IO[bytes]) -> None:
        self._part = part
        with readable(part.file):
            self._opened = parquet.ParquetFile(file, pre_buffer=False, page_checksum_verification=True)

    @property
    def names(self) -> list[str]:
        """Return the names of the columns."""
        return list(self._opened.schema_arrow.names)

    def texts(self, dates: Sequence[str], numbers: Sequence[str]) -> DistinctTexts:
        """Return the distinct texts of columns."""
        schema = self._opened.schema_arrow
        chosen = [name for name in (*dates, *numbers) if _is_text(schema.field(name).type)]
        found: dict[str, set[str]] = {name: set() for name in chosen}
        for _, frame in self._tables(chosen) if chosen else ():
            for name, texts in found.items():
                texts.update(frame[name].dropna().unique())
        return {name: _stripped(texts) for name, texts in found.items()}

    def batches(self) -> Iterator[tuple[pa.Table, Source]]:
        """Yield the rows, a number at a time."""
        before = self._part.line
        for table, frame in self._tables():
            frame.index += before - 1  # as `read_parquet` has it
            before += len(table)
            yield table, Source(self._part.file, frame)

    def _tables(self, columns: list[str] | None = None) -> Iterator[tuple[pa.Table, pd.DataFrame]]:
        """Yield the rows, a number at a time.

        Raises:
            InputError: if the file is damaged.
        """
        groups = [*range(self._part.first, self._part.end)]
        try:
            with readable(self._part.file):
                yield from self._read(groups, columns)
        except InputError:
            for group in groups:  # the rows of a batch may be of several
                with readable(f"{self._part.file}: row group {group}, counted from 0"):
                    deque(self._read([group], columns), 0)
            raise

    def _read(self, groups: list[int], columns: list[str] | None) -> Iterator[tuple[pa.Table, pd.DataFrame]]:
        for batch in self._opened.iter_batches(BATCH, row_groups=groups, columns=columns):
            table = pa.Table.from_batches([batch]).replace_schema_metadata()
            yield table, table.to_pandas()


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _stripped(texts: Iterable[str]) -> NDArray[np.object_]:
    return np.array([text.strip() for text in texts], dtype=np.object_)
