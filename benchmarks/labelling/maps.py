"""Measure maps of photos: their CPU time by number of photos, and the neighbours that they keep.

    python -m benchmarks.labelling.maps BUNDLE DATA [--cache FOLDER]

DATA is a folder in the layout of the Oxford-IIIT Pet Dataset, BUNDLE a pets bundle with a features graph. Four minutes
on one core, one of them for features. Rows beyond the photos are mixed from two photos each. It prints Markdown tables:

- CPU time of each map by number of rows, of the space `final-what`.
- Quality for the photos: trustworthiness at 10 neighbours, and the share of 10 neighbours on the map of the same breed.

The packages pacmap and umap-learn are compared if they are installed. Their first call compiles; it is apart.
"""

import argparse
import importlib
import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.manifold import trustworthiness

from benchmarks.labelling.separation import add_arguments, read_album
from benchmarks.markdown import table_row
from labelling.maps.alignment import align
from labelling.maps.components import principal
from labelling.maps.independent import independent
from labelling.maps.pacmap import lay_out
from labelling.neighbours import nearest

SPACE, COMPONENTS = "final-what", 50
SIZES = (564, 1_092, 10_000, 50_000)
MOST_OF_PACKAGES = 10_000
Rows = NDArray[np.float32]


class Map(NamedTuple):
    """A way to make a map, and the most rows that it is measured with."""

    name: str
    make: Callable[[Rows], Rows]
    most: int = SIZES[-1]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    arguments = parser.parse_args()
    album = read_album(arguments.bundle, arguments.data, arguments.cache)
    rows = album.spaces[SPACE][:, :COMPONENTS].copy()
    breeds = np.array([name.rpartition("_")[0] for name in album.names])
    maps = [
        Map("principal components", principal),
        Map("PaCMAP", last),
        Map("independent components", independent),
        Map("alignment of two maps", lambda rows: align(principal(rows), principal(rows, 2))),
        *packages(),
    ]
    print(table_row("CPU time, s", [f"{size:,}" for size in SIZES]))
    print("|---|" + "---:|" * len(SIZES))
    for made in maps:
        sizes = [size for size in SIZES if size <= made.most]
        costs = [cpu_seconds(partial(made.make, mixed(rows, size))) for size in sizes]
        print(table_row(made.name, [f"{cost:.2f}" for cost in costs] + [""] * (len(SIZES) - len(sizes))), flush=True)
    grown = [growth_seconds(mixed(rows, size)) for size in SIZES]
    print(table_row("PaCMAP, a tenth added to an earlier map", [f"{cost:.2f}" for cost in grown]))
    print(f"\n{len(rows):,} photos\n")
    print(table_row("map", ["trustworthiness", "neighbours of the same breed"]))
    print("|---|---:|---:|")
    for made in [
        Map("50 components", lambda rows: rows),
        maps[0],
        Map("principal components 3-4", lambda rows: principal(rows, 2)),
        maps[1],
        maps[2],
        *maps[4:],
    ]:
        positions = made.make(rows)
        same = breeds[nearest(positions, positions, 10, exclude_self=True).indices] == breeds[:, None]
        trust = trustworthiness(rows, positions, n_neighbors=10)
        print(table_row(made.name, [f"{trust:.3f}", f"{same.mean():.3f}"]), flush=True)


def mixed(rows: Rows, size: int) -> Rows:
    """Return the first rows; beyond them, each row lies at random between two of them."""
    random = np.random.default_rng(0)
    first, second = random.integers(len(rows), size=(2, max(0, size - len(rows))))
    share = random.random((len(first), 1)).astype(np.float32)
    return np.vstack([rows[:size], share * rows[first] + (1 - share) * rows[second]])


def last(rows: Rows, previous: Rows | None = None) -> Rows:
    """Return the finished PaCMAP."""
    *_, layout = lay_out(rows, previous=previous)
    return layout.positions


def cpu_seconds(make: Callable[[], object]) -> float:
    """Return the CPU time of a map."""
    start = time.process_time()
    make()
    return time.process_time() - start


def growth_seconds(rows: Rows) -> float:
    """Return the CPU time of PaCMAP from an earlier map that lacks the last tenth of the rows."""
    earlier = last(rows)
    earlier[-len(rows) // 10 :] = np.nan
    return cpu_seconds(lambda: last(rows, earlier))


def packages() -> list[Map]:
    """Return the installed packages after a first call, whose CPU time is printed."""
    makers: dict[str, Callable[[Any], Callable[[Rows], Rows]]] = {
        "pacmap": lambda module: lambda rows: module.PaCMAP(random_state=0).fit_transform(rows, init="pca"),
        "umap": lambda module: lambda rows: module.UMAP(random_state=0, n_jobs=1).fit_transform(rows),
    }
    found = []
    for name, maker in makers.items():
        start = time.process_time()
        try:
            make = maker(importlib.import_module(name))
        except ImportError:
            print(f"{name} is not installed\n")
            continue
        make(np.random.default_rng(0).normal(size=(300, COMPONENTS)).astype(np.float32))
        print(f"import and first call of {name}: {time.process_time() - start:.0f} s of CPU time\n", flush=True)
        found.append(Map(f"package {name}", make, MOST_OF_PACKAGES))
    return found


if __name__ == "__main__":
    main()
