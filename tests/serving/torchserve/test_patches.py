"""serving.torchserve.patches: each patch replaces the intended bytes, Java accepts it, and other classes stay."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from serving.ports import Ports
from serving.process import ServerError
from serving.torchserve.java import find_java
from serving.torchserve.patches import GREEDY, NO_GRPC, PATCHES, VERBATIM, Patch, write_patches

every_patch = pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: Path(patch.name).stem)


def differences(patch: Patch, jar: Path, folder: Path) -> list[tuple[int, int, int]]:
    """Return the offset, old byte and new byte of each difference between the jar's class and the patched one."""
    with zipfile.ZipFile(jar) as archive:
        assert patch.write(archive, folder)
        original = archive.read(patch.name)
    patched = (folder / patch.name).read_bytes()
    return [(offset, a, b) for offset, (a, b) in enumerate(zip(original, patched, strict=True)) if a != b]


@every_patch
def test_each_change_is_made_once(patch: Patch, jar: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(jar) as archive:
        expected = archive.read(patch.name)
        assert patch.write(archive, tmp_path)
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
    with zipfile.ZipFile(jar) as archive:
        assert patch.write(archive, tmp_path)
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
    with zipfile.ZipFile(other) as archive:
        assert not patch.write(archive, tmp_path / "classes")
    with zipfile.ZipFile(other, "w") as archive:
        assert not patch.write(archive, tmp_path / "classes")
    assert not (tmp_path / "classes").exists()


@pytest.fixture
def other_torchserve(jar: Path, tmp_path: Path) -> Path:
    """A package of links to TorchServe's files, with the jar and a Python file of another version."""
    package = tmp_path / "ts"
    shutil.copytree(jar.parents[1], package, copy_function=os.symlink)
    (package / "frontend" / jar.name).unlink()
    with zipfile.ZipFile(jar) as original, zipfile.ZipFile(package / "frontend" / jar.name, "w") as other:
        other.writestr(GREEDY.name, original.read(GREEDY.name))
        other.writestr(VERBATIM.name, original.read(VERBATIM.name) + b"\0")
    source = (package / "service.py").read_text()
    (package / "service.py").unlink()
    (package / "service.py").write_text(f"{source}\n# changed")
    return package


def test_another_torchserve_is_rejected_with_the_consequences_unless_allowed(
    other_torchserve: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "classes"
    with pytest.raises(
        ServerError, match=r"drops the query.*gRPC listens.*service\.py.*torchserve==0\.12\.0.*--allow-un"
    ):
        write_patches(other_torchserve, folder)
    write_patches(other_torchserve, folder, allow_unpatched=True)
    assert "gRPC listens" in caplog.text
    assert [path.name for path in folder.rglob("*.class")] == ["Model.class"]


def test_a_torchserve_without_its_jar_is_reported(other_torchserve: Path, tmp_path: Path) -> None:
    (other_torchserve / "frontend" / "model-server.jar").unlink()
    with pytest.raises(ServerError, match=r"model-server\.jar can't be read.*install torchserve==0\.12\.0 again"):
        write_patches(other_torchserve, tmp_path / "classes")


@pytest.mark.integration
def test_serve_does_not_start_another_torchserve(other_torchserve: Path, demo_bundle: Path, tmp_path: Path) -> None:
    ports = Ports.any_free()
    command = [sys.executable, "-m", "cli", "serve", str(demo_bundle), "--no-gateway", "--model-store", str(tmp_path)]
    command += ["--port", str(ports.inference), "--metrics-port", str(ports.metrics)]
    environment = {**os.environ, "PYTHONPATH": str(other_torchserve.parent)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "--allow-unpatched" in done.stderr


WORKER = """
import sys
from handlers.torchserve import protocol
from ts.protocol import otf_message_handler
from ts.service import Service
protocol.patch_worker(lambda requests: None, allow_unpatched=len(sys.argv) > 1)
print(otf_message_handler._retrieve_inference_msg is protocol.read_batch)
"""


@pytest.mark.integration
def test_a_worker_of_another_torchserve_is_not_patched_unless_allowed(other_torchserve: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(other_torchserve.parent)}
    for arguments, expected in (((), "UnknownTorchServeError: service.py differ"), (("allow",), "True")):
        command = [sys.executable, "-c", WORKER, *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert expected in done.stdout + done.stderr
