"""serving.torchserve.patches: each patch replaces the intended bytes, Java accepts it, and other classes stay."""

import subprocess
import zipfile
from pathlib import Path

import pytest

from serving.torchserve.java import find_java
from serving.torchserve.patches import GREEDY, NO_GRPC, PATCHES, Patch

every_patch = pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: Path(patch.name).stem)


def differences(patch: Patch, jar: Path, folder: Path) -> list[tuple[int, int, int]]:
    """Return the offset, old byte and new byte of each difference between the jar's class and the patched one."""
    assert patch.write(jar, folder)
    with zipfile.ZipFile(jar) as archive:
        original = archive.read(patch.name)
    patched = (folder / patch.name).read_bytes()
    return [(offset, a, b) for offset, (a, b) in enumerate(zip(original, patched, strict=True)) if a != b]


@every_patch
def test_each_change_is_made_once(patch: Patch, jar: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(jar) as archive:
        expected = archive.read(patch.name)
    assert patch.write(jar, tmp_path)
    for before, after in patch.changes:
        assert expected.count(bytes.fromhex(before)) == 1
        expected = expected.replace(bytes.fromhex(before), bytes.fromhex(after))
    assert (tmp_path / patch.name).read_bytes() == expected


def test_a_batch_polls_with_a_timeout_of_0(jar: Path, tmp_path: Path) -> None:
    (first, *before), (second, *after) = differences(GREEDY, jar, tmp_path)
    assert (before, after, second - first) == ([0x16, 0x09], [0x06, 0x00], 1)  # lload 6 -> lconst_0, nop


def test_grpc_is_not_started(jar: Path, tmp_path: Path) -> None:
    assert [after for _, _, after in differences(NO_GRPC, jar, tmp_path)] == [0, 0, 0]  # the fourth byte is 0 already


@pytest.mark.integration
@every_patch
def test_java_accepts_the_patched_class(patch: Patch, jar: Path, tmp_path: Path) -> None:
    """Java verifies every instruction of a class before it looks for the main method."""
    assert patch.write(jar, tmp_path)
    name = patch.name.removesuffix(".class").replace("/", ".")
    command = [str(find_java()), "-cp", f"{tmp_path}:{jar}", name, "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert "VerifyError" not in done.stderr
    assert "usage: " in done.stdout or f"not found in class {name}" in done.stderr


@every_patch
def test_an_unknown_class_is_not_patched(patch: Patch, jar: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(jar) as archive:
        original = archive.read(patch.name)
    other = tmp_path / "other.jar"
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr(patch.name, original + b"\0")
    assert not patch.write(other, tmp_path / "classes")
    assert not (tmp_path / "classes").exists()
