"""Triton from the wheel nvidia-pytriton, on the CPU, with models that `shopcat export triton` writes.

The wheel has Triton's server and its Python backend, and no backend for ONNX. It needs Linux on x86_64 and numpy 1.
So ``make .venv/.triton`` installs it into a separate environment.
"""

import json
import shutil
import struct
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.servers.running import ROOT, running
from runtime.bundle import name_of
from serving.ports import HOST, Ports
from serving.triton.export import export

ENVIRONMENT = ROOT / ".venv" / "triton"
_JSON_BYTES = 512
CONTENT_TYPE, HEADERS = "application/octet-stream", {"Inference-Header-Content-Length": str(_JSON_BYTES)}


def packages() -> Path | None:
    """Return the packages of Triton's environment; None if it is not installed."""
    return next(
        (found for found in ENVIRONMENT.glob("lib/python*/site-packages") if (found / "pytriton").is_dir()), None
    )


def infer_bodies(bodies: Sequence[bytes]) -> list[bytes]:
    """Return requests of Triton's protocol for photos, or for JSON with a store and a date.

    The tensors are binary. The JSON before them has the same length in all requests, because it is a header's value.
    """
    return [_infer_body(_tensors(body)) for body in bodies]


def _tensors(body: bytes) -> Mapping[str, tuple[str, bytes]]:
    """Return the type and the content of each tensor of a request."""
    if not body.startswith(b"{"):
        return {"image": ("BYTES", _bytes_tensor(body))}
    item = json.loads(body)
    return {
        "store": ("INT64", struct.pack("<q", item["store"])),
        "date": ("BYTES", _bytes_tensor(item["date"].encode())),
    }


def _bytes_tensor(value: bytes) -> bytes:
    return struct.pack("<I", len(value)) + value


def _infer_body(tensors: Mapping[str, tuple[str, bytes]]) -> bytes:
    inputs = [
        {"name": name, "shape": [1, 1], "datatype": data_type, "parameters": {"binary_data_size": len(content)}}
        for name, (data_type, content) in tensors.items()
    ]
    head = json.dumps({"inputs": inputs, "parameters": {"binary_data_output": True}}).encode()
    return b"".join([head.ljust(_JSON_BYTES), *(content for _, content in tensors.values())])


@contextmanager
def triton(bundle: Path, workers: int) -> Iterator[str]:
    """Run Triton with an exported bundle; yield the address of its inference."""
    with tempfile.TemporaryDirectory() as folder:
        export(bundle, Path(folder), instances=workers, environment=str(ENVIRONMENT))
        with tritonserver(Path(folder)) as url:
            yield f"{url}/v2/models/{name_of(bundle)}/infer"


@contextmanager
def tritonserver(repository: Path, *options: str) -> Iterator[str]:
    """Run Triton with a model repository until the block ends; yield its address once it answers.

    Args:
        repository: the model repository.
        *options: further options of the command.
    """
    installed = packages()
    assert installed is not None, f"install Triton into {ENVIRONMENT}: make .venv/.triton"
    wheel, port = installed / "pytriton" / "tritonserver", Ports.any_free().inference
    with tempfile.TemporaryDirectory() as folder:
        # The wheel has a stub for each version of Python, and Triton expects one beside the backend.
        backend = Path(shutil.copytree(wheel / "backends" / "python", Path(folder, "python")))
        version = installed.parent.name.removeprefix("python")
        shutil.copy(wheel / "python_backend_stubs" / version / "triton_python_backend_stub", backend)
        command = [
            str(wheel / "bin" / "tritonserver"),
            f"--model-repository={repository}",
            f"--backend-directory={backend.parent}",
            f"--http-address={HOST}",
            f"--http-port={port}",
            "--allow-grpc=false",
            "--allow-metrics=false",
            "--log-info=false",
            *options,
        ]
        settings = {"LD_LIBRARY_PATH": str(installed / "nvidia_pytriton.libs"), "OMP_NUM_THREADS": "1"}
        with running(command, settings, f"http://{HOST}:{port}/"):
            yield f"http://{HOST}:{port}"
