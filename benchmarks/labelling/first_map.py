"""Measure how long a person waits for the map of their photos: after an upload, for a folder, and at the next start.

    python -m benchmarks.labelling.first_map BUNDLE PHOTOS [--photos 564] [--rounds 3]

BUNDLE is a pets bundle with a features graph, PHOTOS a folder of photos, of which some are drawn. Each round has new
data folders. It prints a Markdown table of seconds, the median of the rounds, and the load of the machine.

- upload: four photos at a time. Times are from the last upload's answer, so that a map may be there before.
- `shopcat label FOLDER`: times are from the start of the command. The service starts meanwhile.
- next start: the same command again. Times are from the first answer of the pages, and the features are in the cache.
"""

import argparse
import contextlib
import hashlib
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import httpx

from benchmarks.labelling.pools import POOL
from benchmarks.markdown import table_row
from serving.ports import HOST, Ports

AT_ONCE = 4
_POLL_S = 0.05
_LONGEST_S = 300.0
_MAP = "final-what/pca-1-2"


class Times(NamedTuple):
    """Seconds until there is a map of some photos, and of all."""

    first: float
    complete: float


class Client:
    """Requests to the pages of a running service."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=60)

    def create(self, name: str) -> str:
        """Create a project; return its id."""
        return str(self._http.post("/labels", json={"name": name}).raise_for_status().json()["id"])

    def upload(self, project: str, photo: Path) -> None:
        """Upload a photo."""
        content = photo.read_bytes()
        path = f"/labels/{project}/photos/{hashlib.sha256(content).hexdigest()}"
        kind = {"Content-Type": "application/octet-stream"}
        self._http.put(path, params={"name": photo.name}, content=content, headers=kind).raise_for_status()

    def answers(self) -> bool:
        """Return True if the pages can be opened."""
        with contextlib.suppress(httpx.TransportError):
            return self._http.get("/labels").is_success
        return False

    def has_map(self, project: str) -> bool:
        """Return True if there is a map of some photos."""
        version = self._http.get(f"/labels/{project}/photos").json()
        if not version.get("photos"):
            return False
        answer = self._http.get(f"/labels/{project}/maps/{_MAP}", params={"rows_version": version["rows_version"]})
        return answer.status_code == httpx.codes.OK and len(answer.content) == 8 * len(version["photos"])

    def is_complete(self, project: str) -> bool:
        """Return True if all photos are embedded, and the map has those that may be seen."""
        return bool(self._http.get(f"/labels/{project}").json()["progress"]["finished"]) and self.has_map(project)

    def wait(self, project: str, since: float) -> Times:
        """Wait for both maps of a project; return the times since a moment of the monotonic clock."""
        first = waited(lambda: self.has_map(project)) - since
        return Times(first, waited(lambda: self.is_complete(project)) - since)


def waited(done: Callable[[], bool]) -> float:
    """Wait until a condition holds; return the time of the monotonic clock."""
    until = time.monotonic() + _LONGEST_S
    while not done():
        if time.monotonic() > until:
            raise RuntimeError("there is no map after five minutes")
        time.sleep(_POLL_S)
    return time.monotonic()


@contextlib.contextmanager
def running(*command: str | Path, data: Path) -> Iterator[str]:
    """Run a command of `shopcat` that serves until the block ends; yield the address, at once."""
    ports = Ports.any_free()
    options = ["--data", str(data), "--port", str(ports.inference), "--metrics-port", str(ports.metrics)]
    settings = {"SHOPCAT_SERVE_MODEL_STORE": str(data / "store"), "SHOPCAT_SERVE_IDLE_AT_STOP": "0"}
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "cli", *map(str, command), *options],
            env=os.environ | settings,
            stdout=log,
            stderr=log,
        )
        try:
            yield f"http://{HOST}:{ports.inference}"
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)


def after_upload(bundle: Path, photos: Sequence[Path], data: Path) -> Times:
    """Upload photos to a running service."""
    command: list[str | Path] = ["serve", bundle, "--runner", "python", "--workers", "1"]
    with running(*command, data=data) as url:
        client = Client(url)
        waited(client.answers)
        project = client.create("Uploaded")
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda photo: client.upload(project, photo), photos))
        return client.wait(project, time.monotonic())


def of_folder(bundle: Path, folder: Path, data: Path) -> tuple[Times, Times]:
    """Label a folder in place twice; return the times since the command, and since the pages of the second start."""
    command: list[str | Path] = ["label", folder, "--bundle", bundle, "--name", "Folder"]
    began = time.monotonic()
    with running(*command, data=data) as url:
        client = Client(url)
        waited(client.answers)
        times = client.wait("folder", began)
    with running(*command, data=data) as url:
        client = Client(url)
        return times, client.wait("folder", waited(client.answers))


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("folder", type=Path, metavar="photos")
    parser.add_argument("--photos", type=int, default=POOL)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    drawn = random.Random(0).sample(sorted(options.folder.glob("*.jpg")), options.photos)
    rounds: dict[str, list[Times]] = {"upload": [], "`shopcat label FOLDER`": [], "next start": []}
    load = [os.getloadavg()[0]]
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary, "photos")
            folder.mkdir()
            photos = [Path(shutil.copy(photo, folder)) for photo in drawn]
            rounds["upload"].append(after_upload(options.bundle, photos, Path(temporary, "uploads")))
            first, again = of_folder(options.bundle, folder, Path(temporary, "places"))
            rounds["`shopcat label FOLDER`"].append(first)
            rounds["next start"].append(again)
        load.append(os.getloadavg()[0])
    print(f"{options.photos} photos, {options.rounds} rounds, load of the machine {min(load):.1f} to {max(load):.1f}\n")
    print(table_row("seconds", ["first map", "all photos"]))
    print("|---|---:|---:|")
    for name, times in rounds.items():
        print(table_row(name, [f"{statistics.median(column):.1f}" for column in zip(*times, strict=True)]))


if __name__ == "__main__":
    main()
