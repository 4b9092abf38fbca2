"""Heatmaps: do they lie on the animal, on its head, and on what the network's answer depends on?

    python -m benchmarks.heatmap_quality BUNDLE DATA [--images 100]

DATA is a folder in the layout of the Oxford-IIIT pets (images/ and annotations/). The maps of the trained network are
held against those of the same network with its weights drawn at random (Adebayo et al. 2018, "Sanity checks for
saliency maps": what such a map shows too was not learned), and against a Gaussian in the middle, as wide as Grad-CAM's
map: that is where people have their pets when they take a photo. The scores are those of heatmap_metrics.py. Energy,
deletion and insertion are of the test split; head boxes were published for trainval alone, whose labels the network
has seen, but no head. Prints Markdown tables.
"""

import argparse
import copy
import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar
from xml.etree import ElementTree

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from safetensors.torch import load_file
from torch import nn
from tqdm import tqdm

from benchmarks.heatmap_metrics import (
    Heat,
    Mask,
    Pixels,
    area,
    energy_inside,
    gaussian,
    hits,
    rank_correlation,
    replaced,
    shown,
    spread,
    standard_error,
)
from pets.bundle import load
from pets.graph import Rival, Target
from pets.images import Box, Photo, crop, normalise, open_photo
from runtime.bundle import WEIGHTS
from schemas.bundle import ImageSpec, PetsManifest
from training.pets.network import ExplainedNet, Head, PetNet, make_backbone

BLUR = 0.1  # radius of what is put in the place of a pixel, of the input's side
BATCH = 16
METHODS = ("gradcam", "activation")
RANDOM = "{}, random weights"
BASELINES = (RANDOM.format("gradcam"), RANDOM.format("activation"), "centre Gaussian", "the same everywhere")
ENERGY, HEAD, DELETION, INSERTION = "energy inside the animal", "largest value on the head", "deletion", "insertion"
SCORES = (ENERGY, HEAD, DELETION, INSERTION)
SPREAD = "spread"
UNLEARNED = "rank correlation"

M = TypeVar("M", bound=nn.Module)
Scores = Mapping[str, NDArray[np.float64]]  # [image] for each kind of map


class Seen(NamedTuple):
    """What a network says about a batch of B images."""

    probabilities: NDArray[np.float32]  # [B, classes]
    activation: NDArray[np.float32]  # [B, rows, columns]
    gradcam: NDArray[np.float32]  # [B, rows, columns]


# [B, side, side, 3] of 0 to 255, and the class [B] that Grad-CAM is about: the most probable one if None
Network = Callable[[Pixels, NDArray[np.int64] | None], Seen]


def read_split(data: Path, name: str) -> list[str]:
    """Names of the official split's images: ``test`` or ``trainval``."""
    lines = (data / "annotations" / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return [line.split()[0] for line in lines if line and not line.startswith("#")]


def read_photo(data: Path, name: str) -> Photo:
    """An image by its name in the splits."""
    return open_photo((data / "images" / f"{name}.jpg").read_bytes())


def read_mask(path: Path, box: Box, side: int) -> tuple[Mask, Mask]:
    """Where the animal is in the network's input, and where that is known: a trimap's outline (3) is neither."""
    with Image.open(path) as image:
        trimap = np.asarray(image.resize((side, side), Image.Resampling.NEAREST, box=box))
    return trimap == 1, trimap != 3


def read_heads(data: Path) -> dict[str, Box]:
    """Head boxes by image, in pixels of the photo: ``annotations/xmls``, and ``head_bboxes.csv`` if it is there."""
    heads = {}
    if (table := data / "annotations" / "head_bboxes.csv").exists():
        with table.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                heads[row["image_id"]] = Box(*(float(row[key]) for key in ("xmin", "ymin", "xmax", "ymax")))
    for path in sorted((data / "annotations" / "xmls").glob("*.xml")):
        found = ElementTree.parse(path).getroot().find("object/bndbox")
        if found is not None:
            heads[path.stem] = Box(*(float(found.findtext(key, "nan")) for key in ("xmin", "ymin", "xmax", "ymax")))
    return heads


def in_input(head: Box, box: Box, side: int) -> Box:
    """A box of the photo in pixels of the network's input.

    >>> in_input(Box(20, 30, 40, 50), Box(10, 10, 110, 110), 50)
    Box(left=5.0, top=10.0, right=15.0, bottom=20.0)
    """
    x, y = side / (box.right - box.left), side / (box.bottom - box.top)
    return Box((head.left - box.left) * x, (head.top - box.top) * y, (head.right - box.left) * x,
               (head.bottom - box.top) * y)  # fmt: skip


class Networks(NamedTuple):
    """What is measured: a network, the same one with random weights, and what photos they take."""

    trained: Network
    randomised: Network
    size: int  # pixels of the input's side
    crop_pct: float


class Look(NamedTuple):
    """What there is to score of one photo."""

    name: str
    pixels: Pixels  # the network's input
    box: Box  # which is this part of the photo
    label: int  # the most probable class
    heats: dict[str, Heat]  # METHODS and BASELINES
    unlearned: dict[str, float]  # for each of METHODS, its rank correlation with the one of random weights


def looks(networks: Networks, data: Path, names: Sequence[str]) -> Iterator[Look]:
    """Every kind of map of each photo."""
    everywhere = shown(np.ones((1, 1), np.float32), networks.size)  # is deleted and inserted from top to bottom
    for start in tqdm(range(0, len(names), BATCH), unit="batch", disable=None, leave=False):
        batch = names[start : start + BATCH]
        fitted = [crop(read_photo(data, name), networks.size, networks.crop_pct) for name in batch]
        pixels = np.stack([each for each, _ in fitted])
        trained = networks.trained(pixels, None)
        labels = trained.probabilities.argmax(axis=1)
        randomised = networks.randomised(pixels, labels)
        for i, name in enumerate(batch):
            pairs = {method: (getattr(trained, method)[i], getattr(randomised, method)[i]) for method in METHODS}
            heats = {method: shown(learned, networks.size) for method, (learned, _) in pairs.items()}
            heats |= {RANDOM.format(method): shown(drawn, networks.size) for method, (_, drawn) in pairs.items()}
            heats["centre Gaussian"] = gaussian(networks.size, spread(heats["gradcam"]))
            heats["the same everywhere"] = everywhere
            unlearned = {method: rank_correlation(*pair) for method, pair in pairs.items()}
            yield Look(name, *fitted[i], int(labels[i]), heats, unlearned)


def faithfulness(trained: Network, look: Look, start: Pixels, end: Pixels) -> dict[str, float]:
    """For each kind of map, the area under the class's probability while ``start`` turns into ``end``."""
    frames = {kind: replaced(start, end, heat) for kind, heat in look.heats.items()}
    return {kind: area(trained(each, None).probabilities[:, look.label]) for kind, each in frames.items()}


def measure(networks: Networks, data: Path, images: int) -> dict[str, Scores]:
    """Each score of each kind of map, by the score's name; deletion and insertion of so many of the images."""
    trimaps = {path.stem: path for path in (data / "annotations" / "trimaps").glob("[!.]*.png")}
    heads = read_heads(data)
    test = [name for name in read_split(data, "test") if name in trimaps]
    headed = [name for name in read_split(data, "trainval") if name in heads]
    if not test or not headed:
        raise SystemExit(f"{data}: {len(test)} test images have a trimap, {len(headed)} trainval images a head box")
    some = [test[i] for i in np.linspace(0, len(test) - 1, min(images, len(test))).astype(int)]
    rows: dict[str, list[dict[str, float]]] = {score: [] for score in (*SCORES, SPREAD, UNLEARNED)}
    for look in looks(networks, data, test):
        inside, counted = read_mask(trimaps[look.name], look.box, networks.size)
        rows[ENERGY].append({kind: energy_inside(heat, inside, counted) for kind, heat in look.heats.items()})
        rows[SPREAD].append({kind: spread(heat) for kind, heat in look.heats.items()})
        rows[UNLEARNED].append(look.unlearned)
    for look in looks(networks, data, headed):
        head = in_input(heads[look.name], look.box, networks.size)
        rows[HEAD].append({kind: hits(heat, head) for kind, heat in look.heats.items()})
    for look in looks(networks, data, some):
        blurred = np.asarray(Image.fromarray(look.pixels).filter(ImageFilter.GaussianBlur(BLUR * networks.size)))
        rows[DELETION].append(faithfulness(networks.trained, look, look.pixels, blurred))
        rows[INSERTION].append(faithfulness(networks.trained, look, blurred, look.pixels))
    return {score: {kind: np.array([row[kind] for row in of]) for kind in of[0]} for score, of in rows.items()}


def cell(scores: NDArray[np.float64], errors: float = 1) -> str:
    """The mean and so many standard errors.

    >>> cell(np.array([1.0, 2, 3]))
    '2.000 ± 0.577'
    """
    return f"{scores.mean():.3f} ± {errors * standard_error(scores):.3f}"


def line(first: str, cells: Iterable[str]) -> str:
    """A row of a Markdown table.

    >>> line("map", ["deletion", "insertion"])
    '| map | deletion | insertion |'
    """
    return f"| {' | '.join([first, *cells])} |"


def tables(measured: Mapping[str, Scores]) -> str:
    """The scores of every kind of map, and by how much Grad-CAM is better than the others, image by image."""
    columns = (*SCORES, SPREAD)
    lines = [
        "Means and standard errors. Less is better for deletion, more for the others; the spread is neither.\n",
        line("map", columns),
        line("---", ["---"] * len(columns)),
        *(line(kind, (cell(measured[score][kind]) for score in columns)) for kind in METHODS + BASELINES),
        line("images", (str(len(measured[score]["gradcam"])) for score in columns)),
        "\nBy how much Grad-CAM is better, image by image, with 95 % intervals.\n",
        line("than", SCORES),
        line("---", ["---"] * len(SCORES)),
    ]
    for kind in METHODS[1:] + BASELINES:
        gains = {score: measured[score]["gradcam"] - measured[score][kind] for score in SCORES}
        gains[DELETION] = -gains[DELETION]
        lines.append(line(kind, (cell(gains[score], 1.96) for score in SCORES)))
    lines.append("\nRank correlation of a map with the one of random weights: ")
    lines[-1] += ", ".join(f"{method} {cell(measured[UNLEARNED][method])}" for method in METHODS)
    return "\n".join(lines)


def randomise(network: M, photos: torch.Tensor, seed: int = 0) -> M:
    """The network as it was before any training: a copy with all weights drawn anew.

    Its batch norms are then measured on some photos. Without that the activations die out from layer to layer, and a
    blank map would be too easy to beat.

    Raises:
        ValueError: if some weights can't be drawn anew; it names them.
    """
    torch.manual_seed(seed)
    drawn = copy.deepcopy(network)
    for module in drawn.modules():
        if callable(reset := getattr(module, "reset_parameters", None)):
            reset()
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.momentum = None  # the mean of all batches, not a moving one
    pairs = zip(drawn.named_parameters(), network.parameters(), strict=True)
    if learned := [name for (name, new), old in pairs if new.ndim > 1 and torch.equal(new, old)]:
        raise ValueError(f"still as they were learned: {', '.join(learned)}")
    with torch.no_grad():
        drawn.train()(photos)
    return drawn.eval()


def seen_by(net: PetNet, image: ImageSpec, temperature: float = 1) -> Network:
    """What a network of ours says, and its maps."""
    explained = ExplainedNet(net).eval()

    def see(pixels: Pixels, classes: NDArray[np.int64] | None) -> Seen:
        target = torch.full((len(pixels),), Target.PREDICTED) if classes is None else torch.from_numpy(classes)
        images = torch.from_numpy(normalise(pixels, image.mean, image.std))
        with torch.inference_mode():
            logits, activation, gradcam, _, _ = explained(images, target, torch.full_like(target, Rival.NONE))
        return Seen((logits / temperature).softmax(1).numpy(), activation.numpy(), gradcam.numpy())

    return see


def open_net(bundle: Path) -> tuple[PetsManifest, PetNet]:
    """What a bundle was exported from: its manifest, and its network in eval mode."""
    manifest = load(bundle).manifest
    body, spec = make_backbone(manifest.backbone.name, pretrained=False)
    net = PetNet(body, Head(spec.channels, len(manifest.classes), manifest.head))
    net.load_state_dict(load_file(bundle / WEIGHTS))
    net.eval()
    return manifest, net.to(memory_format=torch.channels_last)  # three times as fast on a CPU


def open_networks(bundle: Path, data: Path) -> Networks:
    """A bundle's network, and the one with random weights, whose batch norms are measured on trainval photos."""
    manifest, net = open_net(bundle)
    image, names = manifest.image, read_split(data, "trainval")
    some = [names[i] for i in np.linspace(0, len(names) - 1, min(64, len(names))).astype(int)]
    pixels = np.stack([crop(read_photo(data, name), image.size, image.crop_pct)[0] for name in some])
    drawn = randomise(net, torch.from_numpy(normalise(pixels, image.mean, image.std)))
    return Networks(seen_by(net, image, manifest.temperature), seen_by(drawn, image), image.size, image.crop_pct)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("data", type=Path, help="a folder with images/ and annotations/")
    parser.add_argument("--images", type=int, default=100, help="for deletion and insertion, which are slow")
    args = parser.parse_args()
    print(tables(measure(open_networks(args.bundle, args.data), args.data, args.images)))


if __name__ == "__main__":
    main()
