"""A small disk that a test can fill, without filling that of the machine."""

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@contextlib.contextmanager
def small_disk(size: str) -> Iterator[Path]:
    """Mount a tmpfs of a size, such as ``64m``, until the block ends; skip the test where that is not allowed."""
    # Its path is short, because it holds Unix sockets.
    with tempfile.TemporaryDirectory(prefix="disk-", dir="/tmp") as folder:
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", folder]
        try:
            subprocess.run(command, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"needs root, to mount a small disk: {error}")
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True, capture_output=True)


def fill(disk: Path) -> Path:
    """Fill a disk to its last byte, and return the file that does."""
    file = disk / "filling"
    with file.open("wb", buffering=0) as stream, contextlib.suppress(OSError):  # no space is left
        while True:
            stream.write(bytes(4096))
    assert shutil.disk_usage(disk).free == 0
    return file
