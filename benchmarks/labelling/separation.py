"""Measure the separating projection: its score against the truth, and with labels that mean nothing.

    python -m benchmarks.labelling.separation BUNDLE DATA [--cache FOLDER] [--draws 50]

DATA is a folder in the layout of the Oxford-IIIT Pet Dataset, BUNDLE a pets bundle with a features graph. Four minutes
on one core, one of them for features. It prints Markdown tables. The labels are drawn anew each time, from:

- random photos with random labels, which should score 0.5 and warn each time;
- photos whose head is on the left or the right, which no training of the network named, two breeds, and two species.

The true area is that of the projection on all photos that were not labelled.
"""

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.heatmaps.dataset import read_split
from benchmarks.labelling.features import Workplace, embedded, side_of_head
from benchmarks.markdown import table_row
from console.labels.learning.training import FIRST_SPACE, best_space
from labelling.learning.classifier import rank_spaces
from labelling.photos.files import list_photos
from labelling.separation.projection import Separation, separate

Truth = NDArray[np.int64]  # 0, 1, or -1 for photos that are neither
RANDOM = (5, 10, 25, 50)  # labels a side
KNOWN = (5, 10, 20, 50)
BEST_SPACE = (20, 40, 100)  # labels together


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    parser.add_argument(
        "--draws", type=int, default=50, help="draws of random labels in each row; two fifths of others (default: 50)"
    )
    arguments = parser.parse_args()
    album = read_album(arguments.bundle, arguments.data, arguments.cache)
    print(f"{len(album.names):,} photos, {len(album.spaces)} spaces\n")
    print_random(album, arguments.draws)
    truths = {
        "side of the head": album.truth(
            lambda name: {"left": 0, "right": 1}.get(side_of_head(arguments.data, name) or "")
        ),
        "Abyssinian or Bengal": album.truth(lambda name: {"Abyssinian": 0, "Bengal": 1}.get(name.rpartition("_")[0])),
        "cat or dog": album.truth(lambda name: int(name[0].islower())),  # the dataset writes cats with a capital letter
    }
    print_known(album, truths, max(1, arguments.draws * 2 // 5))
    breeds = sorted({name.rpartition("_")[0] for name in album.names})
    truths["breed"] = album.truth(lambda name: breeds.index(name.rpartition("_")[0]))
    print_best_spaces(album, truths, max(1, arguments.draws // 5))


class Album(NamedTuple):
    """Photos with their components in each space."""

    names: list[str]
    spaces: dict[str, NDArray[np.float32]]

    def truth(self, of_name: Callable[[str], int | None]) -> Truth:
        """Return the truth of each photo by its name."""
        return np.array([-1 if (value := of_name(name)) is None else value for name in self.names])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `read_album`."""
    parser.add_argument("bundle", type=Path, help="pets bundle with a features graph")
    parser.add_argument("data", type=Path, help="folder with images/ and annotations/")
    parser.add_argument("--cache", type=Path, help="folder to keep features in; by default they are computed anew")


def read_album(bundle: Path, data: Path, cache: Path | None) -> Album:
    """Embed the listed photos, and return them in a random order."""
    names = {*read_split(data, "trainval"), *read_split(data, "test")}
    photos = [photo for photo in list_photos(data / "images").photos if photo.path.stem in names]
    photos.sort(key=lambda photo: photo.sha256)
    with tempfile.TemporaryDirectory() as folder:
        arrays = embedded(Workplace(bundle, cache or Path(folder)), photos)
        spaces = arrays.arrays([photo.sha256 for photo in photos])
        return Album([photo.path.stem for photo in photos], {space.name: rows.copy() for space, rows in spaces.items()})


class Draw(NamedTuple):
    """One separation, the labels that it knew, and its CPU time."""

    found: Separation
    labels: Truth
    seconds: float


def print_best_spaces(album: Album, truths: Mapping[str, Truth], count: int) -> None:
    """Print the space that the console chooses for suggestions and predictions, by the number of random labels."""
    print()
    print(table_row("best space after", [f"{n_labels} labels" for n_labels in BEST_SPACE]))
    print("|---|" + "---|" * len(BEST_SPACE))
    for name, truth in truths.items():
        cells = []
        for n_labels in BEST_SPACE:
            found: Counter[str] = Counter()
            for seed in range(count):
                chosen = np.random.default_rng(seed).permutation(np.flatnonzero(truth >= 0))[:n_labels]
                spaces = {space: rows[chosen] for space, rows in album.spaces.items()}
                scores = rank_spaces(spaces, truth[chosen], np.zeros(len(chosen), np.bool_))
                found[best_space(FIRST_SPACE, scores).name] += 1
            cells.append(", ".join(f"`{space}` {times}" for space, times in found.most_common(2)))
        print(table_row(name, cells), flush=True)


def draws(album: Album, truth: Truth, a_side: int, count: int) -> list[Draw]:
    """Separate labels of random photos, several times."""
    done = []
    for seed in range(count):
        random = np.random.default_rng(seed)
        labels = np.full(len(truth), -1)
        for label in (0, 1):
            labels[random.permutation(np.flatnonzero(truth == label))[:a_side]] = label
        start = time.process_time()
        found = separate(album.spaces, labels, seed=seed)
        done.append(Draw(found, labels, time.process_time() - start))
    return done


def print_random(album: Album, count: int) -> None:
    """Print the scores of labels that mean nothing, and what other scores would have said."""
    heads = ["score: mean", "deviation", "largest", "warned", "best space", "leave-one-out", "CPU ms"]
    print(table_row("random labels a side", heads))
    print("|---|" + "---:|" * len(heads))
    for a_side in RANDOM:
        truths = np.random.default_rng(a_side).permuted(np.tile(np.arange(len(album.names)) % 2, (count, 1)), axis=1)
        done = [draws(album, truth, a_side, 1)[0] for truth in truths]
        scores = np.array([draw.found.score for draw in done])
        alone = [left_out(album.spaces["final-what"][draw.labels >= 0], draw.labels[draw.labels >= 0]) for draw in done]
        cells = [f"{scores.mean():.3f}", f"{scores.std():.3f}", f"{scores.max():.2f}", warned(done)]
        cells += [f"{np.mean([draw.found.ranking[0][1] for draw in done]):.2f}", f"{np.mean(alone):.2f}", cpu(done)]
        print(table_row(str(a_side), cells), flush=True)
    print()


def print_known(album: Album, truths: Mapping[str, Truth], count: int) -> None:
    """Print scores of labels with a meaning, beside the truth."""
    heads = ["labels a side", "score", "deviation", "true area", "warned", "best space", "CPU ms"]
    print(table_row("labels", heads))
    print("|---|" + "---:|" * len(heads))
    for name, truth in truths.items():
        sides = np.bincount(truth[truth >= 0])
        for a_side in [*(size for size in KNOWN if size < sides.min()), sides.max()]:
            done = draws(album, truth, a_side, count if a_side < sides.max() else 1)
            scores = np.array([draw.found.score for draw in done])
            true = [true_area(draw, truth) for draw in done if (truth[draw.labels < 0] >= 0).any()]
            space, times = Counter(draw.found.space for draw in done).most_common(1)[0]
            cells = [str(a_side) if a_side < sides.max() else f"all: {sides[0]}, {sides[1]}", f"{scores.mean():.3f}"]
            cells += [f"{scores.std():.3f}", f"{np.mean(true):.3f}" if true else "", warned(done)]
            print(table_row(name, [*cells, f"`{space}` ({times} of {len(done)})", cpu(done)]), flush=True)


def area(values: NDArray[np.floating], labels: Truth) -> float:
    """Return the area under the ROC curve."""
    first, second = values[labels == 0], values[labels == 1]
    return float(np.mean(np.sign(second[:, None] - first) / 2 + 0.5))


def true_area(draw: Draw, truth: Truth) -> float:
    """Return the area of the map's first axis over the photos that were not labelled."""
    rest = (draw.labels < 0) & (truth >= 0)
    return area(draw.found.positions[rest, 0], truth[rest])


def left_out(rows: NDArray[np.float32], labels: Truth) -> float:
    """Return the area of leave-one-out values along the difference of means, which compares different folds."""
    values = []
    for index in range(len(rows)):
        known = np.arange(len(rows)) != index
        first, second = (rows[known & (labels == label)].mean(axis=0) for label in (0, 1))
        values.append((rows[index] - (first + second) / 2) @ (second - first))
    return area(np.array(values), labels)


def warned(done: list[Draw]) -> str:
    """Return the number of draws with a warning."""
    return f"{sum(draw.found.warning is not None for draw in done)} of {len(done)}"


def cpu(done: list[Draw]) -> str:
    """Return the median CPU time in milliseconds."""
    return f"{1000 * np.median([draw.seconds for draw in done]):.0f}"


if __name__ == "__main__":
    main()
