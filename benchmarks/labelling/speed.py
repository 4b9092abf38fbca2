"""Measure how long a person waits: for the classifier after a label, for similar photos, and for suggestions.

    OPENBLAS_NUM_THREADS=1 python -m benchmarks.labelling.speed

The rows are random photos around 37 centres. Prints a Markdown table of CPU milliseconds, the median of nine.
"""

from collections.abc import Callable
from time import process_time

import numpy as np
from numpy.typing import NDArray

from benchmarks.markdown import table_row
from labelling.learning.arrays import UNLABELLED
from labelling.learning.checks import typicality
from labelling.learning.classifier import train
from labelling.learning.similar import find_similar
from labelling.learning.suggestions import suggest

KINDS, COMPONENTS, REPEATS = 37, 256, 9


def milliseconds(call: Callable[[], object]) -> float:
    """Return the median CPU time of a call."""
    times = []
    for _ in range(REPEATS):
        start = process_time()
        call()
        times.append(process_time() - start)
    return 1000 * float(np.median(times))


def drawn(photos: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return rows and kinds of random photos."""
    rng = np.random.default_rng(0)
    kinds = rng.integers(0, KINDS, photos)
    rows = rng.normal(size=(KINDS, COMPONENTS))[kinds] + 1.5 * rng.normal(size=(photos, COMPONENTS))
    return (rows * np.linspace(1.5, 0.2, COMPONENTS)).astype(np.float32), kinds


def measure(photos: int, labelled: int) -> list[float]:
    """Return the CPU time of each step, by the columns of the table."""
    rows, kinds = drawn(photos)
    labels = np.where(np.arange(photos) < labelled, kinds, UNLABELLED)
    more = np.where(np.arange(photos) <= labelled, kinds, UNLABELLED)
    audit = np.arange(photos) >= photos - 50
    known = train(rows, labels, audit)
    typical = typicality(rows, audit, among=2_000)
    return [
        milliseconds(lambda: train(rows, labels, audit)),
        milliseconds(lambda: train(rows, more, audit, known)),
        milliseconds(lambda: known.predict(rows)),
        milliseconds(lambda: find_similar(rows, [0, 1, 2], [3, 4], audit=audit)),
        milliseconds(lambda: find_similar(rows, range(190), range(190, 200), audit=audit)),
        milliseconds(lambda: suggest(rows, labels, audit=audit, typical=typical, classifier=known)),
    ]


def main() -> None:
    """Print the table."""
    print(table_row("photos, labels", ["train", "train, next label", "predict", "5 similar", "200 similar", "suggest"]))
    print("|---|---|---|---|---|---|---|")
    for photos, labelled in ((564, 100), (564, 500), (10_000, 2_000), (50_000, 5_000)):
        times = measure(photos, labelled)
        print(table_row(f"{photos:,}, {labelled:,}", [f"{time:.0f}" for time in times]), flush=True)


if __name__ == "__main__":
    main()
