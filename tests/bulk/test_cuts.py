"""bulk.cuts: parts of whole lines and row groups, with nothing lost."""

import csv
import io
from collections import Counter
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from bulk import cuts, work
from bulk.cuts import cut
from bulk.damage import InputError
from bulk.job import Part
from bulk.storage.local import LocalStorage
from bulk.storage.places import storage_of
from bulk.storage.storage import UnavailableError

NAMES = ["plain", "a,b", 'say "hi"', "two\nlines", "", "three\r\nwindows\nlines", '""', "ü", '"\n"']


def parts_of(file: Path, kind: str = "sales") -> list[Part]:
    return cut(kind, storage_of(str(file)).files(str(file)))  # type: ignore[arg-type]


def lines_of(file: Path, part: Part) -> str:
    return file.read_bytes()[part.first : part.end].decode()


@pytest.mark.parametrize("block", [7, 64, 1 << 20])
@pytest.mark.parametrize("size", [1, 50, 400])
def test_the_parts_of_a_csv_file_are_whole_rows_as_csv_reads_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, block: int
) -> None:
    """Python's csv reads each part alone and all parts together; commas, quotes and line ends are in the cells."""
    monkeypatch.setattr(cuts, "CSV_BYTES", size)
    monkeypatch.setattr(cuts, "_BLOCK", block)
    rng = np.random.default_rng(0)
    rows = [[str(number), NAMES[rng.integers(len(NAMES))], "x"] for number in range(200)]
    file = tmp_path / "rows.csv"
    with file.open("w", newline="", encoding="utf-8") as opened:
        csv.writer(opened, lineterminator="\n").writerows([["number", 'the "name"', "x"], *rows])
    parts = parts_of(file)
    assert [part.number for part in parts] == list(range(len(parts)))
    assert len(parts) > 1
    assert parts[0].first == parts[0].header == len(b'number,"the ""name""",x\n')
    assert parts[-1].end == file.stat().st_size
    found: list[list[str]] = []
    for part in parts:
        before = file.read_bytes()[part.header : part.first]
        assert part.line == before.count(b"\n")
        found += csv.reader(io.StringIO(lines_of(file, part), newline=""))
    assert found == rows


def test_a_file_whose_quotes_are_no_pairs_is_one_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuts, "CSV_BYTES", 10)
    file = tmp_path / "rows.csv"
    file.write_text("store,size\n" + '1,5"tall\n2,6"tall\n' * 20)
    assert [(part.first, part.end) for part in parts_of(file)] == [(11, file.stat().st_size)]


CELLS = [
    "1",
    '"two\nlines"',
    '"three\r\n\r\nlines"',
    '"x,y"',
    '"say ""hi"""',
    '""',
    '7"',
    '"',
    '"a"b',
    'a;"b',
    ",",
    '\n"',
]


@pytest.mark.parametrize("separator", [",", ";"])
def test_no_cut_is_in_a_row_of_any_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, separator: str) -> None:
    """Python's csv reads the parts of files with quotes in all places, alone and together."""
    monkeypatch.setattr(cuts, "CSV_BYTES", 10)
    rng, n_parts = np.random.default_rng(0), []
    for number in range(600):
        chosen = rng.choice(CELLS, rng.integers(1, len(CELLS)), replace=False)
        rows = [separator.join(rng.choice(chosen, rng.integers(2, 4))) for _ in range(rng.integers(2, 12))]
        content = f"store{separator}date" + "".join(rng.choice(["\n", "\n", "\r\n"]) + row for row in rows)
        file = tmp_path / f"{number}.csv"
        file.write_bytes(content.encode())
        monkeypatch.setattr(cuts, "_BLOCK", int(rng.choice([1, 5, 1000])))
        parts = parts_of(file)
        n_parts.append(len(parts))
        header, *expected = csv.reader(io.StringIO(content, newline=""), delimiter=separator)
        assert len(header) == 2
        assert parts[0].header == parts[0].first == len(content.splitlines(keepends=True)[0])
        assert [part.first for part in parts[1:]] == [part.end for part in parts[:-1]]
        assert parts[-1].end == len(content)
        texts = [lines_of(file, part) for part in parts]
        found = [row for text in texts for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator)]
        assert found == expected, content
    assert sum(count > 2 for count in n_parts) > 100
    assert sum(count == 1 for count in n_parts) > 100


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("head", ["store;date\n", "sep=;\nstore;date\n"])
def test_the_header_ends_after_a_byte_order_mark_and_the_line_of_excel(tmp_path: Path, mark: str, head: str) -> None:
    head = mark + head
    file = tmp_path / "rows.csv"
    file.write_text(head + "1;2015-08-01\n2;2015-08-02", encoding="utf-8")
    (part,) = parts_of(file)
    assert part.header == len(head.encode())
    assert (part.first, part.end, part.line) == (part.header, file.stat().st_size, 0)


@pytest.mark.parametrize("content", ["", "store,date\n", "store,date"])
def test_files_without_rows_are_left_out_unless_all_are(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises(InputError, match=r"a\.csv: there are no rows; add them"):
        parts_of(tmp_path)
    (tmp_path / "b.csv").write_text("store,date\n1,2015-08-01\n")
    (part,) = parts_of(tmp_path)
    assert Path(part.file).name == "b.csv"


@pytest.mark.parametrize("head", ['store,date,size"\n', 'sep=,\nstore,date,size"\n'])
def test_a_quote_in_a_name_of_the_header_doubles_no_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, head: str
) -> None:
    """Such a file is one part, because the quotes of its lines are no pairs."""
    monkeypatch.setattr(cuts, "CSV_BYTES", 30)
    lines = "".join(f"{number},2015-08-01,{number}{chr(34) * (number == 4)}\n" for number in range(1, 12))
    file = tmp_path / "rows.csv"
    file.write_text(head + lines)
    (part,) = parts_of(file)
    assert (part.header, lines_of(file, part)) == (len(head), lines)


def test_a_file_with_the_line_ends_of_old_macs_is_one_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuts, "CSV_BYTES", 10)
    file = tmp_path / "rows.csv"
    file.write_bytes(b"store,date\r1,2015-08-01\r2,2015-08-01\r")
    (part,) = parts_of(file)
    assert lines_of(file, part) == "1,2015-08-01\r2,2015-08-01\r"


def test_a_quote_in_the_header_that_is_not_closed_is_an_error(tmp_path: Path) -> None:
    """The other files have rows, so the job would run without this one."""
    (tmp_path / "a.csv").write_text("store,date\n1,2015-08-01\n")
    (tmp_path / "b.csv").write_text('store,"date\n1,2015-08-01\n')
    with pytest.raises(InputError, match=r"b\.csv: there are no rows, or a quote in the header is not closed"):
        parts_of(tmp_path)


def test_the_parts_of_a_parquet_file_are_its_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuts, "PARQUET_ROWS", 250)
    file = tmp_path / "rows.parquet"
    parquet.write_table(pa.table({"store": range(1001)}), file, row_group_size=100)
    found = [(part.first, part.end, part.line) for part in parts_of(file)]
    assert found == [(0, 3, 0), (3, 6, 300), (6, 9, 600), (9, 11, 900)]


def test_a_parquet_file_that_is_none_or_has_no_rows_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "rows.parquet"
    file.write_text("store,date\n")
    with pytest.raises(InputError, match=r"rows\.parquet: not Parquet, or damaged: .*[a-z]; write it again"):
        parts_of(file)
    parquet.write_table(pa.table({"store": pa.array([], pa.int64())}), file)
    with pytest.raises(InputError, match="there are no rows; add them"):
        parts_of(file)


def test_a_file_that_can_not_be_read_for_now_is_read_again_and_no_other_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, reads = LocalStorage.open, Counter[str]()

    def failing(storage: LocalStorage, place: str) -> IO[bytes]:
        reads[Path(place).name] += 1
        if Path(place).name == "03.csv" and reads["03.csv"] <= 2:
            raise UnavailableError(f"{place} can't be read: Stale file handle")
        return opened(storage, place)

    monkeypatch.setattr(LocalStorage, "open", failing)
    monkeypatch.setattr(work.time, "sleep", lambda seconds: None)
    for number in range(20):
        (tmp_path / f"{number:02}.csv").write_text("store,date\n1,2015-08-01\n")
    assert [Path(part.file).name for part in parts_of(tmp_path)] == [f"{number:02}.csv" for number in range(20)]
    others = {count for name, count in reads.items() if name != "03.csv"}
    assert {reads["03.csv"]} == {count + 2 for count in others}


def test_photos_are_parts_of_a_number_in_the_order_of_their_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cuts, "PHOTOS", 2)
    for name in ("c", "a", "b"):
        (tmp_path / f"{name}.jpg").touch()
    assert [[Path(photo).stem for photo in part.photos] for part in parts_of(tmp_path, "pets")] == [["a", "b"], ["c"]]
