"""bulk.storage.local: files are created once and whole, and hidden ones are not read."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from bulk.storage.local import LocalStorage
from bulk.storage.storage import PlaceError, UnavailableError


def test_a_file_is_created_once(tmp_path: Path) -> None:
    place, storage = str(tmp_path / "new" / "part"), LocalStorage()
    assert storage.create(place, lambda file: file.write_text("first"))
    assert not storage.create(place, lambda file: file.write_text("second"))
    assert Path(place).read_text() == "first"
    assert storage.names(str(tmp_path / "new")) == ["part"]


def test_a_writer_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def write(file: Path) -> None:
        file.write_text("half")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        LocalStorage().create(str(tmp_path / "part"), write)
    assert [*tmp_path.iterdir()] == []


def test_files_below_a_folder_are_listed_by_name_without_hidden_ones(tmp_path: Path) -> None:
    for name in ("b/2.csv", "a.csv", "b/1.csv", ".hidden.csv", "_DSC1.csv", ".git/x.csv", "b/_temporary/y.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    found = LocalStorage().files(str(tmp_path))
    assert [file.name for file in found] == ["_DSC1.csv", "a.csv", "b/1.csv", "b/2.csv"]
    assert [file.size for file in found] == [9, 5, 7, 7]
    assert LocalStorage().files(str(tmp_path / "none")) == []
    (only,) = LocalStorage().files(str(tmp_path / "a.csv"))
    assert only.name == "a.csv"


def test_a_missing_file_and_a_file_in_the_way_are_errors(tmp_path: Path) -> None:
    with pytest.raises(PlaceError, match="none does not exist"):
        LocalStorage().open(str(tmp_path / "none"))
    (tmp_path / "file").touch()
    with pytest.raises(PlaceError, match="file is no folder that you may write; name another one"):
        LocalStorage().create(str(tmp_path / "file" / "part"), lambda file: None)


def test_an_error_in_the_middle_of_a_file_may_be_tried_again() -> None:
    """Linux opens a process's memory, and refuses to read its first page."""
    with (
        LocalStorage().open("/proc/self/mem") as file,
        pytest.raises(UnavailableError, match="mem can't be read: Input/output error"),
    ):
        file.read(10)


@pytest.mark.parametrize("use", [LocalStorage.names, LocalStorage.sweep])
def test_a_folder_that_can_not_be_listed_now_may_be_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, use: Callable[[LocalStorage, str], object]
) -> None:
    def fail(folder: object) -> None:
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    monkeypatch.setattr(os, "listdir", fail)
    with pytest.raises(UnavailableError, match="can't be read: Stale file handle"):
        use(LocalStorage(), str(tmp_path))


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [(errno.EPERM, PlaceError, "file system without hard links"), (errno.ENOSPC, UnavailableError, "No space left")],
)
def test_a_file_system_that_is_full_may_be_tried_again_and_one_without_links_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, kind: type[Exception], words: str
) -> None:
    def link(*paths: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "link", link)
    with pytest.raises(kind, match=words):
        LocalStorage().create(str(tmp_path / "part"), lambda file: file.write_text("text"))
    assert [*tmp_path.iterdir()] == []


def test_links_to_folders_are_followed_once(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.csv").touch()
    (tmp_path / "in" / "sub").mkdir(parents=True)
    (tmp_path / "in" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "in" / "sub" / "up").symlink_to(tmp_path / "in")
    assert [file.name for file in LocalStorage().files(str(tmp_path / "in"))] == ["linked/a.csv"]
