"""labelling.features.table: rows of photos survive killed writers, several writers, and other keys."""

import hashlib
import multiprocessing
import os
import signal
from pathlib import Path

import numpy as np
import pytest

from labelling.features import table as module
from labelling.features.table import FeatureTable, PhotoFacts
from runtime.folder import FolderError

KEY, OTHER = "a" * 64, "b" * 64
WIDTH = 50


def fact(number: int) -> PhotoFacts:
    return PhotoFacts(hashlib.sha256(str(number).encode()).hexdigest(), 100 + number, 200, (1 << 63) + number)


def values(*numbers: int) -> np.ndarray:
    """Return the row of each photo, exact in float16."""
    return np.array([np.arange(WIDTH) + number for number in numbers], np.float32)


def append(table: FeatureTable, *numbers: int) -> None:
    table.append([fact(number) for number in numbers], values(*numbers))


def read(table: FeatureTable, *numbers: int) -> np.ndarray:
    return table.read(table.numbers([fact(number).sha256 for number in numbers]), slice(0, WIDTH))


def test_rows_are_read_as_they_were_written_in_any_order(tmp_path: Path) -> None:
    table = FeatureTable(tmp_path, KEY, WIDTH)
    append(table, 1, 2)
    append(table, 3)
    for opened in (table, FeatureTable(tmp_path, KEY, WIDTH)):
        assert opened.facts == [fact(1), fact(2), fact(3)]
        np.testing.assert_array_equal(read(opened, 3, 1, 3), values(3, 1, 3))
        np.testing.assert_array_equal(opened.read(np.array([1]), slice(7, 9)), values(2)[:, 7:9])
        assert fact(2).sha256 in opened
        assert opened.numbers([fact(9).sha256, fact(3).sha256]).tolist() == [-1, 2]


def test_a_photo_has_one_row(tmp_path: Path) -> None:
    table = FeatureTable(tmp_path, KEY, WIDTH)
    append(table, 1, 1, 2)
    table.append([fact(2), fact(3)], values(7, 3))
    assert table.facts == [fact(1), fact(2), fact(3)]
    np.testing.assert_array_equal(read(table, 1, 2, 3), values(1, 2, 3))


def test_rows_that_do_not_exist_are_rejected(tmp_path: Path) -> None:
    table = FeatureTable(tmp_path, KEY, WIDTH)
    append(table, 1)
    for number in (-1, 1):
        with pytest.raises(IndexError, match="has 1 rows"):
            table.read(np.array([0, number]), slice(0, 1))
    assert table.read(np.array([], np.int64), slice(0, 2)).shape == (0, 2)


def test_values_beyond_float16_become_its_largest(tmp_path: Path) -> None:
    table = FeatureTable(tmp_path, KEY, 3)
    table.append([fact(1)], np.array([[1e9, -1e9, 0.5]]))
    assert table.read(np.array([0]), slice(0, 3)).tolist() == [[65504.0, -65504.0, 0.5]]


def test_another_network_reads_none_of_the_rows(tmp_path: Path) -> None:
    one, other = FeatureTable(tmp_path, KEY, WIDTH), FeatureTable(tmp_path, OTHER, WIDTH)
    append(one, 1)
    other.append([fact(1)], values(5))
    assert fact(1).sha256 not in FeatureTable(tmp_path, "c" * 64, WIDTH)
    np.testing.assert_array_equal(read(one, 1), values(1))
    np.testing.assert_array_equal(read(FeatureTable(tmp_path, OTHER, WIDTH), 1), values(5))


def kill_in_write(folder: Path, write: int, share: float) -> None:
    """Append two rows, and die in one of the writes of two further ones, after a share of its bytes."""
    table = FeatureTable(folder, KEY, WIDTH)
    append(table, 1, 2)
    count, complete = 0, module._write

    def die(file: Path, offset: int, content: bytes) -> None:
        nonlocal count
        count += 1
        if count == write:
            complete(file, offset, content[: int(len(content) * share)])
            os.kill(os.getpid(), signal.SIGKILL)
        complete(file, offset, content)

    module._write = die
    append(table, 3, 4)


@pytest.mark.parametrize("write", [1, 2])
@pytest.mark.parametrize(("share", "rows"), [(0, 2), (0.3, 2), (0.5, 3), (0.7, 3), (1, 4)])
def test_a_killed_writer_leaves_complete_rows_alone(tmp_path: Path, write: int, share: float, rows: int) -> None:
    process = multiprocessing.get_context("spawn").Process(target=kill_in_write, args=(tmp_path, write, share))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    expected = 2 if write == 1 else rows  # entries come second, so that rows without an entry do not count
    table = FeatureTable(tmp_path, KEY, WIDTH)
    assert len(table) == expected
    np.testing.assert_array_equal(read(table, *range(1, expected + 1)), values(*range(1, expected + 1)))
    append(table, 5, 4, 3)  # over the rest of the killed writer
    for opened in (table, FeatureTable(tmp_path, KEY, WIDTH)):
        assert len(opened) == 5
        np.testing.assert_array_equal(read(opened, 1, 2, 3, 4, 5), values(1, 2, 3, 4, 5))


@pytest.mark.parametrize("damage", ["zeros", "bit", "rows", "another place"])
def test_a_damaged_entry_ends_the_table(tmp_path: Path, damage: str) -> None:
    append(FeatureTable(tmp_path, KEY, WIDTH), 1, 2, 3)
    rows, entries = tmp_path / KEY / "rows.f16", tmp_path / KEY / "photos.bin"
    content = bytearray(entries.read_bytes())
    size = len(content) // 3
    if damage == "zeros":  # a disk that lost its power may leave them
        content[size : 2 * size] = bytes(size)
    elif damage == "bit":
        content[size + 5] ^= 1
    elif damage == "another place":
        content[size : 2 * size] = content[:size]
    else:
        os.truncate(rows, WIDTH * 2 + 9)
    entries.write_bytes(content)
    table = FeatureTable(tmp_path, KEY, WIDTH)
    assert table.facts == [fact(1)]
    append(table, 2, 3)
    np.testing.assert_array_equal(read(FeatureTable(tmp_path, KEY, WIDTH), 1, 2, 3), values(1, 2, 3))


def append_many(folder: Path, first: int) -> None:
    table = FeatureTable(folder, KEY, WIDTH)
    for number in range(first, first + 60):
        append(table, number)


def test_several_processes_append_at_once(tmp_path: Path) -> None:
    reader = FeatureTable(tmp_path, KEY, WIDTH)
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=append_many, args=(tmp_path, first)) for first in (0, 30, 60)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert len(reader) == 0
    assert reader.refresh() == 120
    assert {found.sha256 for found in reader.facts} == {fact(number).sha256 for number in range(120)}
    np.testing.assert_array_equal(read(reader, *range(120)), values(*range(120)))


def test_only_the_owner_reads_the_files(tmp_path: Path) -> None:
    append(FeatureTable(tmp_path / "features", KEY, WIDTH), 1)
    assert {file.stat().st_mode & 0o077 for file in (tmp_path / "features" / KEY).iterdir()} == {0}


def test_a_folder_that_can_not_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FolderError, match=r"file/a+ can't be written: Not a directory; name another folder"):
        FeatureTable(tmp_path / "file", KEY, WIDTH)
