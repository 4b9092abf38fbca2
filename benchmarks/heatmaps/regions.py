"""Measure closer looks and the warning about small animals, on copies of photos in which the animal is small.

    python -m benchmarks.heatmaps.regions BUNDLE DATA [--photos 200] [--split test]

DATA is a folder in the layout of the Oxford-IIIT Pet Dataset (images/ and annotations/ with trimaps). A far copy has
the photo, and a cut copy has its animal alone, at 1/2, 1/3 or 1/4 of the side, before a blurred photo. The last table
has two scores for pictures with two animals side by side: neither finds enough of them for a warning.

Prints Markdown tables.
"""

import argparse
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from benchmarks.heatmaps.composites import Cutout, farther, inside_share, read_cutout, side_by_side
from benchmarks.heatmaps.dataset import read_split
from benchmarks.heatmaps.metrics import standard_error
from benchmarks.markdown import table_row
from pets.classifier import Classifier
from pets.regions import evidence_share, has_small_subject
from schemas.pets.answer import Prediction
from schemas.pets.request import Look, Method, PetRequest, class_key
from training.pets.novelty import separation

BATCH = 16
ORIGINAL = "as they are"
TIMES = (2, 3, 4)
SMALL, ORDINARY = 0.1, 0.15  # share of the area: a small animal has less, an ordinary one has more
FALSE_ALARMS = 0.03  # share of single animals above the limit for two
FLOOR = 0.1  # share of Grad-CAM's largest value below which a cell is outside the animal

Grid = NDArray[np.float64]


class Picture(NamedTuple):
    """A picture to classify.

    Attributes:
        kind: kind of copy.
        image: the picture.
        breed: name of the breed; "" if it has two.
        share: the animal's share of the middle square's area; NaN if unknown.
    """

    kind: str
    image: Image.Image
    breed: str
    share: float


class Result(NamedTuple):
    """Answers for one picture.

    Attributes:
        share: the animal's share of the middle square's area.
        right: True if the breed is right without a closer look.
        right_closer: True if the breed is right with a closer look.
        looked: True if the closer look ran the network again.
        known: True if the photo is known without a closer look.
        known_closer: True if it is known with a closer look.
        evidence: effective share of the cells with evidence.
        warned: True if the answer would have the warning ``small_subject``.
        peaks: prominence of the second peak of Grad-CAM.
        outside: share of the activation outside the animal that Grad-CAM shows.
    """

    share: float
    right: bool
    right_closer: bool
    looked: bool
    known: bool
    known_closer: bool
    evidence: float
    warned: bool
    peaks: float
    outside: float


def breed_of(name: str) -> str:
    """Return the breed of a photo by its name.

    >>> breed_of("Maine_Coon_12")
    'Maine_Coon'
    """
    return name.rpartition("_")[0]


def pictures(data: Path, names: Sequence[str]) -> Iterator[Picture]:
    """Yield each photo, its copies, and two animals side by side: of two breeds, and of one breed."""
    for place, name in enumerate(tqdm(names)):
        generator, cutout, breed = np.random.default_rng(place), read_cutout(data, name), breed_of(name)
        yield Picture(ORIGINAL, cutout.image, breed, inside_share(cutout.mask))
        other = read_cutout(data, names[int(generator.integers(len(names)))]).image
        for cut in (False, True):
            for times in TIMES:
                image, share = farther(cutout, other, times, cut=cut, generator=generator)
                yield Picture(f"{'cut' if cut else 'far'}, 1/{times} of the side", image, breed, share)
        for kind, is_partner in _PARTNERS.items():
            partners = [partner for partner in names if partner != name and is_partner(breed_of(partner), breed)]
            if partners:
                partner: Cutout = read_cutout(data, partners[int(generator.integers(len(partners)))])
                yield Picture(kind, side_by_side(cutout, partner), "", np.nan)


_PARTNERS: Mapping[str, Callable[[str, str], bool]] = {
    "two breeds": lambda one, other: one != other,
    "two of a breed": lambda one, other: one == other,
}


def ask(classifier: Classifier, batch: Sequence[Picture], look: Look, heatmap: Method) -> list[Prediction]:
    """Return the predictions for pictures, which are sent as lossless files."""
    queries = []
    for picture in batch:
        file = io.BytesIO()
        picture.image.save(file, "BMP")
        queries.append(
            classifier.prepare(PetRequest(image=file.getvalue(), look=look, heatmap=heatmap, overlay="none"))
        )
    predictions = classifier.predict(queries)
    assert all(isinstance(prediction, Prediction) for prediction in predictions)
    return [prediction for prediction in predictions if isinstance(prediction, Prediction)]


def measure(classifier: Classifier, data: Path, names: Sequence[str]) -> dict[str, list[Result]]:
    """Return the results of pictures by their kind."""
    results: dict[str, list[Result]] = {}
    batch: list[Picture] = []
    for picture in pictures(data, names):
        batch.append(picture)
        if len(batch) == BATCH:
            _measure_batch(classifier, batch, results)
            batch.clear()
    if batch:
        _measure_batch(classifier, batch, results)
    return results


def _measure_batch(classifier: Classifier, batch: Sequence[Picture], results: dict[str, list[Result]]) -> None:
    middles = ask(classifier, batch, "whole", "gradcam")
    actives = ask(classifier, batch, "whole", "activation")
    closers = ask(classifier, batch, "closer", "gradcam")
    for picture, middle, active, closer in zip(batch, middles, actives, closers, strict=True):
        grid, activation = _grid(middle), _grid(active)
        results.setdefault(picture.kind, []).append(
            Result(
                share=picture.share,
                right=class_key(middle.breed) == class_key(picture.breed),
                right_closer=class_key(closer.breed) == class_key(picture.breed),
                looked=closer.look == "closer",
                known=middle.known,
                known_closer=closer.known,
                evidence=evidence_share(grid.astype(np.float32)),
                warned=has_small_subject(grid.astype(np.float32)),
                peaks=second_peak(grid),
                outside=activation_outside(grid, activation),
            )
        )


def _grid(prediction: Prediction) -> Grid:
    assert prediction.heatmap is not None
    return np.asarray(prediction.heatmap.grid)


def second_peak(grid: Grid) -> float:
    """Return the prominence of a grid's second peak, as a share of the largest value.

    The prominence is the height above the highest saddle to a higher peak; cells touch at sides and corners.

    >>> second_peak(np.array([[5, 1, 3, 0], [0, 1, 2, 4]]))
    0.6
    """
    columns = grid.shape[1]
    root: dict[tuple[int, int], tuple[int, int]] = {}

    def find(cell: tuple[int, int]) -> tuple[int, int]:
        while root[cell] != cell:
            cell = root[cell]
        return cell

    prominences = [0.0]
    order = np.argsort(-grid, axis=None, kind="stable")
    for cell in ((int(index) // columns, int(index) % columns) for index in order):
        around = ((cell[0] + down, cell[1] + across) for down in (-1, 0, 1) for across in (-1, 0, 1))
        peaks = sorted({find(near) for near in around if near in root}, key=lambda peak: -grid[peak])
        root[cell] = peaks[0] if peaks else cell
        for peak in peaks[1:]:
            prominences.append(float(grid[peak] - grid[cell]))
            root[peak] = peaks[0]
    return max(prominences) / (float(grid.max()) or 1.0)


def activation_outside(grid: Grid, activation: Grid) -> float:
    """Return the share of the activation, above its smallest value, in cells without evidence for the class.

    >>> activation_outside(np.array([[5.0, 0.0]]), np.array([[4.0, 2.0]]))
    0.0
    >>> activation_outside(np.array([[5.0, 0.0, 0.0]]), np.array([[4.0, 3.0, 1.0]]))
    0.4
    """
    heat = activation - activation.min()
    return float(heat[grid < FLOOR * grid.max()].sum() / (heat.sum() or 1.0))


def tables(results: Mapping[str, Sequence[Result]]) -> str:
    """Return three tables: accuracy, small animals, and two animals."""
    copies = [kind for kind in results if kind not in _PARTNERS]
    columns = ("pictures", "median share of the area", "accuracy, whole", "closer", "gain", "known, whole",
               "closer", "run again")  # fmt: skip
    lines = [
        "Accuracy and share of known photos, with and without a closer look. The gain has its standard error.\n",
        table_row("copies", columns),
        table_row("---", ["---"] * len(columns)),
    ]
    for kind in copies:
        rows = np.array([tuple(map(float, result)) for result in results[kind]])
        share, right, right_closer, looked, known, known_closer = rows[:, :6].T
        gain = f"{(right_closer - right).mean():+.3f} ± {standard_error(right_closer - right):.3f}"
        values = (f"{value.mean():.3f}" for value in (right, right_closer))
        known_values = (f"{value.mean():.3f}" for value in (known, known_closer))
        cells = (str(len(rows)), f"{np.median(share):.2f}", *values, gain, *known_values, f"{looked.mean():.2f}")
        lines.append(table_row(kind, cells))
    ordinary = [result.evidence for result in results[ORIGINAL] if result.share >= ORDINARY]
    lines += [
        f"\nSmall animals: pictures with the warning, and AUROC of the evidence share for animals below {SMALL:.0%} of "
        f"the area against photos with {ORDINARY:.0%} or more.\n",
        table_row("copies", ("with the warning", f"below {SMALL:.0%}", "of these with the warning", "AUROC")),
        table_row("---", ["---"] * 4),
    ]
    for kind in copies:
        small = [result for result in results[kind] if result.share < SMALL]
        warned = f"{np.mean([result.warned for result in results[kind]]):.3f}"
        found = f"{np.mean([result.warned for result in small]):.2f}" if small else "-"
        area = "-"
        if small and ordinary:
            area = f"{separation(ordinary, [result.evidence for result in small]).auroc:.2f}"
        lines.append(table_row(kind, (warned, str(len(small)), found, area)))
    lines += [
        f"\nTwo animals: share found at {FALSE_ALARMS:.0%} false alarms on the photos as they are, and AUROC.\n",
        table_row("pictures", ("second peak of Grad-CAM", "activation outside the evidence")),
        table_row("---", ["---"] * 2),
    ]
    for kind in (kind for kind in _PARTNERS if kind in results):
        cells_of_two = []
        for score in ("peaks", "outside"):
            single = [getattr(result, score) for result in results[ORIGINAL]]
            double = [getattr(result, score) for result in results[kind]]
            recall = np.mean(np.asarray(double) > np.quantile(single, 1 - FALSE_ALARMS))
            cells_of_two.append(f"{recall:.2f}, {separation(double, single).auroc:.2f}")
        lines.append(table_row(kind, cells_of_two))
    return "\n".join(lines)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("data", type=Path, help="folder with images/ and annotations/")
    parser.add_argument("--photos", type=int, default=200, help="number of photos")
    parser.add_argument("--split", choices=("test", "trainval"), default="test", help="official split of the photos")
    args = parser.parse_args()
    trimaps = {path.stem for path in (args.data / "annotations" / "trimaps").glob("[!.]*.png")}
    images = {path.stem for path in (args.data / "images").glob("[!.]*.jpg")}
    names = [name for name in read_split(args.data, args.split) if name in trimaps & images]
    if not names:
        raise SystemExit(f"{args.data}: no photo of the split {args.split} has a trimap")
    chosen = [names[i] for i in np.linspace(0, len(names) - 1, min(args.photos, len(names))).astype(int)]
    print(tables(measure(Classifier.load(args.bundle), args.data, chosen)))


if __name__ == "__main__":
    main()
