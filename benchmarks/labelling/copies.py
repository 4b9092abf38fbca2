"""Measure rules for near duplicates: copies that they find, and different photos that they take for copies.

    python -m benchmarks.labelling.copies BUNDLE DATA --cache FOLDER

BUNDLE is a pets bundle with a features graph, DATA a folder in the layout of the Oxford-IIIT Pet Dataset, and FOLDER
keeps the features of its photos. Copies are smaller, cropped, brighter, darker, or saved at a lower quality. Pairs of
different photos are all pairs of the 1,092 listed photos, and of 240 drawn vehicles. A rule is chosen on one half of
the photos, and judged by the other. Prints a Markdown table for each half.
"""

import argparse
import io
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from benchmarks.labelling.pools import embedded_photos
from benchmarks.markdown import table_row
from labelling.demonstration.vehicles import draw, vehicles
from labelling.features.components import Components
from labelling.features.network import FeatureNetwork
from labelling.features.spaces import BY_NAME
from labelling.learning.arrays import unit
from labelling.photos.looks import dhash
from pets.images import open_photo

RULES = [(6, 0.98), (6, 0.9), (8, 0.9), (8, 0.8), (8, 0.7), (8, 0.6), (8, 0.5), (10, 0.6), (12, 0.6), (14, 0.6)]
PETS, VEHICLES, DRAWN = 80, 30, 240  # photos that are copied, and drawn vehicles


class Looks(NamedTuple):
    """Difference hashes and features of photos."""

    hashes: NDArray[np.uint64]
    features: NDArray[np.float32]


def smaller(longer_side: int, photo: Image.Image) -> Image.Image:
    """Return a photo whose longer side has at most some pixels."""
    found = photo.copy()
    found.thumbnail((longer_side, longer_side), Image.Resampling.LANCZOS)
    return found


def cropped(share: float, photo: Image.Image) -> Image.Image:
    """Return a photo without a share of its width and height, half of it on each side."""
    across, down = round(photo.width * share / 2), round(photo.height * share / 2)
    return photo.crop((across, down, photo.width - across, photo.height - down))


def lit(factor: float, photo: Image.Image) -> Image.Image:
    """Return a photo of another brightness."""
    return ImageEnhance.Brightness(photo).enhance(factor)


COPIES: dict[str, tuple[Callable[[Image.Image], Image.Image], int]] = {
    "400 pixels": (partial(smaller, 400), 92),
    "250 pixels": (partial(smaller, 250), 92),
    "250 pixels, quality 60": (partial(smaller, 250), 60),
    "200 pixels": (partial(smaller, 200), 92),
    "quality 40": (partial(cropped, 0), 40),
    "2 % cropped": (partial(cropped, 0.02), 92),
    "5 % cropped": (partial(cropped, 0.05), 92),
    "brighter": (partial(lit, 1.12), 92),
    "darker": (partial(lit, 0.88), 92),
}


def looks(network: FeatureNetwork, photos: list[Image.Image], quality: int = 92) -> Looks:
    """Return the looks of photos that are saved as JPEG and read again."""
    columns, hashes, rows = network.columns[BY_NAME["final-what"]], [], []
    for photo in photos:
        content = io.BytesIO()
        photo.save(content, "JPEG", quality=quality)
        read = open_photo(content.getvalue())
        hashes.append(dhash(read.image))
        rows.append(network.features(network.crop(read)[None])[:, columns].astype(np.float32))
    return Looks(np.array(hashes, np.uint64), np.concatenate(rows))


def measure(originals: Looks, chosen: NDArray[np.int64], copies: dict[str, Looks], half: int) -> list[list[str]]:
    """Return, for each rule, the found share of all copies, the lowest share of a kind, and the pairs of other photos.

    Args:
        originals: the photos.
        chosen: places of the photos that have copies.
        copies: their copies by kind.
        half: 0 to choose a rule, 1 to judge it.
    """
    components = Components.fit(originals.features)
    rows = unit(components.project(originals.features))
    distances, cosines = [], []
    for kind in copies.values():
        distances.append(np.bitwise_count(kind.hashes ^ originals.hashes[chosen])[half::2])
        cosines.append((unit(components.project(kind.features)) * rows[chosen]).sum(axis=1)[half::2])
    part = np.arange(half, len(rows), 2)
    pairs = np.triu_indices(len(part), 1)
    far = np.bitwise_count(originals.hashes[part][:, None] ^ originals.hashes[part])[pairs]
    alike = (rows[part] @ rows[part].T)[pairs]
    found = []
    for bits, cosine in RULES:
        shares = ((np.array(distances) <= bits) & (np.array(cosines) >= cosine)).mean(axis=1)
        n_pairs = int(((far <= bits) & (alike >= cosine)).sum())
        found.append([f"{shares.mean():.3f}", f"{shares.min():.2f}", str(n_pairs)])
    return found


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path, help="pets bundle with a features graph")
    parser.add_argument("data", type=Path, help="folder with images/ and annotations/")
    parser.add_argument("--cache", type=Path, default=Path("build/features"), help="folder to keep features in")
    arguments = parser.parse_args()
    network, table, files = embedded_photos(arguments.bundle, arguments.data, arguments.cache)
    numbers = table.numbers([file.sha256 for file in files])
    hashes = np.array([table.facts[number].dhash for number in numbers.tolist()], np.uint64)
    pets = Looks(hashes, table.read(numbers, network.columns[BY_NAME["final-what"]]).astype(np.float32))
    drawn = [draw(vehicle) for vehicle in vehicles(DRAWN)]
    places = np.random.default_rng(0).choice(len(files), PETS, replace=False)
    albums = [
        (pets, places, [open_photo(files[place].path.read_bytes()).image for place in places.tolist()]),
        (looks(network, drawn), np.arange(0, DRAWN, DRAWN // VEHICLES), drawn[:: DRAWN // VEHICLES]),
    ]
    copies = [
        {
            name: looks(network, [change(photo) for photo in photos], quality)
            for name, (change, quality) in COPIES.items()
        }
        for _, _, photos in albums
    ]
    for half, title in enumerate(("half to choose", "half to judge")):
        cells = [
            f"{album}: {name}" for album in ("pets", "vehicles") for name in ("found", "worst kind", "other pairs")
        ]
        print(table_row(f"{title}: bits, cosine", cells))
        print("|---|" + "---:|" * len(cells))
        measured = [
            measure(album, chosen, of_album, half) for (album, chosen, _), of_album in zip(albums, copies, strict=True)
        ]
        for (bits, cosine), *columns in zip(RULES, *measured, strict=True):
            print(table_row(f"{bits}, {cosine}", [cell for column in columns for cell in column]))


if __name__ == "__main__":
    main()
