"""Measure labelling by a scripted user over the addresses of a console, as its page uses them.

    OPENBLAS_NUM_THREADS=1 python -m benchmarks.labelling.api.user BUNDLE DATA [--pools 4]

BUNDLE is a pets bundle with a features graph, whose backbone was not trained on DATA. DATA is a folder in the layout of
the Oxford-IIIT Pet Dataset. A pool has 564 random training photos in a folder in place. Its project and its console are
real: the console embeds the photos, holds some of them back for the audit, and says what to label next and where.
Features of photos that were embedded before come from the cache. Prints Markdown tables: accuracy and mean over breeds
on the official test photos by clicks, beside those of random photos of the pools; and clicks until all is labelled.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np

from benchmarks.labelling import policies
from benchmarks.labelling.api.console import running_console
from benchmarks.labelling.pools import POOL, Album, Pool, listed_photos, pool_of, read_album
from benchmarks.labelling.scripted_user import CLICKS, SHARES, curve
from benchmarks.labelling.session import Session
from benchmarks.markdown import table_row
from labelling.features.network import FeatureNetwork
from labelling.features.table import FeatureTable
from labelling.learning.arrays import Ints
from labelling.projects.store import ProjectStore


class ApiSession(Session):
    """A scripted user who labels over the addresses of a console.

    Args:
        client: client of the console.
        project: address of the project.
        pool: its photos.
        hashes: SHA-256 of each photo of the pool.
        seed: number of the person.

    Attributes:
        spaces: number of suggestions by the space that they came from.
    """

    def __init__(self, client: httpx.Client, project: str, pool: Pool, hashes: Sequence[str], seed: int) -> None:
        super().__init__(pool, seed)
        self._client, self._project, self._hashes = client, project, hashes
        self._place = {sha256: place for place, sha256 in enumerate(hashes)}
        self._labels: dict[int, int] = {}
        self._breeds: dict[int, int] = {}
        self.spaces: dict[str, int] = {}

    def name(self, photo: int) -> None:
        """Label one photo."""
        super().name(photo)
        breed = int(self.pool.truth[photo])
        self._send({"photos": [self._hashes[photo]], "label": self._label(breed), "how": "suggestion"})

    def confirm(self, page: Sequence[tuple[Ints, int]]) -> None:
        """Deselect what does not belong to the groups of a page, and confirm the labels of the rest."""
        super().confirm(page)
        for photos, breed in page:
            right = self.pool.truth[photos] == breed
            kept, refused = ([self._hashes[photo] for photo in photos[mark].tolist()] for mark in (right, ~right))
            self._send({"photos": kept, "negatives": refused, "label": self._label(breed), "how": "confirm"})

    def suggestions(self) -> dict[str, Any]:
        """Return what to label next, when the ranking of the spaces knows the labels of now."""
        while self._call("GET", "spaces/ranking")["computing"]:
            time.sleep(0.02)
        found = self._call("POST", "suggestions", {})
        self.spaces[found["space"]] = self.spaces.get(found["space"], 0) + 1
        return found

    def page(self, suggestions: Sequence[dict[str, Any]]) -> list[tuple[Ints, int]]:
        """Return the photos of the pool and the breed of each suggested group."""
        return [(self.photos(group), self._breeds[group["labels"][0]]) for group in suggestions]

    def photos(self, suggestion: dict[str, Any]) -> Ints:
        """Return the photos of the pool that a suggestion is about."""
        return np.array([self._place[sha256] for sha256 in suggestion["photos"]], np.int64)

    def _label(self, breed: int) -> int:
        if breed not in self._labels:
            label = self._call("POST", "labels", {"name": f"breed {breed}"})["id"]
            self._labels[breed], self._breeds[label] = label, breed
        return self._labels[breed]

    def _send(self, body: dict[str, Any]) -> None:
        if body["photos"] or body.get("negatives"):
            self._call("POST", "events", body)

    def _call(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        found = self._client.request(method, f"{self._project}/{path}", json=body)
        return dict(found.raise_for_status().json())


def as_suggested(session: Session) -> Iterator[None]:
    """Do what the console suggests."""
    assert isinstance(session, ApiSession)
    while (found := session.suggestions())["kind"] != "done":
        if found["kind"] == "group":
            session.confirm(session.page(found["suggestions"]))
        else:
            for single in found["suggestions"]:
                session.name(int(session.photos(single)[0]))
        yield


class Result(NamedTuple):
    """Result of one pool.

    Attributes:
        accuracy: by CLICKS, photos and breeds, of the console's suggestions and of random photos.
        clicks: clicks until SHARES of the photos have a label.
        clicks_by_photo: clicks for a photo until all have one.
        right: share of right labels.
        spaces: number of suggestions by space.
    """

    accuracy: np.ndarray[Any, np.dtype[np.float64]]
    clicks: list[int]
    clicks_by_photo: float
    right: float
    spaces: dict[str, int]


def measure(album: Album, arguments: argparse.Namespace, seed: int) -> Result:
    """Label a pool over the addresses of a console."""
    photos = listed_photos(arguments.data)
    drawn = np.random.default_rng(seed).permutation(np.flatnonzero(~album.test))[:POOL]
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        (folder / "photos").mkdir()
        for place in drawn.tolist():
            os.symlink(photos[place].path, folder / "photos" / f"{place}.jpg")
        project = ProjectStore(folder / "projects").create("Pool")
        project.photos.add_folder(folder / "photos")
        network = FeatureNetwork.load(arguments.bundle)
        known = FeatureTable(arguments.cache, network.key, network.width)
        numbers = known.numbers([album.hashes[place] for place in drawn.tolist()])
        table = FeatureTable(project.folder / "features", network.key, network.width)
        table.append([known.facts[number] for number in numbers.tolist()], known.read(numbers, slice(0, known.width)))
        with running_console(folder, arguments.bundle) as console:
            address = f"/labels/{project.id}"
            while not console.client.get(address).raise_for_status().json()["progress"]["finished"]:
                time.sleep(0.2)
            seen = [photo["sha256"] for photo in console.client.get(f"{address}/photos").json()["photos"]]
            places = {sha256: place for place, sha256 in enumerate(album.hashes)}
            pool = pool_of(
                album, drawn, np.isin(drawn, [places[photo] for photo in seen], invert=True), np.flatnonzero(album.test)
            )
            hashes = [album.hashes[place] for place in drawn.tolist()]
            session = ApiSession(console.client, address, pool, hashes, seed)
            steps = [(0, session.labels.copy())]
            steps += [(session.clicks, session.labels.copy()) for _ in as_suggested(session)]
    n_seen = len(seen)
    left = [(clicks, int((labels < 0).sum()) - (len(drawn) - n_seen)) for clicks, labels in steps]
    when = [next(clicks for clicks, n_open in left if n_open <= (1 - share) * n_seen) for share in SHARES]
    ours = []
    for clicks in CLICKS:
        _, session.labels = max((step for step in steps if step[0] <= clicks), key=lambda step: step[0])
        ours.append(session.accuracy())
    right = float((steps[-1][1] == pool.truth)[~pool.audit].mean())
    accuracy = np.array([ours, curve(pool, policies.at_random, seed)])
    return Result(accuracy, when, when[-1] / n_seen, right, session.spaces)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("data", type=Path, help="folder with images/ and annotations/")
    parser.add_argument("--cache", type=Path, default=Path("build/features"), help="folder to keep features in")
    parser.add_argument("--pools", type=int, default=4, help="number of pools")
    parser.add_argument("--first-pool", type=int, default=100, help="number of the first pool")
    arguments = parser.parse_args()
    album = read_album(arguments.bundle, arguments.data, arguments.cache)
    pools = range(arguments.first_pool, arguments.first_pool + arguments.pools)
    results = [measure(album, arguments, seed) for seed in pools]
    print(table_row("policy", [f"{clicks} clicks" for clicks in CLICKS]))
    print("|---|" + "---|" * len(CLICKS))
    mean = np.mean([result.accuracy for result in results], axis=0)  # [policy, clicks, photos or breeds]
    for name, row in zip(("suggestions of the console", "random"), mean, strict=True):
        print(table_row(name, [f"{photos:.3f} / {breeds:.3f}" for photos, breeds in row]))
    clicks = np.mean([result.clicks for result in results], axis=0)
    print("\n" + table_row("pools", [f"{share:.0%}" for share in SHARES] + ["a photo", "right"]))
    print("|---|" + "---|" * (len(SHARES) + 2))
    cells = [f"{count:.0f}" for count in clicks]
    cells += [f"{np.mean([getattr(result, name) for result in results]):.3f}" for name in ("clicks_by_photo", "right")]
    print(table_row(str(len(results)), cells))
    spaces = {name for result in results for name in result.spaces}
    print(
        "\nspaces of the suggestions:", {n: sum(result.spaces.get(n, 0) for result in results) for n in sorted(spaces)}
    )


if __name__ == "__main__":
    main()
