"""serving.torchserve.without_torch: TorchServe's workers answer with it, also where torch is installed."""

import os
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from serving.torchserve import server

STAND_IN = Path(server.__file__).parent / "without_torch" / "torch.py"
WORKER = """
import sys
from pathlib import Path

import torch
from ts.protocol import otf_message_handler

assert Path(torch.__file__) == Path(sys.argv[1]), torch.__file__
assert b"answer" in otf_message_handler.create_predict_response([b"answer"], {0: "id"}, "", 200)
"""


def test_the_stand_in_has_a_tensor_type_and_nothing_else() -> None:
    spec = spec_from_file_location("stand_in", STAND_IN)
    assert spec is not None
    assert spec.loader is not None
    torch = module_from_spec(spec)
    spec.loader.exec_module(torch)
    assert not isinstance(b"answer", torch.Tensor)
    for name in ("cuda", "nn", "load"):
        with pytest.raises(ModuleNotFoundError, match=rf"torch\.{name} is needed, and TorchServe's workers have no"):
            getattr(torch, name)


def test_torchserve_answers_with_the_stand_in(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(STAND_IN.parent)}
    subprocess.run([sys.executable, "-c", WORKER, str(STAND_IN)], env=environment, cwd=tmp_path, check=True)
