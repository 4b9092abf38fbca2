"""The network of a bundle, with its trained weights and with random ones."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import nn

from benchmarks.heatmaps.dataset import read_photo, read_split
from benchmarks.heatmaps.metrics import Pixels
from pets.bundle import load
from pets.graph import Rival, Target
from pets.images import crop, normalise
from runtime.bundle import WEIGHTS
from schemas.pets.manifest import ImageSpec, PetsManifest
from training.pets.backbones import make_backbone
from training.pets.network import ExplainedNet, Head, PetNet

NORM_PHOTOS = 64  # photos that the random network's batch norms are measured on

M = TypeVar("M", bound=nn.Module)


class Output(NamedTuple):
    """Output of a network for a batch of B images."""

    probabilities: NDArray[np.float32]  # [B, classes]
    activation: NDArray[np.float32]  # [B, rows, columns]
    gradcam: NDArray[np.float32]  # [B, rows, columns]


# Takes [B, side, side, 3] of 0 to 255, and the class [B] that Grad-CAM explains, or None for the most probable one.
Network = Callable[[Pixels, NDArray[np.int64] | None], Output]


class Networks(NamedTuple):
    """A trained network and the same one with random weights.

    Attributes:
        trained: the network with its trained weights.
        randomised: the network with random weights.
        size: side of their input, pixels.
        crop_pct: share of a photo's shorter side that they see.
    """

    trained: Network
    randomised: Network
    size: int
    crop_pct: float


def randomise(network: M, photos: torch.Tensor, seed: int = 0) -> M:
    """Return a copy of a network with all weights drawn anew, as before any training.

    Its batch norms are then measured on photos. Without that the activations fade from layer to layer, and a blank map
    would be too easy to beat.

    Raises:
        ValueError: if some weights can't be drawn anew; the message names them.
    """
    torch.manual_seed(seed)
    drawn = copy.deepcopy(network)
    for module in drawn.modules():
        if callable(reset := getattr(module, "reset_parameters", None)):
            reset()
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.momentum = None  # the mean of all batches, not a moving one
    pairs = zip(drawn.named_parameters(), network.parameters(), strict=True)
    if trained := [name for (name, new), old in pairs if new.ndim > 1 and torch.equal(new, old)]:
        raise ValueError(f"still as training left them: {', '.join(trained)}")
    with torch.no_grad():
        drawn.train()(photos)
    drawn.eval()
    return drawn


def as_network(net: PetNet, image: ImageSpec, temperature: float = 1) -> Network:
    """Return a function that runs a network and its heatmaps on pixels."""
    explained = ExplainedNet(net).eval()

    def run(pixels: Pixels, classes: NDArray[np.int64] | None) -> Output:
        target = torch.full((len(pixels),), Target.PREDICTED) if classes is None else torch.from_numpy(classes)
        images = torch.from_numpy(normalise(pixels, image.mean, image.std))
        with torch.inference_mode():
            logits, activation, gradcam, _, _ = explained(images, target, torch.full_like(target, Rival.NONE))
        return Output((logits / temperature).softmax(1).numpy(), activation.numpy(), gradcam.numpy())

    return run


def open_net(bundle: Path) -> tuple[PetsManifest, PetNet]:
    """Return a bundle's manifest, and its torch network in eval mode."""
    manifest = load(bundle).manifest
    body, spec, _ = make_backbone(manifest.backbone.name, pretrained=False)
    net = PetNet(body, Head(spec.channels, len(manifest.classes), manifest.head))
    net.load_state_dict(load_file(bundle / WEIGHTS))
    net.eval()
    return manifest, net.to(memory_format=torch.channels_last)  # three times as fast on a CPU


def open_networks(bundle: Path, data: Path) -> Networks:
    """Return a bundle's network and the random one, whose batch norms are measured on photos of trainval."""
    manifest, net = open_net(bundle)
    image, names = manifest.image, read_split(data, "trainval")
    chosen = [names[i] for i in np.linspace(0, len(names) - 1, min(NORM_PHOTOS, len(names))).astype(int)]
    pixels = np.stack([crop(read_photo(data, name), image.size, image.crop_pct)[0] for name in chosen])
    random = randomise(net, torch.from_numpy(normalise(pixels, image.mean, image.std)))
    return Networks(as_network(net, image, manifest.temperature), as_network(random, image), image.size, image.crop_pct)
