"""Measure the features of photos without labels: their cost, and what each space knows.

    python -m benchmarks.labelling.features BUNDLE DATA

DATA is a folder in the layout of the Oxford-IIIT Pet Dataset, BUNDLE a pets bundle with a features graph. Five minutes
on one core. It prints Markdown tables:

- CPU time: of a photo, until the features of the first map (64 photos), of a pool of 564 photos, and from the cache.
- What each space knows, in 5-fold cross-validation of a linear model on its components: breed and species as accuracy
  over all photos; the side of the head as area under the ROC curve. A head is left or right if its box's middle is in
  the first or last 40 % of the animal's width in the trimap; between them it counts as neither.
- The same for kind, colour and view of 600 drawn vehicles, and for left or right of those seen from a side.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier
from threadpoolctl import threadpool_limits

from benchmarks.heatmaps.dataset import read_split
from benchmarks.markdown import table_row
from labelling.demonstration import write_demonstration
from labelling.features.arrays import SpaceArrays
from labelling.features.embedding import embed
from labelling.features.network import FeatureNetwork
from labelling.features.table import FeatureTable
from labelling.photos.files import PhotoFile, list_photos
from pets.images import open_photo

FIRST_MAP, POOL = 64, 564
COMPONENTS = 128  # of a linear model, divided by the photo's length; strength as in labelling
STRENGTH = 20.0


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path, help="pets bundle with a features graph")
    parser.add_argument("data", type=Path, help="folder with images/ and annotations/")
    arguments = parser.parse_args()
    names = {*read_split(arguments.data, "trainval"), *read_split(arguments.data, "test")}
    listed = list_photos(arguments.data / "images").photos
    photos = [photo for photo in listed if photo.path.stem in names]
    photos.sort(key=lambda photo: photo.sha256)  # a random order
    # One thread, also of matrix products, as beside a service.
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(1):
        workplace = Workplace(arguments.bundle, Path(folder))
        print_costs(workplace, photos)
        print_knowledge(workplace, photos, arguments.data)
        print_demonstration(workplace)


class Workplace(NamedTuple):
    """A bundle, and a folder for features."""

    bundle: Path
    folder: Path

    def open(self) -> tuple[FeatureNetwork, FeatureTable, SpaceArrays]:
        """Load the network, and open its features."""
        network = FeatureNetwork.load(self.bundle)
        table = FeatureTable(self.folder / "cache", network.key, network.width)
        return network, table, SpaceArrays(self.folder / "project", table, network.columns)


def embedded(workplace: Workplace, photos: Sequence[PhotoFile]) -> SpaceArrays:
    """Embed photos and fit components on all of them."""
    network, table, arrays = workplace.open()
    for step in embed(network, table, photos):
        assert not step.broken
    arrays.fit([photo.sha256 for photo in photos])
    return arrays


def cpu_seconds(work: Callable[[], Any]) -> float:
    """Return the CPU time of this process for some work."""
    start = time.process_time()
    work()
    return time.process_time() - start


def print_costs(workplace: Workplace, photos: Sequence[PhotoFile]) -> None:
    """Print the CPU time of embedding, by its parts and by the number of photos."""
    network = FeatureNetwork.load(workplace.bundle)
    some = [photo.path.read_bytes() for photo in photos[:FIRST_MAP]]
    network.features(np.stack([network.crop(open_photo(content)) for content in some[:8]]))  # the first run is slower
    crops: list[NDArray[np.uint8]] = []
    decoding = cpu_seconds(lambda: crops.extend(network.crop(open_photo(content)) for content in some))
    batches = [np.stack(crops[start : start + 8]) for start in range(0, len(crops), 8)]
    running = cpu_seconds(lambda: [network.features(batch) for batch in batches])
    hashes = [photo.sha256 for photo in photos[:POOL]]
    first = cpu_seconds(lambda: embedded(workplace, photos[:FIRST_MAP]).arrays(hashes[:FIRST_MAP]))
    rest = cpu_seconds(lambda: embedded(workplace, photos[:POOL]).arrays(hashes))
    cached = cpu_seconds(lambda: workplace.open()[2].arrays(hashes))
    print(table_row("work of one thread", ["CPU time"]))
    print("|---|---:|")
    print(table_row("decode and crop a photo", [f"{1000 * decoding / len(some):.1f} ms"]))
    print(table_row("features of a photo", [f"{1000 * running / len(some):.1f} ms"]))
    print(table_row(f"first map: {FIRST_MAP} photos with components, the network's start too", [f"{first:.1f} s"]))
    print(table_row(f"pool: {POOL} photos with components, the first map too", [f"{first + rest:.1f} s"]))
    print(table_row("the same pool from the cache, the network's start too", [f"{cached:.2f} s"]))
    print()


def print_knowledge(workplace: Workplace, photos: Sequence[PhotoFile], data: Path) -> None:
    """Print how well linear models find breed, species and side of the head in each space."""
    arrays = embedded(workplace, photos)
    stems = [photo.path.stem for photo in photos]
    breeds = np.array([stem.rpartition("_")[0] for stem in stems])
    species = np.array([breed[0].isupper() for breed in breeds])  # the dataset writes cats with a capital letter
    sides = [side_of_head(data, stem) for stem in stems]
    known = [i for i, side in enumerate(sides) if side is not None]
    is_right = np.array([sides[i] == "right" for i in known])
    hashes = [photo.sha256 for photo in photos]
    print(f"{len(photos)} photos, {len(known)} with a side of the head\n")
    print(table_row("space", ["numbers", "breed", "species", "side: linear", "side: 5 neighbours"]))
    print("|---|---:|---:|---:|---:|---:|")
    widths = workplace.open()[0].columns
    for space in arrays.spaces:
        rows = of_length_1(arrays.array(space, hashes))
        linear = linear_model()
        nearest = KNeighborsClassifier(5)
        cells = [
            f"{widths[space].stop - widths[space].start:,}",
            f"{accuracy(linear, rows, breeds):.2f}",
            f"{accuracy(linear, rows, species):.2f}",
            f"{area(linear, rows[known], is_right):.2f}",
            f"{area(nearest, rows[known], is_right):.2f}",
        ]
        print(table_row(f"`{space.name}`", cells), flush=True)


def print_demonstration(workplace: Workplace) -> None:
    """Print how well linear models find kind, colour and view of drawn vehicles in each space."""
    drawn = write_demonstration(workplace.folder / "vehicles")
    truth = {vehicle.name: vehicle for vehicle in drawn}
    photos = list_photos(workplace.folder / "vehicles").photos
    arrays = embedded(workplace, photos)
    found = [truth[photo.path.name] for photo in photos]
    labels = {name: np.array([getattr(vehicle, name) for vehicle in found]) for name in ("kind", "colour", "view")}
    print(f"\n{len(photos)} drawn vehicles\n")
    across = np.isin(labels["view"], ("left", "right"))
    print(table_row("space", [*labels, "left or right: area"]))
    print("|---|---:|---:|---:|---:|")
    for space in arrays.spaces:
        rows = of_length_1(arrays.array(space, [photo.sha256 for photo in photos]))
        cells = [f"{accuracy(linear_model(), rows, column):.2f}" for column in labels.values()]
        cells.append(f"{area(linear_model(), rows[across], labels['view'][across] == 'right'):.2f}")
        print(table_row(f"`{space.name}`", cells), flush=True)


def linear_model() -> LogisticRegression:
    """Return the linear model that is fitted in each space."""
    return LogisticRegression(C=STRENGTH, class_weight="balanced", max_iter=300)


def of_length_1(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the first components of photos, divided by each photo's length."""
    rows = rows[:, :COMPONENTS]
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9))


def side_of_head(data: Path, name: str) -> str | None:
    """Return the side of the animal that its head is on in the photo; None if it is neither, or not annotated."""
    box, trimap = data / "annotations/xmls" / f"{name}.xml", data / "annotations/trimaps" / f"{name}.png"
    if not box.exists() or not trimap.exists():
        return None
    with Image.open(trimap) as image:
        columns = np.flatnonzero((np.asarray(image) == 1).any(axis=0))  # 1 is the animal without its outline
    bounds = ElementTree.parse(box).getroot().find("object/bndbox")
    assert bounds is not None
    middle = sum(float(bounds.findtext(end) or 0) for end in ("xmin", "xmax")) / 2
    place = (middle - columns[0]) / (columns[-1] - columns[0])
    return "left" if place < 0.4 else "right" if place > 0.6 else None


def accuracy(model: Any, rows: NDArray[np.float32], labels: NDArray[Any]) -> float:
    """Return the accuracy of a model in cross-validation."""
    return float(np.mean(cross_val_predict(model, rows, labels, cv=_folds()) == labels))


def area(model: Any, rows: NDArray[np.float32], labels: NDArray[np.bool_]) -> float:
    """Return the area under the ROC curve in cross-validation, averaged over the folds."""
    areas = []
    for fitted, judged in _folds().split(rows, labels):
        scores = model.fit(rows[fitted], labels[fitted]).predict_proba(rows[judged])[:, 1]
        right, left = scores[labels[judged]], scores[~labels[judged]]
        areas.append(np.mean(right[:, None] > left) + np.mean(right[:, None] == left) / 2)
    return float(np.mean(areas))


def _folds() -> StratifiedKFold:
    return StratifiedKFold(5, shuffle=True, random_state=0)


if __name__ == "__main__":
    main()
