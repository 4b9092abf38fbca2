"""The network that is served is the network that was trained."""

import numpy as np
import onnxruntime as ort
import pytest
import torch

from training.export import to_onnx
from training.sales.model.batchnorm_folding import FoldedNet
from training.sales.model.network import TabularNet

SHAPES = [  # codes of each category, continuous columns, hidden layers
    pytest.param([11, 3, 200], 5, [64, 32], id="both"),
    pytest.param([7], 0, [16], id="no continuous column"),
    pytest.param([], 4, [16, 8, 4], id="no category"),
    pytest.param([5, 5], 2, [], id="no hidden layer"),
]


def trained(codes: list[int], n_cont: int, layers: list[int]) -> TabularNet:
    """Return a network whose batch norms have statistics and weights."""
    torch.manual_seed(0)
    net = TabularNet([(n, n // 2 + 1) for n in codes], n_cont, layers, [0.1] * len(layers), y_range=(0.0, 12.0))
    for module in net.modules():
        if isinstance(module, torch.nn.Embedding):
            torch.nn.init.normal_(module.weight)
        if isinstance(module, torch.nn.BatchNorm1d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, std=0.3)
    for _ in range(30):
        net.train()(*rows(codes, n_cont, 500))
    return net.eval()


def rows(codes: list[int], n_cont: int, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(0)
    cats = np.stack([rng.integers(0, n, count) for n in codes], axis=1) if codes else np.empty((count, 0))
    return torch.from_numpy(cats.astype(np.int32)), torch.from_numpy(
        rng.normal(size=(count, n_cont)).astype(np.float32)
    )


@pytest.mark.parametrize(("codes", "n_cont", "layers"), SHAPES)
def test_the_folded_network_has_the_same_output(codes: list[int], n_cont: int, layers: list[int]) -> None:
    net = trained(codes, n_cont, layers)
    cats, conts = rows(codes, n_cont, 500)
    with torch.no_grad():
        expected = net(cats, conts)
        torch.testing.assert_close(FoldedNet(net)(cats, conts), expected, rtol=1e-5, atol=1e-5)
    assert expected.std() > 0.1


@pytest.mark.parametrize("count", [1, 2, 33])
@pytest.mark.integration
def test_the_folded_network_has_the_same_output_in_onnxruntime(count: int) -> None:
    codes, n_cont, layers = [11, 3, 200], 5, [64, 32]
    net = trained(codes, n_cont, layers)
    exported = to_onnx(FoldedNet(net), rows(codes, n_cont, 2), ("cats", "conts"))
    session = ort.InferenceSession(exported, providers=["CPUExecutionProvider"])
    cats, conts = rows(codes, n_cont, count)
    (got,) = session.run(None, {"cats": cats.numpy(), "conts": conts.numpy()})
    with torch.no_grad():
        np.testing.assert_allclose(got, net(cats, conts).numpy(), rtol=1e-5, atol=1e-5)


def test_the_trained_network_stays_as_it_is() -> None:
    net = trained([11, 3], 5, [8])
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    FoldedNet(net)
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())
