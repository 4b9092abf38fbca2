"""The network as it is saved: its batch norms' factors moved into the convolutions before them.

In eval mode a batch norm is a product and a sum for each channel. With the product in the convolution's weights, these
are the weights that the exported graph computes with, so the bundle needs to hold them once.
"""

from copy import deepcopy

import torch
from torch import Tensor, nn

from training.pets.network import PetNet


def fold_norms(net: PetNet, size: int) -> None:
    """Move the factor of each batch norm that follows a convolution into it, in place.

    What is left of such a batch norm is a sum. In eval mode the network computes the same as before, to rounding. One
    that would not, since a convolution's output goes elsewhere too, stays as it is.

    Args:
        net: in eval mode.
        size: side of a photo that it can take, pixels.
    """
    device = next(net.parameters()).device
    image = torch.linspace(-1, 1, 3 * size * size, device=device).reshape(1, 3, size, size)
    unfolded = deepcopy(net.state_dict())
    with torch.no_grad():
        before = net(image)
        for conv, norm in _followed(net, image):
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


def _followed(net: nn.Module, image: Tensor) -> list[tuple[nn.Conv2d, nn.BatchNorm2d]]:
    """The convolutions whose output is a batch norm's input, as seen when a photo goes through."""
    made: dict[int, tuple[nn.Conv2d, Tensor]] = {}
    pairs = []

    def see(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if isinstance(module, nn.Conv2d):
            made[id(output)] = module, output  # the tensor is kept, so that no other gets its id
        elif isinstance(module, nn.BatchNorm2d) and id(inputs[0]) in made:
            pairs.append((made[id(inputs[0])][0], module))

    handles = [module.register_forward_hook(see) for module in net.modules()]
    try:
        net(image)
    finally:
        for handle in handles:
            handle.remove()
    return pairs


def _tensor(value: Tensor | None) -> Tensor:
    assert value is not None  # all our batch norms keep statistics
    return value
