"""Measure whether heatmaps lie on the animal, on its head, and on the pixels that decide the network's answer.

    python -m benchmarks.heatmap_quality BUNDLE DATA [--images 100]

DATA is a folder in the layout of the Oxford-IIIT Pet Dataset (images/ and annotations/). The maps of the trained
network are compared with two others:

- Maps of the same network with random weights (Adebayo et al. 2018, "Sanity checks for saliency maps"). Training has
  not taught the network anything that such a map shows too.
- A Gaussian in the middle, as wide as Grad-CAM's map: people photograph their pets in the middle.

`benchmarks.heatmaps.metrics` defines the scores. Energy, deletion and insertion are measured on the test split. Head
boxes exist for trainval alone: the network was trained on the labels of these photos, but on no head box. Prints
Markdown tables.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from tqdm import tqdm

from benchmarks.heatmaps.dataset import read_heads, read_mask, read_photo, read_split, to_input_pixels
from benchmarks.heatmaps.metrics import (
    Heat,
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
from benchmarks.heatmaps.networks import Network, Networks, open_networks
from benchmarks.markdown import table_row
from pets.images import Box, crop

BLUR = 0.1  # radius of the blur that replaces pixels, as a share of the input's side
BATCH = 16
METHODS = ("gradcam", "activation")
RANDOM = "{}, random weights"
BASELINES = (RANDOM.format("gradcam"), RANDOM.format("activation"), "centre Gaussian", "the same everywhere")
ENERGY, HEAD, DELETION, INSERTION = "energy inside the animal", "largest value on the head", "deletion", "insertion"
SCORES = (ENERGY, HEAD, DELETION, INSERTION)
SPREAD = "spread"
UNLEARNED = "rank correlation"

Scores = Mapping[str, NDArray[np.float64]]  # [image] for each kind of map


class PhotoMaps(NamedTuple):
    """All kinds of heatmap of one photo.

    Attributes:
        name: name of the photo in the splits.
        pixels: input of the network.
        box: part of the photo that the network sees.
        label: the most probable class.
        heats: map by kind, of METHODS and BASELINES.
        unlearned: for each of METHODS, the rank correlation of its map with the map of random weights.
    """

    name: str
    pixels: Pixels
    box: Box
    label: int
    heats: dict[str, Heat]
    unlearned: dict[str, float]


def photo_maps(networks: Networks, data: Path, names: Sequence[str]) -> Iterator[PhotoMaps]:
    """Yield every kind of map of each photo."""
    everywhere = shown(np.ones((1, 1), np.float32), networks.size)  # is deleted and inserted from top to bottom
    for start in tqdm(range(0, len(names), BATCH), unit="batch", disable=None, leave=False):
        batch = names[start : start + BATCH]
        fitted = [crop(read_photo(data, name), networks.size, networks.crop_pct) for name in batch]
        pixels = np.stack([square for square, _ in fitted])
        trained = networks.trained(pixels, None)
        labels = trained.probabilities.argmax(axis=1)
        randomised = networks.randomised(pixels, labels)
        for i, name in enumerate(batch):
            pairs = {method: (getattr(trained, method)[i], getattr(randomised, method)[i]) for method in METHODS}
            heats = {method: shown(learned, networks.size) for method, (learned, _) in pairs.items()}
            heats |= {RANDOM.format(method): shown(random, networks.size) for method, (_, random) in pairs.items()}
            heats["centre Gaussian"] = gaussian(networks.size, spread(heats["gradcam"]))
            heats["the same everywhere"] = everywhere
            unlearned = {method: rank_correlation(*pair) for method, pair in pairs.items()}
            yield PhotoMaps(name, *fitted[i], int(labels[i]), heats, unlearned)


def faithfulness(trained: Network, maps: PhotoMaps, start: Pixels, end: Pixels) -> dict[str, float]:
    """Return, by kind of map, the area under the class's probability while ``start`` turns into ``end``."""
    frames = {kind: replaced(start, end, heat) for kind, heat in maps.heats.items()}
    return {kind: area(trained(pixels, None).probabilities[:, maps.label]) for kind, pixels in frames.items()}


def measure(networks: Networks, data: Path, images: int) -> dict[str, Scores]:
    """Return the scores of each kind of map, by the score's name.

    Args:
        networks: the networks whose maps are scored.
        data: folder in the layout of the Oxford-IIIT Pet Dataset.
        images: number of images for deletion and insertion.
    """
    trimaps = {path.stem: path for path in (data / "annotations" / "trimaps").glob("[!.]*.png")}
    heads = read_heads(data)
    test = [name for name in read_split(data, "test") if name in trimaps]
    headed = [name for name in read_split(data, "trainval") if name in heads]
    if not test or not headed:
        raise SystemExit(f"{data}: {len(test)} test images have a trimap, {len(headed)} trainval images a head box")
    chosen = [test[i] for i in np.linspace(0, len(test) - 1, min(images, len(test))).astype(int)]
    rows: dict[str, list[dict[str, float]]] = {score: [] for score in (*SCORES, SPREAD, UNLEARNED)}
    for maps in photo_maps(networks, data, test):
        inside, counted = read_mask(trimaps[maps.name], maps.box, networks.size)
        rows[ENERGY].append({kind: energy_inside(heat, inside, counted) for kind, heat in maps.heats.items()})
        rows[SPREAD].append({kind: spread(heat) for kind, heat in maps.heats.items()})
        rows[UNLEARNED].append(maps.unlearned)
    for maps in photo_maps(networks, data, headed):
        head = to_input_pixels(heads[maps.name], maps.box, networks.size)
        rows[HEAD].append({kind: hits(heat, head) for kind, heat in maps.heats.items()})
    for maps in photo_maps(networks, data, chosen):
        blurred = np.asarray(Image.fromarray(maps.pixels).filter(ImageFilter.GaussianBlur(BLUR * networks.size)))
        rows[DELETION].append(faithfulness(networks.trained, maps, maps.pixels, blurred))
        rows[INSERTION].append(faithfulness(networks.trained, maps, blurred, maps.pixels))
    return {
        score: {kind: np.array([row[kind] for row in photos]) for kind in photos[0]} for score, photos in rows.items()
    }


def cell(scores: NDArray[np.float64], errors: float = 1) -> str:
    """Return the mean of scores and a number of standard errors.

    >>> cell(np.array([1.0, 2, 3]))
    '2.000 ± 0.577'
    """
    return f"{scores.mean():.3f} ± {errors * standard_error(scores):.3f}"


def tables(measured: Mapping[str, Scores]) -> str:
    """Return two tables: the scores of every kind of map, and Grad-CAM's lead over the others, image by image."""
    columns = (*SCORES, SPREAD)
    lines = [
        "Means and standard errors. Less is better for deletion, more for the others; the spread is neither.\n",
        table_row("map", columns),
        table_row("---", ["---"] * len(columns)),
        *(table_row(kind, (cell(measured[score][kind]) for score in columns)) for kind in METHODS + BASELINES),
        table_row("images", (str(len(measured[score]["gradcam"])) for score in columns)),
        "\nBy how much Grad-CAM is better, image by image, with 95 % intervals.\n",
        table_row("than", SCORES),
        table_row("---", ["---"] * len(SCORES)),
    ]
    for kind in METHODS[1:] + BASELINES:
        gains = {score: measured[score]["gradcam"] - measured[score][kind] for score in SCORES}
        gains[DELETION] = -gains[DELETION]
        lines.append(table_row(kind, (cell(gains[score], 1.96) for score in SCORES)))
    lines.append("\nRank correlation of a map with the one of random weights: ")
    lines[-1] += ", ".join(f"{method} {cell(measured[UNLEARNED][method])}" for method in METHODS)
    return "\n".join(lines)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("data", type=Path, help="folder with images/ and annotations/")
    parser.add_argument("--images", type=int, default=100, help="number of images for deletion and insertion (slow)")
    args = parser.parse_args()
    print(tables(measure(open_networks(args.bundle, args.data), args.data, args.images)))


if __name__ == "__main__":
    main()
