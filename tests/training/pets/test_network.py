"""Compare heatmaps with the library grad-cam and with the fast.ai lesson's hooks."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from pytorch_grad_cam import GradCAM
from torch import Tensor, nn

from pets.graph import Rival, Target
from pets.images import crop, normalise, open_photo
from schemas.pets.manifest import HeadSpec
from training.loop.groups import parameter_names
from training.pets.backbones import Backbone, make_backbone
from training.pets.network import ExplainedNet, Head, PetNet

ROOT = Path(__file__).parents[3]
CLASSES, PHOTOS, SIZE = 7, 20, 128
HEADS = {
    "linear": HeadSpec(hidden=None, p=0.2, bn_final=False),
    "hidden": HeadSpec(hidden=24, p=0.5, bn_final=False),
    "lesson": HeadSpec(hidden=32, p=0.5, bn_final=True),
}


def randomise_head(net: nn.Module) -> nn.Module:
    """Draw weights as if trained: no layer is an identity, and some batch norms flip a channel's sign."""
    for module in net.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=2 / module.in_features**0.5)
            nn.init.normal_(module.bias, std=0.5)
        if isinstance(module, nn.BatchNorm1d):
            nn.init.normal_(module.weight, 0.7, 0.5)
            nn.init.normal_(module.bias, std=0.5)
            nn.init.normal_(module.running_mean, std=0.3)
            nn.init.uniform_(module.running_var, 0.3, 2.0)
    return net


@pytest.fixture(scope="module")
def body() -> Backbone:
    return make_backbone("efficientnet_lite0", pretrained=True)


@pytest.fixture(scope="module", params=HEADS)
def net(request: pytest.FixtureRequest, body: Backbone) -> PetNet:
    torch.manual_seed(0)
    head = randomise_head(Head(body.spec.channels, CLASSES, HEADS[request.param]))
    return PetNet(body.body, head).eval()


@pytest.fixture(scope="module")
def photos(body: Backbone) -> Tensor:
    """Real photos if there are any, otherwise smooth noise: ``[photo, 3, SIZE, SIZE]``."""
    data = os.environ.get("SHOPCAT_DATA")
    if data:
        folder = (ROOT / data / "oxford-iiit-pet" / "images").resolve(strict=True)
        files = sorted(folder.glob("*.jpg"))[:: 1000 // PHOTOS][:PHOTOS]
        pixels = [crop(open_photo(file.read_bytes()), SIZE, 1.0)[0] for file in files]
    else:
        rng = np.random.default_rng(0)
        pixels = [
            np.asarray(Image.fromarray(rng.integers(0, 256, (n, n, 3), np.uint8)).resize((SIZE, SIZE)))
            for n in range(3, 3 + PHOTOS)
        ]
    assert len(pixels) == PHOTOS
    return torch.from_numpy(normalise(np.stack(pixels), body.spec.mean, body.spec.std))


def explain(net: PetNet, photos: Tensor, target: Sequence[int] | int, rival: Sequence[int] | int = Rival.NONE) -> list:
    codes = (torch.as_tensor(code).expand(len(photos)) for code in (target, rival))
    with torch.no_grad():
        return [output.numpy() for output in ExplainedNet(net).eval()(photos, *codes)]


def assert_same_maps(actual: NDArray[np.float32], expected: NDArray[np.float32]) -> None:
    """Compare maps to a thousandth of each map's maximum."""
    assert actual.shape == expected.shape
    largest = np.abs(expected).max((1, 2), keepdims=True)
    assert (np.abs(actual - expected) <= 1e-3 * largest).all()
    assert (largest > 0).sum() >= len(expected) // 5  # blank maps are always equal


class Score:
    """Score that the library explains: a logit, or the difference of two."""

    def __init__(self, target: int, rival: int) -> None:
        self.target, self.rival = target, rival

    def __call__(self, logits: Tensor) -> Tensor:
        return logits[self.target] - (logits[self.rival] if self.rival != Rival.NONE else 0)


def by_library(net: PetNet, photos: Tensor, targets: Sequence[int], rivals: Sequence[int]) -> NDArray[np.float32]:
    """Return the library's maps before it scales them to 0 to 1 and to the photo's size."""
    with GradCAM(model=net, target_layers=[net.body]) as cam:
        cam(photos, [Score(*pair) for pair in zip(targets, rivals, strict=True)])
        hooks = cam.activations_and_grads
        (acts,), (grads,) = ([tensor.numpy() for tensor in kept] for kept in (hooks.activations, hooks.gradients))
        return np.maximum(cam.get_cam_image(photos, net.body, None, acts, grads), 0)


def by_hooks(net: PetNet, photo: Tensor, target: int) -> tuple[Tensor, Tensor]:
    """Return the fast.ai lesson's two maps of one photo, ``acts.mean(0)`` and Grad-CAM, with a hook each way."""
    kept: dict[str, Tensor] = {}
    hooks = [
        net.body.register_forward_hook(lambda module, inputs, output: kept.update(acts=output[0])),
        net.body.register_full_backward_hook(lambda module, inputs, output: kept.update(grad=output[0][0])),
    ]
    try:
        net(photo[None].requires_grad_())[0, target].backward()
    finally:
        for hook in hooks:
            hook.remove()
    acts, grad = kept["acts"].detach(), kept["grad"]
    grad_chan = grad.mean(1).mean(1)
    return acts.mean(0), torch.relu((acts * grad_chan[..., None, None]).sum(0))


# Heatmaps.


@pytest.mark.integration
def test_grad_cam_equals_the_librarys(net: PetNet, photos: Tensor) -> None:
    logits, _, gradcam, target, rival = explain(net, photos, Target.PREDICTED)
    np.testing.assert_array_equal(target, logits.argmax(1))
    assert (rival == Rival.NONE).all()
    assert gradcam.min() == 0
    assert_same_maps(gradcam, by_library(net, photos, target, rival))


def test_any_class_can_be_explained(net: PetNet, photos: Tensor) -> None:
    targets = [i % CLASSES for i in range(PHOTOS)]
    _, _, gradcam, target, rival = explain(net, photos, targets)
    assert target.tolist() == targets
    assert_same_maps(gradcam, by_library(net, photos, targets, rival))


@pytest.mark.integration
def test_contrast_is_grad_cam_of_the_difference(net: PetNet, photos: Tensor) -> None:
    targets = [i % CLASSES for i in range(PHOTOS)]
    rivals = [(i + 3) % CLASSES for i in range(PHOTOS)]
    _, _, gradcam, target, rival = explain(net, photos, targets, rivals)
    assert (target.tolist(), rival.tolist()) == (targets, rivals)
    expected = by_library(net, photos, targets, rivals)
    assert_same_maps(gradcam, expected)
    assert (expected != by_library(net, photos, targets, [Rival.NONE] * PHOTOS)).any()


@pytest.mark.integration
def test_both_maps_equal_the_lessons(net: PetNet, photos: Tensor) -> None:
    _, activation, gradcam, target, _ = explain(net, photos, Target.PREDICTED)
    hooked = [by_hooks(net, photo, int(number)) for photo, number in zip(photos, target, strict=True)]
    assert_same_maps(activation, np.stack([acts for acts, _ in hooked]))
    assert_same_maps(gradcam, np.stack([cam for _, cam in hooked]))


def test_the_runner_up_is_the_best_class_besides_the_target(net: PetNet, photos: Tensor) -> None:
    """The runner-up is never the explained class."""
    logits, _, _, target, rival = explain(net, photos, Target.PREDICTED, Rival.RUNNER_UP)
    order = np.argsort(-logits, axis=1)
    np.testing.assert_array_equal(np.stack([target, rival], 1), order[:, :2])
    _, _, gradcam, target, rival = explain(net, photos, order[:, 4].tolist(), Rival.RUNNER_UP)
    np.testing.assert_array_equal(np.stack([target, rival], 1), order[:, [4, 0]])
    np.testing.assert_array_equal(gradcam, explain(net, photos, order[:, 4].tolist(), order[:, 0].tolist())[2])


def test_a_batch_gives_the_same_as_each_photo_alone(net: PetNet, photos: Tensor) -> None:
    targets = [Target.PREDICTED, 0, 3, Target.PREDICTED]
    rivals = [Rival.NONE, Rival.RUNNER_UP, 2, 5]
    together = explain(net, photos[:4], targets, rivals)
    for i, codes in enumerate(zip(targets, rivals, strict=True)):
        for batched, alone in zip(together, explain(net, photos[i : i + 1], *codes), strict=True):
            np.testing.assert_allclose(batched[i], alone[0], rtol=1e-4, atol=1e-5)


def test_the_logits_equal_the_networks(net: PetNet, photos: Tensor) -> None:
    with torch.no_grad():
        np.testing.assert_array_equal(explain(net, photos[:3], Target.PREDICTED)[0], net(photos[:3]).numpy())


# The head.


def test_the_lessons_head_equals_fastais() -> None:
    from fastai.vision.learner import create_head

    torch.manual_seed(0)
    # In fastai v2's LinBnDrop the batch norm follows the ReLU too if the linear layer is first.
    theirs = create_head(16, CLASSES, lin_ftrs=[32], ps=0.5, bn_final=True, lin_first=False)
    ours = Head(16, CLASSES, HEADS["lesson"])
    kinds = (nn.BatchNorm1d, nn.Linear, nn.Dropout, nn.ReLU)
    layers = [[m for m in each.modules() if isinstance(m, kinds)] for each in (theirs, ours)]
    assert [type(m) for m in layers[0]] == [type(m) for m in layers[1]]
    assert [m.p for m in layers[0] if isinstance(m, nn.Dropout)] == [
        m.p for m in layers[1] if isinstance(m, nn.Dropout)
    ]
    assert [m.momentum for m in layers[0] if isinstance(m, nn.BatchNorm1d)] == [
        m.momentum for m in layers[1] if isinstance(m, nn.BatchNorm1d)
    ]
    for mine, other in zip(layers[1], layers[0], strict=True):
        if other.state_dict():
            state = {name: value for name, value in other.state_dict().items() if name in mine.state_dict()}
            mine.load_state_dict(state, strict=False)
    features = torch.randn(5, 16, 4, 4)
    theirs.eval(), ours.eval()
    torch.testing.assert_close(ours(features), theirs(features))


@pytest.mark.parametrize("name", ["efficientnet_lite0", "resnet18", "resnet18+mobilenet_v2", "regnetx_002"])
def test_the_groups_have_each_parameter_once_and_halve_the_body(name: str) -> None:
    made = make_backbone(name, pretrained=False)
    net = PetNet(made.body, Head(made.spec.channels, 3, HEADS["lesson"]))
    groups = net.groups()
    assert len(parameter_names(net, groups)) == len(list(net.parameters()))
    sizes = [sum(param.numel() for param in group.parameters()) for group in groups]
    assert groups[2] is net.head
    assert sizes[1] > 0.2 * sum(sizes[:2])
    if name != "regnetx_002":  # timm's networks are one stage
        assert sizes[0] > 0.05 * sum(sizes[:2])
        assert next(iter(groups[0].parameters())) is next(net.body.parameters())


@pytest.mark.parametrize("train_bn", [False, True])
def test_batch_norms_train_only_with_train_bn(body: Backbone, train_bn: bool) -> None:
    net = PetNet(body.body, Head(body.spec.channels, 3, HEADS["linear"]), train_bn=train_bn).train()
    norms = [module for module in net.body.modules() if isinstance(module, nn.BatchNorm2d)]
    assert len(norms) > 20
    assert {norm.training for norm in norms} == {train_bn}
    assert net.head.layers[0].training  # the dropout
    net.eval()
    assert not any(module.training for module in net.modules())
