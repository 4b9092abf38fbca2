"""The features graph: feature maps of several stages of the backbone, pooled, for labelling photos without labels.

`pets.graph` has the names of the outputs. A stage ends where the shape of the feature map changes. Of networks
side by side, the graph runs the first alone: it knows nearly as much, for its share of the cost.
"""

from base64 import b64decode
from collections.abc import Iterator
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from pets import bundle as bundles
from pets.bundle import Bundle
from pets.golden import TOLERANCES
from pets.graph import GRID, INPUTS, POOLINGS, STAGES, feature_name
from pets.images import crop, normalise, open_photo
from runtime.bundle import WEIGHTS, BundleError
from schemas.pets.manifest import PetsManifest
from training.export import refer_to_weights, to_onnx
from training.pets.backbones import make_backbone
from training.pets.network import Head, PetNet


class FeaturesNet(nn.Module):
    """A network that returns the pooled feature maps of its stages, in eval mode. It is exported.

    Args:
        net: network whose backbone computes the features, on the CPU.
        size: side of the photos, pixels.
    """

    def __init__(self, net: PetNet, size: int) -> None:
        super().__init__()
        self.net = net.eval()
        part = cast(nn.Sequential, net.body.parts[0])
        self._stages = stages(part, size)
        for side in {stage.side for stage in self._stages.values()}:
            self.register_buffer(f"grid_{side}", _cells(side))
        self.outputs = [feature_name(stage, pooling) for stage in self._stages for pooling in POOLINGS]

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return the outputs that ``outputs`` names, for normalised photos ``[B, 3, S, S]``."""
        maps: dict[str, Tensor] = {}
        handles = [
            stage.module.register_forward_hook(partial(_keep, maps, name)) for name, stage in self._stages.items()
        ]
        try:
            self.net.body.parts[0](images)
        finally:
            for handle in handles:
                handle.remove()
        pooled = []
        for name, stage in self._stages.items():
            cells = cast(Tensor, getattr(self, f"grid_{stage.side}"))
            pooled += [maps[name].mean((2, 3)), cells.T @ (maps[name] @ cells)]
        return tuple(pooled)


class Stage(NamedTuple):
    """The last module of a stage, and the side of its feature map."""

    module: nn.Module
    side: int


def stages(part: nn.Sequential, size: int) -> dict[str, Stage]:
    """Return the stages of a network by name, from its input to its end.

    Args:
        part: network without its pooling and classifier, in eval mode.
        size: side of the photos, pixels.
    """
    parts = _split(_runs(_outputs(part, size)))[-len(STAGES) :]
    chosen = np.linspace(0, len(STAGES) - 1, len(parts)).round().astype(int) if len(parts) > 1 else [-1]
    return {STAGES[i]: Stage(run[-1].module, run[-1].shape[-1]) for i, run in zip(chosen, parts, strict=True)}


def features_network(net: PetNet, size: int) -> bytes:
    """Return the features graph with its weights as an ONNX file.

    Args:
        net: network with a backbone as the bundle has it.
        size: side of the photos, pixels.
    """
    features = FeaturesNet(deepcopy(net).cpu(), size).eval()
    return to_onnx(features, (torch.zeros((2, 3, size, size)),), INPUTS[:1], features.outputs)


def add_features(folder: Path) -> PetsManifest:
    """Add a features graph to a bundle, or make it anew; the bundle is replaced atomically and keeps its version.

    Args:
        folder: the bundle.

    Returns:
        The manifest of the new bundle.

    Raises:
        BundleError: if the bundle is damaged, or its backbone can't be made from its weights.
        BackboneError: if its backbone is unknown.
    """
    bundle = bundles.load(folder)
    net = rebuilt(bundle)
    graph = features_network(net, bundle.manifest.image.size)
    return bundles.add_features(bundle, partial(refer_to_weights, graph, prefix="net."))


def rebuilt(bundle: Bundle) -> PetNet:
    """Return a bundle's network in torch, made from its manifest and its weights.

    Raises:
        BundleError: if the weights don't fit the backbone, or the network computes other golden outputs.
        BackboneError: if the backbone is unknown.
    """
    manifest = bundle.manifest
    made = make_backbone(manifest.backbone.name, pretrained=False)
    net = PetNet(made.body, Head(made.spec.channels, len(manifest.classes), manifest.head)).eval()
    weights = load_file(bundle.folder / WEIGHTS)
    try:
        net.load_state_dict({name: tensor.float() if tensor.dim() else tensor for name, tensor in weights.items()})
    except RuntimeError as error:
        raise BundleError(f"{bundle.folder / WEIGHTS} does not fit {manifest.backbone.name}: {error}") from error
    _check_golden(net, bundle)
    return net


def _check_golden(net: PetNet, bundle: Bundle) -> None:
    """Compare a network's logits for the golden pictures with the bundle's."""
    image = bundle.manifest.image
    pixels = [crop(open_photo(b64decode(row["png"])), image.size, image.crop_pct)[0] for row in bundle.golden]
    expected = np.array([row["logits"] for row in bundle.golden])
    with torch.no_grad():
        logits = net(torch.from_numpy(normalise(np.stack(pixels), image.mean, image.std))).numpy()
    if not np.abs(logits - expected).max() <= TOLERANCES["single"] * np.abs(expected).max():
        raise BundleError(
            f"{bundle.folder}: {bundle.manifest.backbone.name} of the installed packages computes other outputs with "
            "these weights; install the versions of constraints.txt, or train again"
        )


class _Output(NamedTuple):
    """A module that ran once, and the shape of its feature map: channels, rows, columns."""

    module: nn.Module
    shape: tuple[int, ...]


Run = list[_Output]  # modules in a row whose feature maps have one shape


def _outputs(part: nn.Sequential, size: int) -> list[_Output]:
    """Return the modules of a network with a feature map, in the order in which they end; the network is the last."""
    modules = [*_candidates(part), part]
    found: list[_Output] = []

    def record(module: nn.Module, _inputs: object, output: object) -> None:
        if isinstance(output, Tensor) and output.dim() == 4 and output.shape[2] == output.shape[3]:
            found.append(_Output(module, tuple(output.shape[1:])))

    handles = [module.register_forward_hook(record) for module in modules]
    try:
        with torch.no_grad():
            part(torch.zeros((1, 3, size, size)))
    finally:
        for handle in handles:
            handle.remove()
    times = [output.module for output in found]
    return [output for output in found if times.count(output.module) == 1]


def _candidates(part: nn.Sequential) -> list[nn.Module]:
    """Return the modules in a row that make up a network: those of nested sequences."""
    children: list[nn.Module] = list(part.children())
    if len(children) == 1:  # a network of timm as it is
        children = list(children[0].children())
    return [module for child in children for module in _flat(child)]


def _flat(module: nn.Module) -> Iterator[nn.Module]:
    """Yield the modules of nested sequences."""
    if not isinstance(module, nn.Sequential):
        yield module
    for child in module.children() if isinstance(module, nn.Sequential) else ():
        yield from _flat(child)


def _runs(outputs: list[_Output]) -> list[Run]:
    """Group modules in a row whose feature maps have one shape."""
    runs: list[Run] = []
    for output in outputs:
        if runs and runs[-1][-1].shape == output.shape:
            runs[-1].append(output)
        else:
            runs.append([output])
    return runs


def _split(runs: list[Run]) -> list[Run]:
    """Split runs with the most blocks in the middle, until there are as many as stages or no run has two blocks."""
    runs = list(runs)
    while len(runs) < len(STAGES):
        blocks = [_blocks(run) for run in runs]
        longest = max(range(len(runs)), key=lambda i: len(blocks[i]))
        if len(blocks[longest]) < 2:
            break
        end = blocks[longest][len(blocks[longest]) // 2 - 1] + 1
        runs[longest : longest + 1] = [runs[longest][:end], runs[longest][end:]]
    return runs


def _blocks(run: Run) -> list[int]:
    """Return the places of a run's blocks: modules that have modules, besides the network itself."""
    return [
        i
        for i, output in enumerate(run)
        if any(True for _ in output.module.children()) and not isinstance(output.module, nn.Sequential)
    ]


def _cells(side: int) -> Tensor:
    """Return the weights of the means over a grid's cells along one side, ``[side, GRID]``.

    The cells are those of ``AdaptiveAvgPool2d``: they overlap where the side is no multiple of their number.
    """
    weights = torch.zeros((side, GRID))
    for cell in range(GRID):
        first, end = cell * side // GRID, -(-(cell + 1) * side // GRID)
        weights[first:end, cell] = 1 / (end - first)
    return weights


def _keep(maps: dict[str, Tensor], name: str, _module: nn.Module, _inputs: object, output: Tensor) -> None:
    maps[name] = output
