"""Folding batch norms changes the weights but not the outputs."""

import pytest
import torch
from torch import Tensor, nn

from schemas.pets.manifest import HeadSpec
from training.pets.backbones import make_backbone
from training.pets.export.batchnorm_folding import fold_norms
from training.pets.network import Head, PetNet


def shaken(net: nn.Module) -> nn.Module:
    """Draw weights with which no batch norm is an identity."""
    torch.manual_seed(0)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.3)
            nn.init.normal_(module.running_mean, std=0.3)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
    return net.eval()


def pet_net(name: str) -> PetNet:
    torch.manual_seed(0)
    made = make_backbone(name, pretrained=False)
    net = PetNet(made.body, Head(made.spec.channels, 5, HeadSpec(hidden=16, p=0.5, bn_final=True)))
    return shaken(net)


@pytest.mark.parametrize("name", ["efficientnet_lite0", "resnet18", "densenet121", "resnet18+mobilenet_v2"])
def test_a_folded_network_computes_the_same(name: str) -> None:
    net, photos = pet_net(name), torch.randn(2, 3, 64, 64)
    kept = {key: value.clone() for key, value in net.head.state_dict().items()}
    with torch.no_grad():
        before = net.body(photos)
        fold_norms(net, 64)
        torch.testing.assert_close(net.body(photos), before, rtol=1e-3, atol=1e-4 * float(before.abs().max()))
    norms = [module for module in net.body.modules() if isinstance(module, nn.BatchNorm2d)]
    folded = [norm for norm in norms if bool((norm.weight == 1).all()) and not norm.running_mean.any()]
    assert len(folded) == len(norms) if name != "densenet121" else 0 < len(folded) < len(norms)
    for norm in folded:  # what is left is a sum
        torch.testing.assert_close((norm.running_var + norm.eps).sqrt(), torch.ones_like(norm.running_var))
    assert all(torch.equal(kept[key], value) for key, value in net.head.state_dict().items())


def test_folding_twice_equals_folding_once() -> None:
    net = pet_net("resnet18")
    fold_norms(net, 64)
    once = {key: value.clone() for key, value in net.state_dict().items()}
    fold_norms(net, 64)
    for key, value in net.state_dict().items():
        torch.testing.assert_close(value, once[key])


class Shared(nn.Module):
    """A convolution whose output goes to a batch norm and past it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

    def forward(self, images: Tensor) -> Tensor:
        features = self.conv(images)
        return (self.norm(features) + features).mean((2, 3))


def test_a_bias_is_folded_and_a_convolution_used_twice_is_kept() -> None:
    photos = torch.randn(2, 3, 32, 32)
    plain = shaken(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)))
    with torch.no_grad():
        before = plain(photos)
        fold_norms(plain, 32)
        torch.testing.assert_close(plain(photos), before, rtol=1e-4, atol=1e-5)
    assert not plain[0].bias.any()
    net = shaken(Shared())
    before = {key: value.clone() for key, value in net.state_dict().items()}
    fold_norms(net, 32)
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())
