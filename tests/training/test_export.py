"""An exported network refers to the weights in their file, and computes with them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from safetensors.numpy import save_file
from torch import Tensor, nn

from training.export import refer_to_weights, to_onnx

pytestmark = pytest.mark.integration

PREFIX = "net."


class Small(nn.Module):
    """Two layers, one of them with weights that half precision has."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Linear(64, 48), nn.Linear(48, 3)
        with torch.no_grad():
            self.first.weight.copy_(self.first.weight.half())

    def forward(self, x: Tensor) -> Tensor:
        return self.second(torch.relu(self.first(x)))


class Wrapped(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = Small()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y = self.net(x)
        return y, y.argmax(1)


@pytest.fixture(scope="module")
def exported() -> tuple[Wrapped, bytes]:
    net = Wrapped()
    return net, to_onnx(net, (torch.zeros(2, 64),), ["x"], ["y", "best"])


def write(folder: Path, net: Wrapped, network: bytes, change: Callable[[dict], object] = lambda arrays: None) -> Path:
    arrays = {name: tensor.numpy().copy() for name, tensor in net.net.state_dict().items()}
    arrays["first.weight"] = arrays["first.weight"].astype(np.float16)
    change(arrays)
    save_file(arrays, folder / "weights.safetensors")
    (folder / "model.onnx").write_bytes(refer_to_weights(network, folder / "weights.safetensors", prefix=PREFIX))
    return folder / "model.onnx"


def run(file: Path, x: Tensor) -> list[np.ndarray]:
    return ort.InferenceSession(str(file), providers=["CPUExecutionProvider"]).run(None, {"x": x.numpy()})


def inside(file: Path) -> set[str]:
    """Return the names of the tensors whose numbers are in the graph itself."""
    graph = onnx.load(str(file), load_external_data=False).graph
    return {each.name for each in graph.initializer if each.data_location != onnx.TensorProto.EXTERNAL}


@pytest.mark.parametrize("rows", [1, 5])
def test_the_exported_network_computes_what_torch_does(
    exported: tuple[Wrapped, bytes], tmp_path: Path, rows: int
) -> None:
    net, network = exported
    file = write(tmp_path, net, network)
    assert not {name for name in inside(file) if name.startswith(PREFIX)}
    assert file.stat().st_size < len(network) / 4
    onnx.checker.check_model(str(file), full_check=True)
    x = torch.randn(rows, 64)
    y, best = run(file, x)
    with torch.no_grad():
        wanted, winner = net(x)
    np.testing.assert_allclose(y, wanted, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(best, winner)


def test_the_numbers_are_those_of_the_file(exported: tuple[Wrapped, bytes], tmp_path: Path) -> None:
    """A change of the file changes the output, because no second copy is left."""
    net, network = exported
    file = write(tmp_path, net, network)
    write_again = {name: tensor.numpy() for name, tensor in net.net.state_dict().items()}
    write_again["first.weight"] = np.zeros((48, 64), np.float16)
    save_file(write_again, tmp_path / "weights.safetensors")
    y, _ = run(file, torch.randn(4, 64))
    with torch.no_grad():
        wanted = net.net.second(torch.relu(net.net.first.bias))
    np.testing.assert_allclose(y, wanted.expand(4, 3), rtol=1e-5, atol=1e-6)


def test_weights_that_the_file_has_otherwise_stay_in_the_graph(exported: tuple[Wrapped, bytes], tmp_path: Path) -> None:
    """For example weights that half precision can't represent, or that the export has transposed."""
    net, network = exported

    def change(arrays: dict) -> None:
        arrays["second.weight"] = arrays["second.weight"].astype(np.float16)
        arrays["second.bias"] = arrays["second.bias"].astype(np.float64)
        del arrays["first.bias"]
        arrays["stranger"] = np.zeros(3, np.float32)

    file = write(tmp_path, net, network, change)
    assert {"net.second.weight", "net.second.bias", "net.first.bias"} <= inside(file)
    assert "net.first.weight_half" not in inside(file)
    x = torch.randn(3, 64)
    with torch.no_grad():
        np.testing.assert_allclose(run(file, x)[0], net(x)[0], rtol=1e-5, atol=1e-6)


def test_the_same_network_gives_the_same_file(exported: tuple[Wrapped, bytes], tmp_path: Path) -> None:
    net, network = exported
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write(tmp_path / name, net, network)
    assert (tmp_path / "a/model.onnx").read_bytes() == (tmp_path / "b/model.onnx").read_bytes()
