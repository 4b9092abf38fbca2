"""The breed network, and the network with heatmaps that is exported.

The network is a pretrained backbone, a pooling and a head. The head is fastai v1's ``create_head``, as in the fast.ai
lesson, or one linear layer. `training.pets.backbones` makes the backbones.
"""

from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from pets.graph import Rival, Target
from schemas.pets.manifest import HeadSpec
from training.pets.backbones import Body
from training.pets.probe.head import Linear


class Head(nn.Module):
    """Pooling and layers from a feature map to logits.

    Without ``hidden`` it is the mean of each channel, Dropout(p), Linear. With ``hidden`` it is fastai v1's
    ``create_head`` with concat pooling: the maximum and the mean of each channel, then BatchNorm, Dropout(p / 2),
    Linear, ReLU, BatchNorm, Dropout(p), Linear. With ``bn_final`` a batch norm on the logits follows.

    Args:
        channels: number of channels of the feature map.
        classes: number of logits.
        spec: kind and sizes of the head.
    """

    def __init__(self, channels: int, classes: int, spec: HeadSpec) -> None:
        super().__init__()
        self.spec, self.channels = spec, channels
        if spec.hidden is None:
            self.layers = nn.Sequential(nn.Dropout(spec.p), nn.Linear(channels, classes))
            for param in self.layers.parameters():  # all classes are equally likely at first
                nn.init.zeros_(param)
        else:
            self.layers = nn.Sequential(
                nn.BatchNorm1d(2 * channels),
                nn.Dropout(spec.p / 2),
                nn.Linear(2 * channels, spec.hidden),
                nn.ReLU(),
                nn.BatchNorm1d(spec.hidden),
                nn.Dropout(spec.p),
                nn.Linear(spec.hidden, classes),
                *([nn.BatchNorm1d(classes, momentum=0.01)] if spec.bn_final else []),
            )
            for layer in self.layers:  # fastai's initialisation
                if isinstance(layer, nn.Linear):
                    nn.init.kaiming_normal_(layer.weight)
                    nn.init.zeros_(layer.bias)

    def pool(self, features: Tensor) -> Tensor:
        """Pool ``[B, C, H, W]`` to the input of the layers: ``[B, C]``, or ``[B, 2 C]`` with the maxima first."""
        mean = features.mean((2, 3))
        return mean if self.spec.hidden is None else torch.cat([features.amax((2, 3)), mean], 1)

    def forward(self, features: Tensor) -> Tensor:
        """Return the logits of ``[B, C, H, W]``, ``[B, classes]``."""
        logits: Tensor = self.layers(self.pool(features))
        return logits

    def set_linear(self, layer: Linear) -> None:
        """Set the weights of a head that is one linear layer."""
        (linear,) = (module for module in self.layers if isinstance(module, nn.Linear))
        with torch.no_grad():
            linear.weight.copy_(layer.weight)
            linear.bias.copy_(layer.bias)

    def channel_weights(self, features: Tensor, direction: Tensor) -> Tensor:
        """Return Grad-CAM's weights in closed form: the mean of a score's gradient over each channel, in eval mode.

        The head is linear between the kinks of its one ReLU. So the gradient is the product of its matrices without the
        rows of hidden units that are off. A mean pool spreads its gradient evenly, a maximum passes it to one cell.
        Averaged over the channel, both become ``gradient / (H W)``.

        Args:
            features: feature map, ``[B, C, H, W]``.
            direction: ``[B, classes]``; the score is its product with the logits, such as one logit or a difference.

        Returns:
            Weights of the channels, ``[B, C]``.
        """
        linear = [layer for layer in self.layers if isinstance(layer, nn.Linear)]
        cells = features.shape[2] * features.shape[3]
        if self.spec.hidden is None:
            weights: Tensor = torch.matmul(direction, linear[0].weight) / cells
            return weights
        norms = [layer for layer in self.layers if isinstance(layer, nn.BatchNorm1d)]
        before, after = norms[:2]
        hidden = linear[0](before(self.pool(features)))
        gradient = direction * _scale(norms[2]) if self.spec.bn_final else direction
        gradient = (gradient @ linear[1].weight) * _scale(after) * (hidden > 0)
        gradient = (gradient @ linear[0].weight) * _scale(before)
        both: Tensor = gradient[:, : self.channels] + gradient[:, self.channels :]
        return both / cells


class PetNet(nn.Module):
    """Network from normalised photos, ``[B, 3, S, S]``, to logits, ``[B, classes]``.

    Args:
        body: backbone.
        head: head on the backbone's feature map.
        train_bn: update the statistics of the backbone's batch norms in training, as fastai does. Otherwise they keep
            the statistics of ImageNet, which are better if there are few photos.
    """

    def __init__(self, body: Body, head: Head, *, train_bn: bool = False) -> None:
        super().__init__()
        self.body, self.head, self.train_bn = body, head, train_bn

    def train(self, mode: bool = True) -> "PetNet":
        """Set the training mode; the backbone's batch norms stay in eval mode unless ``train_bn``."""
        super().train(mode)
        if not self.train_bn:
            for module in self.body.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits."""
        logits: Tensor = self.head(self.body(images))
        return logits

    def groups(self) -> list[nn.Module]:
        """Return the groups with separate learning rates: both halves of the body, by parameters, and the head."""
        halves = [_halves(cast(nn.Sequential, part)) for part in self.body.parts]
        return [nn.ModuleList(first for first, _ in halves), nn.ModuleList(last for _, last in halves), self.head]


class ExplainedNet(nn.Module):
    """A network that returns logits and both heatmaps in one pass, in eval mode. It is exported and served.

    The activation map is that of the fast.ai lesson: the mean of the last feature map over its channels. Grad-CAM is
    ``relu(sum_c w_c A_c)``, where ``A_c`` is channel ``c`` and ``w_c`` the mean gradient of a score over it. The score
    is the logit of a class or, with a rival class, the difference of the two logits, as in Finer-CAM.

    Selvaraju et al., "Grad-CAM", 2017, https://arxiv.org/abs/1610.02391. Zhang et al., "Finer-CAM", 2025,
    https://arxiv.org/abs/2501.11309.
    """

    def __init__(self, net: PetNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: Tensor, target: Tensor, rival: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Return logits and heatmaps.

        Args:
            images: normalised photos, ``[B, 3, S, S]``.
            target: class to explain, or Target.PREDICTED; int64, ``[B]``.
            rival: class to compare with, Rival.RUNNER_UP or Rival.NONE; int64, ``[B]``.

        Returns:
            ``logits [B, classes]``, ``activation [B, H, W]``, ``gradcam [B, H, W]``, and the classes of ``target`` and
            ``rival``, ``[B]`` each. Rival.NONE stays as it is.
        """
        features = self.net.body(images)
        logits = self.net.head(features)
        target = torch.where(target == Target.PREDICTED, logits.argmax(1), target)
        explained = functional.one_hot(target, logits.shape[1]).to(logits.dtype)
        runner_up = (logits - explained * 1e9).argmax(1)
        rival = torch.where(rival == Rival.RUNNER_UP, runner_up, rival)
        against = functional.one_hot(rival.clamp(min=0), logits.shape[1]).to(logits.dtype)
        direction = explained - against * (rival >= 0).to(logits.dtype)[:, None]
        weights = self.net.head.channel_weights(features, direction)
        gradcam = functional.relu(torch.bmm(weights[:, None], features.flatten(2))).view_as(features[:, 0])
        return logits, features.mean(1), gradcam, target, rival


def _halves(stages: nn.Sequential) -> tuple[nn.Sequential, nn.Sequential]:
    """Split a network's stages in two, each with about half of the parameters."""
    sizes = np.array([sum(param.numel() for param in stage.parameters()) for stage in stages])
    cut = min(int(np.searchsorted(np.cumsum(sizes), sizes.sum() / 2)) + 1, len(stages) - 1)
    return stages[:cut], stages[cut:]


def _scale(norm: nn.BatchNorm1d) -> Tensor:
    """Return the factor of a batch norm in eval mode."""
    return norm.weight / torch.sqrt(cast(Tensor, norm.running_var) + norm.eps)
