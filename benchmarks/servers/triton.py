"""Triton from the wheel nvidia-pytriton, on the CPU, with the work of the FastAPI servers of this folder.

The wheel has Triton's server and its Python backend, and no backend for ONNX. So a model here is Python that calls
onnxruntime, as it would be for anything but a bare network. Triton batches what arrives, and each instance of a model
is a process. The wheel needs Linux on x86_64 and numpy 1, hence a separate environment:

    python -m venv .venv/triton && .venv/triton/bin/pip install -r benchmarks/servers/triton-requirements.txt
"""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.servers.running import ROOT, running
from serving.ports import HOST, Ports

ENVIRONMENT = ROOT / ".venv" / "triton"
BATCH = {"sales": 16, "pets": 1}  # as in serving/archives/settings
_JSON_BYTES = 256
CONTENT_TYPE, HEADERS = "application/octet-stream", {"Inference-Header-Content-Length": str(_JSON_BYTES)}
_CONFIG = """
backend: "python"
max_batch_size: {batch}
input [{{ name: "body" data_type: TYPE_STRING dims: [1] }}]
output [{{ name: "answer" data_type: TYPE_STRING dims: [1] }}]
instance_group [{{ kind: KIND_CPU count: {workers} }}]
dynamic_batching {{ }}
"""


def packages() -> Path | None:
    """Return the packages of Triton's environment; None if it is not installed."""
    return next(iter(ENVIRONMENT.glob("lib/python*/site-packages")), None)


def infer_bodies(bodies: Sequence[bytes]) -> list[bytes]:
    """Return requests of Triton's protocol, each with one body as a binary tensor.

    The JSON before the tensor has the same length in all of them, because it is a header's value.
    """
    wrapped = []
    for body in bodies:
        parameters = {"binary_data_size": len(body) + 4}
        tensor = {"name": "body", "shape": [1, 1], "datatype": "BYTES", "parameters": parameters}
        head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
        wrapped.append(head.ljust(_JSON_BYTES) + len(body).to_bytes(4, "little") + body)
    return wrapped


@contextmanager
def triton(bundle: Path, kind: str, workers: int, environment: Mapping[str, str]) -> Iterator[str]:
    """Run Triton with a kind of bundle; yield the address of its inference."""
    installed = packages()
    assert installed is not None, f"install Triton into {ENVIRONMENT}; see {__name__}"
    wheel = installed / "pytriton" / "tritonserver"
    port = Ports.any_free().inference
    with tempfile.TemporaryDirectory() as folder:
        model, backend = Path(folder, "models", kind), Path(folder, "backends", "python")
        (model / "1").mkdir(parents=True)
        (model / "config.pbtxt").write_text(_CONFIG.format(batch=BATCH[kind], workers=workers))
        shutil.copy(Path(__file__).with_name("triton_model.py"), model / "1" / "model.py")
        shutil.copytree(wheel / "backends" / "python", backend)
        version = installed.parent.name.removeprefix("python")
        shutil.copy(wheel / "python_backend_stubs" / version / "triton_python_backend_stub", backend)
        command = [
            str(wheel / "bin" / "tritonserver"),
            f"--model-repository={model.parent}",
            f"--backend-directory={backend.parent}",
            f"--http-address={HOST}",
            f"--http-port={port}",
            "--allow-grpc=false",
            "--allow-metrics=false",
            "--log-info=false",
        ]
        settings = {
            "LD_LIBRARY_PATH": str(installed / "nvidia_pytriton.libs"),
            "SHOPCAT_BUNDLE": str(bundle.resolve()),
            "SHOPCAT_TRITON_PATH": os.pathsep.join([str(ROOT), str(installed)]),
            "OMP_NUM_THREADS": "1",
            **environment,
        }
        with running(command, settings, f"http://{HOST}:{port}/"):
            yield f"http://{HOST}:{port}/v2/models/{kind}/infer"
