"""Measure the addresses of labelling with many photos: times, CPU times and memory of the console.

    python -m benchmarks.labelling.api.scale BUNDLE DATA --cache FOLDER

BUNDLE is a pets bundle with a features graph, DATA a folder in the layout of the Oxford-IIIT Pet Dataset, and FOLDER
keeps the features of its photos. Rows beyond the 1,092 photos are mixed from two of them, in all 14 spaces. Each
project is written to disk as the embedding leaves it, and a console serves it. Prints a Markdown table; times are
medians of nine requests, but for those that are computed once, and for searches, which take the mean of nine CPU times.
"""

import argparse
import hashlib
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.labelling.api.console import RunningConsole, running_console
from benchmarks.labelling.pools import embedded_photos
from benchmarks.markdown import table_row
from labelling.features.arrays import SpaceArrays
from labelling.features.layout import FeatureLayout
from labelling.features.table import FeatureTable, PhotoFacts
from labelling.photos.files import PhotoFile
from labelling.projects.photos import insert_photo
from labelling.projects.progress import Progress, save_progress
from labelling.projects.store import Project, ProjectStore

SIZES = (1_092, 10_000, 50_000)
REPEATS = 9
LASSO, LABELLED, SEARCHES = 2_000, 300, (1, 12, 200)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path, help="pets bundle with a features graph")
    parser.add_argument("data", type=Path, help="folder with images/ and annotations/")
    parser.add_argument("--cache", type=Path, default=Path("build/features"), help="folder to keep features in")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="numbers of photos")
    arguments = parser.parse_args()
    network, table, photos = embedded_photos(arguments.bundle, arguments.data, arguments.cache)
    columns = []
    for size in arguments.sizes:
        with tempfile.TemporaryDirectory() as folder:
            write_project(Path(folder), network.layout, table, photos, size)
            with running_console(Path(folder), arguments.bundle) as console:
                columns.append(measure(console))
    print(table_row("request", [f"{size:,} photos" for size in arguments.sizes]))
    print("|---|" + "---:|" * len(columns))
    for name in columns[0]:
        print(table_row(name, [column[name] for column in columns]))


def write_project(
    data: Path, layout: FeatureLayout, table: FeatureTable, photos: list[PhotoFile], size: int
) -> Project:
    """Write a project with real photos and mixed ones, as the embedding would leave it.

    Args:
        data: folder of the console's data.
        layout: layout of the features.
        table: features of the real photos.
        photos: the real photos.
        size: number of all photos.
    """
    project = ProjectStore(data / "projects").create("Scale")
    real = [photo.sha256 for photo in photos][:size]
    mixed = [hashlib.sha256(f"mixed {number}".encode()).hexdigest() for number in range(len(real), size)]
    with project.database.writing() as connection:
        for photo in photos[:size]:
            insert_photo(connection, photo, photo.path.name, in_place=True)
        for sha256 in mixed:
            insert_photo(connection, PhotoFile(Path(sha256), sha256, 1, 1), f"{sha256[:8]}.jpg", in_place=False)
    rng = np.random.default_rng(0)
    facts = [PhotoFacts(sha256, 400, 300, int(rng.integers(1 << 60))) for sha256 in [*real, *mixed]]
    project.photos.record(facts)
    held = project.audits.current().held
    arrays = SpaceArrays(project.folder / "components", table, layout.columns)
    arrays.fit([photo for photo in real if photo not in held])
    arrays.add(real)
    known = arrays.arrays(real)
    first, second = rng.integers(len(real), size=(2, len(mixed)))
    share = rng.random((len(mixed), 1)).astype(np.float32)
    rows = np.concatenate([share * found[first] + (1 - share) * found[second] for found in known.values()], axis=1)
    projected = FeatureTable(project.folder / "components", arrays.version[0], rows.shape[1])
    projected.append(facts[len(real) :], rows)
    FeatureTable(project.folder / "features", layout.key, layout.width)
    save_progress(project, Progress(photos=size, embedded=size, fitted=len(real), finished=True))
    return project


def measure(console: RunningConsole) -> dict[str, str]:
    """Return the measures of a console with one project, as text by name."""
    client = console.client
    base = f"/labels/{client.get('/labels').raise_for_status().json()['projects'][0]['id']}"
    rng = np.random.default_rng(0)
    found: dict[str, str] = {}

    def get(path: str, **parameters: Any) -> Any:
        return client.get(f"{base}/{path}", params=parameters).raise_for_status()

    def post(path: str, body: Any) -> Any:
        return client.post(f"{base}/{path}", json=body).raise_for_status()

    found["photos, first request"] = once(console, lambda: get("photos"))
    answer = get("photos").json()
    photos, version = [photo["sha256"] for photo in answer["photos"]], answer["rows_version"]
    found["photos"] = median(lambda: get("photos"))
    found["map: principal components"] = median(lambda: get("maps/final-what/pca-1-2", rows_version=version))
    found["map: independent components"] = once(console, lambda: get("maps/final-what/ica", rows_version=version))

    def lay_out() -> None:
        while get("maps/final-what/pacmap", rows_version=version).status_code == 202:
            pass

    found["map: PaCMAP, first time"] = once(console, lay_out)
    found["map: PaCMAP, from its file"] = median(lay_out)
    for n_positives in SEARCHES:
        body = {"space": "final-what", "positives": photos[:n_positives], "negatives": photos[-1:]}
        found[f"similar to {n_positives}, CPU"] = mean_cpu(console, partial(post, "similar", body))
    labels = [post("labels", {"name": f"label {number}"}).json()["id"] for number in range(10)]
    for label in labels:
        chosen = rng.choice(photos, LABELLED // len(labels), replace=False).tolist()
        post("events", {"photos": chosen, "label": label, "how": "click"})

    def predict() -> Any:
        return get("predictions", space="final-what")

    found[f"predictions after {LABELLED} labels, first time"] = once(console, predict)

    def label_one() -> None:
        post("events", {"photos": [str(rng.choice(photos))], "label": int(rng.choice(labels)), "how": "click"})

    found["label of one photo"] = median(label_one)

    def learn() -> None:
        label_one()
        predict()

    found["label of one photo, then predictions"] = median(learn)
    found["predictions again"] = median(predict)
    found["suggestions, first time"] = once(console, lambda: post("suggestions", {"space": "final-what"}))
    found["suggestions"] = median(lambda: post("suggestions", {"space": "final-what"}))
    found["separation of two labels"] = once(console, lambda: post("separation", {"labels": labels[:2]}))

    def rank() -> None:
        while get("spaces/ranking").json()["computing"]:
            time.sleep(0.1)

    found["ranking of the spaces"] = once(console, rank)
    found["checks"] = once(console, lambda: get("checks", space="final-what"))
    lasso = min(LASSO, len(photos))

    def label_lasso() -> None:
        chosen = rng.choice(photos, lasso, replace=False).tolist()
        post("events", {"photos": chosen, "label": int(rng.choice(labels)), "how": "lasso"})

    found[f"label of a lasso of {LASSO:,} (or all)"] = median(label_lasso)
    found["undo of it"] = median(lambda: post("undo", {}))
    console_bytes, workers_bytes = console.memory()
    found["memory of the console"] = f"{console_bytes / 1e6:.0f} MB"
    found["memory of its workers"] = f"{workers_bytes / 1e6:.0f} MB"
    return found


def median(request: Callable[[], Any]) -> str:
    """Return the median time of a request as text."""
    request()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        request()
        times.append(time.perf_counter() - start)
    return f"{1000 * float(np.median(times)):.0f} ms"


def mean_cpu(console: RunningConsole, request: Callable[[], Any]) -> str:
    """Return the CPU time of the console for one of several requests as text. It is counted in steps of 10 ms."""
    request()
    start = console.cpu_seconds()
    for _ in range(REPEATS):
        request()
    return f"{1000 * (console.cpu_seconds() - start) / REPEATS:.0f} ms"


def once(console: RunningConsole, request: Callable[[], Any]) -> str:
    """Return the time and the CPU time of the console for a request as text."""
    cpu, start = console.cpu_seconds(), time.perf_counter()
    request()
    elapsed = time.perf_counter() - start
    return f"{elapsed:.2f} s ({max(0.0, console.cpu_seconds() - cpu):.2f} s CPU)"


if __name__ == "__main__":
    main()
