"""runtime.folder: atomic writes of folders and files."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runtime import folder as folders
from runtime.folder import FolderError, check_file, check_target, make_private, new_folder, sha256, write_file


class Interrupted(BaseException):
    """An interruption that is no `Exception`, like KeyboardInterrupt."""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_appears_when_it_is_complete(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "down" / "target"
    with new_folder(target) as part:
        (part / "file").write_text("new")
        assert part.parent == target.parent  # so that a rename suffices
        assert not target.exists()
    assert (target / "file").read_text() == "new"
    assert names(target.parent) == ["target"]


def test_an_incomplete_folder_is_in_the_staging_folder(tmp_path: Path) -> None:
    (tmp_path / "staging").mkdir()
    killed = tmp_path / "staging" / ".target.abcd1234.part"  # nobody holds its lock
    killed.mkdir()
    with new_folder(tmp_path / "served" / "target", staging=tmp_path / "staging") as part:
        (part / "file").write_text("new")
        assert names(tmp_path / "staging") == [part.name]
        assert names(tmp_path / "served") == []
    assert (tmp_path / "served" / "target" / "file").read_text() == "new"
    assert names(tmp_path / "staging") == []


def test_a_private_folder_has_private_parents(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir(mode=0o755)
    for _ in range(2):
        make_private(tmp_path / "shared" / "review" / "incoming")
    modes = [path.stat().st_mode & 0o777 for path in sorted((tmp_path / "shared").rglob("*"))]
    assert modes == [0o700, 0o700]
    assert (tmp_path / "shared").stat().st_mode & 0o777 == 0o755


def test_everyone_may_read_a_new_folder(tmp_path: Path) -> None:
    with new_folder(tmp_path / "target") as part:
        (part / "file").write_text("new")
        (part / "file").chmod(0o600)
    assert (tmp_path / "target").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "target" / "file").stat().st_mode & 0o777 == 0o644


def test_nobody_else_may_read_a_private_folder(tmp_path: Path) -> None:
    with new_folder(tmp_path / "target", rights="private") as part:
        (part / "file").write_text("new")
        (part / "file").chmod(0o644)
    assert (tmp_path / "target").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "target" / "file").stat().st_mode & 0o777 == 0o600


def test_linked_files_keep_their_rights(tmp_path: Path) -> None:
    (tmp_path / "original").touch(mode=0o640)
    (tmp_path / "original").chmod(0o640)
    with new_folder(tmp_path / "target", rights="kept") as part:
        os.link(tmp_path / "original", part / "file")
    assert (tmp_path / "target").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "original").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("error", [ValueError, Interrupted])
@pytest.mark.parametrize("old", [False, True])
def test_an_error_changes_nothing(tmp_path: Path, error: type[BaseException], old: bool) -> None:
    target = tmp_path / "target"
    if old:
        target.mkdir()
        (target / "file").write_text("old")

    def build() -> None:
        with new_folder(target, replace=True) as part:
            (part / "file").write_text("half")
            raise error

    with pytest.raises(error):
        build()
    assert names(tmp_path) == (["target"] if old else [])
    assert not old or (target / "file").read_text() == "old"


@pytest.mark.parametrize("exchange", ["in one step", "in two"])
def test_a_folder_is_replaced_atomically(tmp_path: Path, exchange: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if exchange == "in two":  # like a system without an atomic exchange
        monkeypatch.setattr(folders, "_exchange", lambda one, other: False)
    target = tmp_path / "target"
    target.mkdir()
    (target / "gone").write_text("old")
    (target / "file").write_text("old")
    with new_folder(target, replace=True) as part:
        (part / "file").write_text("new")
        assert (target / "file").read_text() == "old"
    assert names(target) == ["file"]
    assert (target / "file").read_text() == "new"
    assert names(tmp_path) == ["target"]


def test_linux_exchanges_names_in_one_step(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    if folders._exchange(tmp_path / "one", tmp_path / "other"):
        assert names(tmp_path / "one") == ["other"]
        assert names(tmp_path / "other") == ["one"]
    else:
        assert os.uname().sysname != "Linux"
    with pytest.raises(OSError, match="nowhere"):
        folders._exchange(tmp_path / "one", tmp_path / "nowhere")


@pytest.mark.parametrize("replace", [False, True])
def test_an_existing_target_is_not_overwritten_by_mistake(tmp_path: Path, replace: bool) -> None:
    (tmp_path / "file").write_text("old")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    (tmp_path / "empty").mkdir()
    rejected = {"file": "is a file"} if replace else {"file": "is a file", "full": "not empty; name another"}
    for name in ("file", "full", "empty", "nowhere"):
        if name in rejected:
            for check in (check_target, lambda target, **options: new_folder(target, **options).__enter__()):
                with pytest.raises(FolderError, match=rejected[name]):
                    check(tmp_path / name, replace=replace)
        else:
            check_target(tmp_path / name, replace=replace)
    assert names(tmp_path) == ["empty", "file", "full"]
    with new_folder(tmp_path / "empty") as part:
        (part / "file").touch()
    assert names(tmp_path / "empty") == ["file"]


def test_a_relative_target_ignores_a_change_of_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with new_folder(Path("target")):
        monkeypatch.chdir("/")
    assert names(tmp_path) == ["target"]


def test_write_file_replaces_atomically(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "deep" / "file"
    write_file(target, b"old")
    assert target.read_bytes() == b"old"
    assert target.stat().st_mode & 0o777 == 0o644
    write_file(target, b"new")
    assert target.read_bytes() == b"new"

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_file(target, b"third")
    assert target.read_bytes() == b"new"
    assert names(target.parent) == ["file"]


def test_sha256_has_the_published_value(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    assert sha256(tmp_path / "file") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.mark.parametrize("check", [check_target, check_file])
def test_an_unwritable_place_is_found_before_the_work(tmp_path: Path, check: Callable[[Path], None]) -> None:
    check(tmp_path / "new" / "deep" / "target")
    assert not list(tmp_path.iterdir()), "the check leaves no trace"
    with pytest.raises(FolderError, match=r"can't be written: /proc: .*; name another place"):
        check(Path("/proc/nowhere/target"))


def test_a_file_is_not_written_over_a_folder(tmp_path: Path) -> None:
    with pytest.raises(FolderError, match="is a folder; name a file"):
        check_file(tmp_path)


# Temporary files of killed processes.

BUILD = """
import os, signal, sys
from pathlib import Path
from typing import Any
from runtime.folder import new_folder, write_file

target, kind, end = Path(sys.argv[1]), sys.argv[2], sys.argv[3]

def stop(*arguments):
    if end == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    print("building", flush=True)
    sys.stdin.read()

if kind == "folder":
    with new_folder(target, replace=True) as part:
        (part / "file").write_text("whole")
        stop()
else:
    os.fsync = stop
    write_file(target, b"whole")
"""


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_the_next_write_removes_files_of_killed_processes(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "target"
    killed = subprocess.run([sys.executable, "-c", BUILD, target, kind, "dies"], check=False)
    assert killed.returncode == -signal.SIGKILL
    (left,) = names(tmp_path)
    assert left.startswith(".target.")
    others = [".target.notes", ".target.extra.abcdefgh.part", ".other.abcdefgh.part"]
    for other in others:
        (tmp_path / other).mkdir()
    build(target, kind)
    assert names(tmp_path) == sorted([*others, "target"])


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_the_files_of_a_live_writer_are_kept(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "target"
    with subprocess.Popen(
        [sys.executable, "-c", BUILD, target, kind, "waits"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "building\n"
        build(target, kind)
        (theirs,) = {*names(tmp_path)} - {"target"}
        assert theirs.startswith(".target.")
        other.communicate(timeout=10)
    assert other.returncode == 0
    assert names(tmp_path) == ["target"]
    assert (target / "file" if kind == "folder" else target).read_text() == "whole"


def test_a_temporary_folder_removed_before_its_lock_is_created_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, mkdtemp = [], tempfile.mkdtemp

    def swept_at_first(*given: Any, **named: Any) -> str:
        part = mkdtemp(*given, **named)
        if named:  # not that of check_target
            made.append(part)
        if len(made) == 1:
            folders.sweep(tmp_path, "target")
        return part

    monkeypatch.setattr(tempfile, "mkdtemp", swept_at_first)
    build(tmp_path / "target", "folder")
    assert len(made) == 2
    assert names(tmp_path) == ["target"]


def build(target: Path, kind: str) -> None:
    """Write the target in this process."""
    if kind == "file":
        write_file(target, b"ours")
    else:
        with new_folder(target, replace=True) as part:
            (part / "file").write_text("ours")
