"""handlers.greedy: two bytes of one known class, and nothing else."""

import zipfile
from pathlib import Path

from handlers.greedy import CLASS, write_greedy_class


def test_two_bytes_change(jar: Path, tmp_path: Path) -> None:
    assert write_greedy_class(jar, tmp_path)
    with zipfile.ZipFile(jar) as opened:
        known = opened.read(CLASS)
    changed = (tmp_path / CLASS).read_bytes()
    differences = [(place, b) for place, (a, b) in enumerate(zip(known, changed, strict=True)) if a != b]
    assert [value for _, value in differences] == [0x09, 0x00]  # lconst_0, nop
    assert differences[1][0] == differences[0][0] + 1
    assert known[differences[0][0] :][:2] == bytes([0x16, 0x06])  # lload 6


def test_an_unknown_class_is_left_alone(jar: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(jar) as opened:
        known = opened.read(CLASS)
    other = tmp_path / "other.jar"
    with zipfile.ZipFile(other, "w") as made:
        made.writestr(CLASS, known + b"\0")
    assert not write_greedy_class(other, tmp_path / "classes")
    assert not (tmp_path / "classes").exists()
