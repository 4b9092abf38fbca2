"""Compare the heatmaps of two bundles on the same photos.

    python -m benchmarks.heatmaps.compare BUNDLE OTHER DATA [--images 40]

DATA is a folder in the layout of the Oxford-IIIT Pet Dataset (images/ and annotations/). The scores are those of
`benchmarks.heatmap_quality`, of the networks as they are served. Deletion and insertion depend on the temperature of
each bundle, too. Prints a Markdown table.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from tqdm import tqdm

from benchmarks.heatmap_quality import BLUR, DELETION, ENERGY, HEAD, INSERTION, METHODS, SCORES, cell
from benchmarks.heatmaps.dataset import read_heads, read_mask, read_photo, read_split, to_input_pixels
from benchmarks.heatmaps.metrics import Heat, Pixels, area, energy_inside, hits, replaced, shown
from benchmarks.markdown import table_row
from pets.bundle import load
from pets.graph import Rival, Target
from pets.images import Box, crop
from pets.network import onnx_network
from training.pets.calibration import softmax

Values = Mapping[tuple[str, str], NDArray[np.float64]]  # [photo] by score and method


def scores(bundle: Path, data: Path, images: int) -> Values:
    """Return the scores of each method, photo by photo.

    Args:
        bundle: folder of the bundle.
        data: folder in the layout of the Oxford-IIIT Pet Dataset.
        images: number of images for deletion and insertion.
    """
    manifest = load(bundle).manifest
    network, size = onnx_network(bundle, manifest.image, "cpu", threads=1), manifest.image.size

    def run(pixels: Pixels) -> tuple[NDArray[np.float64], dict[str, NDArray[np.float32]]]:
        target = np.full(len(pixels), Target.PREDICTED, np.int64)
        output = network(pixels, target, np.full_like(target, Rival.NONE))
        maps = {"gradcam": output.gradcam, "activation": output.activation}
        return softmax(output.logits, manifest.temperature), maps

    def heats(pixels: Pixels) -> tuple[int, dict[str, Heat]]:
        probabilities, maps = run(pixels[None])
        return int(probabilities[0].argmax()), {method: shown(maps[method][0], size) for method in METHODS}

    def seen(name: str) -> tuple[Pixels, Box]:
        return crop(read_photo(data, name), size, manifest.image.crop_pct)

    trimaps = {path.stem: path for path in (data / "annotations" / "trimaps").glob("[!.]*.png")}
    heads = read_heads(data)
    test = [name for name in read_split(data, "test") if name in trimaps]
    headed = [name for name in read_split(data, "trainval") if name in heads]
    values: dict[tuple[str, str], list[float]] = {(score, method): [] for score in SCORES for method in METHODS}
    for name in tqdm(test, unit="photo", disable=None, leave=False):
        pixels, box = seen(name)
        inside, counted = read_mask(trimaps[name], box, size)
        for method, heat in heats(pixels)[1].items():
            values[ENERGY, method].append(energy_inside(heat, inside, counted))
    for name in tqdm(headed, unit="photo", disable=None, leave=False):
        pixels, box = seen(name)
        head = to_input_pixels(heads[name], box, size)
        for method, heat in heats(pixels)[1].items():
            values[HEAD, method].append(hits(heat, head))
    for name in tqdm(_spread_out(test, images), unit="photo", disable=None, leave=False):
        pixels, _ = seen(name)
        blurred = np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(BLUR * size)))
        label, found = heats(pixels)
        for method, heat in found.items():
            for score, start, end in ((DELETION, pixels, blurred), (INSERTION, blurred, pixels)):
                frames = replaced(start, end, heat)
                values[score, method].append(area(run(frames)[0][:, label].astype(np.float32)))
    return {key: np.array(scores) for key, scores in values.items()}


def _spread_out(names: Sequence[str], count: int) -> list[str]:
    """Return names at equal distances, the first and the last included."""
    return [names[place] for place in np.linspace(0, len(names) - 1, min(count, len(names))).astype(int)]


def table(ours: Values, theirs: Values) -> str:
    """Return a table of both bundles and their difference, photo by photo, with 95 % intervals."""
    lines = [table_row("map, score", ["first", "second", "first - second", "photos"]), "|---|---:|---:|---:|---:|"]
    for (score, method), values in ours.items():
        other = theirs[score, method]
        row = [cell(values, 1.96), cell(other, 1.96), cell(values - other, 1.96), str(len(values))]
        lines.append(table_row(f"{method}, {score}", row))
    return "\n".join(lines)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("other", type=Path)
    parser.add_argument("data", type=Path, help="folder with images/ and annotations/")
    parser.add_argument("--images", type=int, default=40, help="number of images for deletion and insertion (slow)")
    args = parser.parse_args()
    print(table(*(scores(bundle, args.data, args.images) for bundle in (args.bundle, args.other))))


if __name__ == "__main__":
    main()
