"""handlers.process: a folder that nobody else enters and whose sockets can be reached."""

import os
import socket
import stat
import tempfile
from pathlib import Path

import pytest

from handlers.process import ServerError, private_folder


@pytest.mark.parametrize("name", ["short", "a folder with a name that is very long indeed " * 4, "ü" * 60])
def test_its_sockets_paths_are_short_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    parent = tmp_path / name
    parent.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(parent))
    with private_folder() as folder, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "management.sock"))
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        (folder / "tmp").mkdir()
        assert len(os.fsencode(folder / "tmp" / ".ts.sock.65535")) <= 107  # a worker's
    assert not folder.exists()


def test_one_that_cannot_be_made_says_what_to_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as parent:
        monkeypatch.setattr(tempfile, "tempdir", f"{parent}/missing")
        with pytest.raises(ServerError, match=r"can't be made \(.*missing.*\); set TMPDIR"), private_folder():
            pass
