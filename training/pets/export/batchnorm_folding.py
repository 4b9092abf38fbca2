"""Fold batch norms into the convolutions before them, before a network is saved.

In eval mode a batch norm is a product and a sum for each channel. The exported graph computes with the product already
in the convolution's weights. With the same weights in the network, the bundle needs to store them only once.
"""

from copy import deepcopy

import torch
from torch import Tensor, nn

from training.pets.network import PetNet


def fold_norms(net: PetNet, size: int) -> None:
    """Move the factor of each batch norm into the convolution before it, in place.

    Such a batch norm becomes a sum. In eval mode the network computes the same as before, up to rounding. If it does
    not, because another layer uses a convolution's output too, the network stays as it is.

    Args:
        net: network in eval mode.
        size: side of a photo that the network can take, pixels.
    """
    device = next(net.parameters()).device
    image = torch.linspace(-1, 1, 3 * size * size, device=device).reshape(1, 3, size, size)
    unfolded = deepcopy(net.state_dict())
    with torch.no_grad():
        before = net(image)
        for conv, norm in _conv_norm_pairs(net, image):
            scale = norm.weight / torch.sqrt(_tensor(norm.running_var) + norm.eps)
            norm.bias.sub_(_tensor(norm.running_mean) * scale)
            if conv.bias is not None:
                norm.bias.add_(conv.bias * scale)
                conv.bias.zero_()
            conv.weight.mul_(scale[:, None, None, None])
            norm.weight.fill_(1)
            _tensor(norm.running_mean).zero_()
            _tensor(norm.running_var).fill_(1 - norm.eps)
        after = net(image)
    if not torch.allclose(before, after, rtol=1e-3, atol=1e-3 * float(before.abs().max())):
        net.load_state_dict(unfolded)


def _conv_norm_pairs(net: nn.Module, image: Tensor) -> list[tuple[nn.Conv2d, nn.BatchNorm2d]]:
    """Return the convolutions with the batch norms that take their output, as found by running the network."""
    conv_of_output: dict[int, tuple[nn.Conv2d, Tensor]] = {}
    pairs = []

    def record(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if isinstance(module, nn.Conv2d):
            conv_of_output[id(output)] = module, output  # keep the tensor, so that no other tensor gets its id
        elif isinstance(module, nn.BatchNorm2d) and id(inputs[0]) in conv_of_output:
            pairs.append((conv_of_output[id(inputs[0])][0], module))

    handles = [module.register_forward_hook(record) for module in net.modules()]
    try:
        net(image)
    finally:
        for handle in handles:
            handle.remove()
    return pairs


def _tensor(value: Tensor | None) -> Tensor:
    assert value is not None  # all our batch norms keep statistics
    return value
