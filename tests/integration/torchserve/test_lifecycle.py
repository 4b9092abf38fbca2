"""The start of a real TorchServe: archives that it can't read, and the environment that it needs.

tests/integration/runners has what every runner does alike.
"""

import os
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest

from runtime.memory import memory_limit
from serving.archives.archive import ArchiveError, archive
from serving.ports import Ports
from serving.torchserve.server import ServerError, running_server
from tests.integration.client import ask

pytestmark = pytest.mark.integration

DAY = {"store": 1, "date": "2015-08-05"}


def test_a_folder_that_is_no_archive_is_rejected(demo_bundle: Path) -> None:
    with (
        pytest.raises(ArchiveError, match="shopcat archive BUNDLE"),
        running_server([demo_bundle], port=Ports.any_free().inference),
    ):
        pass


@pytest.fixture
def noexec() -> Iterator[Path]:
    """A folder whose file system forbids the execution of programs."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        command = ["mount", "-t", "tmpfs", "-o", "noexec,size=256m", "tmpfs", folder]
        if os.getuid() != 0 or subprocess.run(command, check=False).returncode != 0:
            pytest.skip("needs the right to mount file systems")
        yield Path(folder)
        subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_noexec_folder_is_reported_with_its_remedy(
    noexec: Path, archived: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(noexec))
    reported = pytest.raises(ServerError, match=f"{noexec} does not allow .*TMPDIR.*LD_LIBRARY_PATH")
    with reported, running_server([archived], port=Ports.any_free().inference, workers=1):
        pass
    spec = find_spec("ts")
    assert spec is not None
    assert spec.origin is not None
    with zipfile.ZipFile(Path(spec.origin).parent / "frontend" / "model-server.jar") as jar:
        for name in jar.namelist():
            if "/libnetty_transport_native_epoll" in name:
                (tmp_path / Path(name).name).write_bytes(jar.read(name))
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    with running_server([archived], port=Ports.any_free().inference, workers=1) as server:
        assert ask(server, DAY).status == 200


def test_an_archive_that_torchserve_cannot_read_is_reported_with_the_cause(demo_bundle: Path, tmp_path: Path) -> None:
    made = archive(demo_bundle, tmp_path / "store")
    (made / "MAR-INF" / "MANIFEST.json").write_text("{")
    with (
        pytest.raises(ServerError, match=r"can't read the archive of sales\n.*(\n.*)*JsonSyntaxException"),
        running_server([made], port=Ports.any_free().inference, workers=1),
    ):
        pass


def test_torchserve_gets_its_own_environment_and_a_bounded_heap(
    archived: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # TorchServe would use this file in place of its configuration.
    (tmp_path / "other.properties").write_text("inference_address=http://127.0.0.1:1\n")
    monkeypatch.setenv("TS_CONFIG_FILE", str(tmp_path / "other.properties"))
    monkeypatch.setenv("SHOPCAT_INHERITED", "yes")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-8a2fc3d1-5a7e-4f0b-9c3d-2b1e6f7a8c9d")  # TorchServe reads numbers
    with running_server([archived], port=Ports.any_free().inference, workers=1, cpu=True) as server:
        assert ask(server, DAY).status == 200
        front_end = psutil.Process(server.process.pid)
        environment = front_end.environ()
        assert f"-Xmx{min(max(memory_limit() >> 22, 256), 8192)}m" in front_end.cmdline()
        assert Path(environment["TMPDIR"]).parent == Path(front_end.cwd())
    assert "TS_CONFIG_FILE" not in environment
    assert environment["SHOPCAT_INHERITED"] == "yes"
