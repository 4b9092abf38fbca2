"""handlers.verbatim: some bytes of one known class, and nothing else."""

import subprocess
import zipfile
from pathlib import Path

import pytest

from handlers.java import find_java
from handlers.verbatim import _CHANGES, CLASS, write_verbatim_class


def test_some_bytes_change(jar: Path, tmp_path: Path) -> None:
    assert write_verbatim_class(jar, tmp_path)
    with zipfile.ZipFile(jar) as opened:
        known = opened.read(CLASS)
    changed = (tmp_path / CLASS).read_bytes()
    assert [(known.count(before), len(before) - len(after)) for before, after in _CHANGES] == [(1, 0)] * len(_CHANGES)
    for before, after in _CHANGES:
        known = known.replace(before, after)
    assert changed == known


@pytest.mark.integration
def test_java_takes_it(jar: Path, tmp_path: Path) -> None:
    """Java links a class, and so verifies its every instruction, before it misses a main method in it."""
    assert write_verbatim_class(jar, tmp_path)
    name = CLASS.removesuffix(".class").replace("/", ".")
    command = [str(find_java()), "-cp", f"{tmp_path}:{jar}", name]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert "VerifyError" not in done.stderr
    assert f"not found in class {name}" in done.stderr


def test_an_unknown_class_is_left_alone(jar: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(jar) as opened:
        known = opened.read(CLASS)
    other = tmp_path / "other.jar"
    with zipfile.ZipFile(other, "w") as made:
        made.writestr(CLASS, known + b"\0")
    assert not write_verbatim_class(other, tmp_path / "classes")
    assert not (tmp_path / "classes").exists()
