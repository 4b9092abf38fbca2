"""runtime.session: a session on the requested device, or an error."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from runtime.errors import SessionError
from runtime.session import CUDA_GRAPHS, open_session


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """A network that doubles its input."""
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "x"], ["y"])],
        "double",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["row"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["row"])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, tmp_path / "model.onnx")
    return tmp_path / "model.onnx"


def test_a_network_runs_with_the_given_threads(network: Path) -> None:
    session = open_session(network, "cpu", threads=2)
    for rows in (1, 3):
        (y,) = session.run(None, {"x": np.ones(rows, dtype=np.float32)})
        assert y.tolist() == [2] * rows
    assert session.get_providers() == ["CPUExecutionProvider"]
    assert session.get_session_options().intra_op_num_threads == 2


@pytest.mark.parametrize("content", [b"", b"no network", b"\x80\x04."])
def test_an_invalid_network_is_an_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(SessionError, match=r"model\.onnx can't be opened by onnxruntime"):
        open_session(tmp_path / "model.onnx", "cpu")


def test_a_missing_network_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SessionError, match=r"nowhere\.onnx can't be opened"):
        open_session(tmp_path / "nowhere.onnx", "cpu")


class FellBack:
    """A session of an onnxruntime that can't load CUDA's libraries: on the CPU, without an error."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.providers = options["providers"]

    def get_providers(self) -> list[str]:
        return ["CPUExecutionProvider"]


def test_falling_back_to_the_cpu_is_an_error(network: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ort, "preload_dlls", lambda: None, raising=False)
    monkeypatch.setattr(ort, "InferenceSession", FellBack)
    with pytest.raises(SessionError, match=r"was to run on cuda:0 and onnxruntime .* chose CPUExecutionProvider"):
        open_session(network, "cuda:0")


@pytest.mark.parametrize(("device", "index"), [("cuda", "0"), ("cuda:0", "0"), ("cuda:3", "3")])
def test_the_requested_gpu_is_used(network: Path, monkeypatch: pytest.MonkeyPatch, device: str, index: str) -> None:
    class OnGpu(FellBack):
        def get_providers(self) -> list[str]:
            return ["CUDAExecutionProvider", "CPUExecutionProvider"]

    monkeypatch.setattr(ort, "preload_dlls", lambda: None, raising=False)
    monkeypatch.setattr(ort, "InferenceSession", OnGpu)
    session: Any = open_session(network, device)
    settings = {"device_id": index, "use_tf32": "0", "arena_extend_strategy": "kSameAsRequested"}
    cuda = ("CUDAExecutionProvider", settings)
    assert session.providers == [cuda, "CPUExecutionProvider"]
    graphs: Any = open_session(network, device, cuda_options=CUDA_GRAPHS)
    assert graphs.providers[0] == ("CUDAExecutionProvider", {**settings, "enable_cuda_graph": "1"})
    with pytest.raises(SessionError, match="was to run on cpu"):
        open_session(network, "cpu")


@pytest.mark.gpu
def test_a_gpu_computes_in_float32(tmp_path: Path) -> None:
    """TF32 keeps 10 bits of each factor, too few to reproduce the forecasts of training."""
    rng = np.random.default_rng(0)
    left, right = rng.normal(size=(2, 512, 512)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["row", 512])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["row", 512])],
        [numpy_helper.from_array(right, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, tmp_path / "model.onnx")
    (y,) = open_session(tmp_path / "model.onnx", "cuda").run(None, {"x": left})
    np.testing.assert_allclose(y, left.astype(np.float64) @ right, rtol=0, atol=2e-4)
