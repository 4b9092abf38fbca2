"""An application with one project of 300 photos, whose features are known, as the embedding would leave it."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from starlette.testclient import TestClient

from console.app import create_app
from console.labels.service import Labelling
from console.settings import Settings
from labelling.features.arrays import SpaceArrays
from labelling.features.layout import FeatureLayout
from labelling.features.spaces import BY_NAME
from labelling.features.table import FeatureTable, PhotoFacts
from labelling.photos.files import PhotoFile
from labelling.projects.photos import insert_photo
from labelling.projects.progress import Progress, save_progress
from labelling.projects.store import Project, ProjectStore

WIDTH = 40
NAMES = ("early-what", "last-where", "final-what", "final-where")
LAYOUT = FeatureLayout(
    "f" * 64,
    {BY_NAME[name]: slice(WIDTH * number, WIDTH * (number + 1)) for number, name in enumerate(NAMES)},
    WIDTH * len(NAMES),
)
BREEDS = ("Bengal", "pug", "Sphynx", "beagle")


class Sample(NamedTuple):
    """A project, and what is true of its photos.

    Attributes:
        client: a client with the role label.
        project: the project, opened a second time.
        hashes: SHA-256 of all photos.
        breed: number of each photo's breed, by hash; `final-what` knows it.
        side: side of each photo's head, by hash; `last-where` alone knows it.
        labels: id of the label of each breed.
    """

    client: TestClient
    project: Project
    hashes: list[str]
    breed: dict[str, int]
    side: dict[str, int]
    labels: list[int]

    @property
    def base(self) -> str:
        """Return the address of the project."""
        return f"/labels/{self.project.id}"

    @property
    def seen(self) -> list[str]:
        """Return the photos that are not held back, in the order of the rows."""
        held = self.project.audits.current().held
        return [photo for photo in self.hashes if photo not in held]

    def label(self, photos: list[str], *, who: str = "ann", how: str = "click") -> None:
        """Give photos the labels of their breeds."""
        self.project.events.label({photo: self.labels[self.breed[photo]] for photo in photos}, who=who, how=how)

    def label_sides(self, photos: list[str]) -> tuple[int, int]:
        """Label the side of the head; return the two labels."""
        found = [self.project.labels.create(name).id for name in ("left", "right")]
        self.project.events.label({photo: found[self.side[photo]] for photo in photos}, who="ann", how="click")
        return found[0], found[1]


def drawn(seed: int, breeds: NDArray[np.int64], sides: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return features of photos, in which a space knows some truth."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(len(breeds), LAYOUT.width)) * np.tile(np.linspace(1.5, 0.3, WIDTH), len(NAMES))
    rows[:, LAYOUT.columns[BY_NAME["final-what"]]] += 2.5 * rng.normal(size=(4, WIDTH))[breeds]
    rows[:, LAYOUT.columns[BY_NAME["last-where"]]] += 2.5 * rng.normal(size=(2, WIDTH))[sides]
    return rows.astype(np.float32)


def add_photos(project: Project, count: int, *, first: int = 0) -> tuple[list[str], dict[str, int], dict[str, int]]:
    """Add photos with features and components to a project; return their hashes, breeds and sides."""
    hashes = [hashlib.sha256(f"photo {number}".encode()).hexdigest() for number in range(first, first + count)]
    rng = np.random.default_rng(first)
    breeds, sides = rng.integers(4, size=count), rng.integers(2, size=count)
    facts = [PhotoFacts(photo, 40, 30, number) for number, photo in enumerate(hashes)]
    with project.database.writing() as connection:
        for photo in hashes:
            insert_photo(connection, PhotoFile(Path(photo), photo, 1, 1), f"{photo[:8]}.jpg", in_place=False)
    project.photos.record(facts)
    table = FeatureTable(project.folder / "features", LAYOUT.key, LAYOUT.width)
    table.append(facts, drawn(7, breeds, sides))
    arrays = SpaceArrays(project.folder / "components", table, LAYOUT.columns)
    if not arrays.fitted_on:
        arrays.fit([photo for photo in hashes if photo not in project.audits.current().held])
    arrays.add(hashes)
    total = len(project.photos)
    save_progress(project, Progress(photos=total, embedded=total, fitted=count, finished=True))
    return (
        hashes,
        dict(zip(hashes, breeds.tolist(), strict=True)),
        dict(zip(hashes, sides.tolist(), strict=True)),
    )


@pytest.fixture
def sample(data: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sample]:
    """A project with 300 photos, 50 of them held back, and labels that no photo has yet."""

    async def network(*_: object) -> tuple[str, FeatureLayout, None]:
        return "pets", LAYOUT, None

    monkeypatch.setattr(Labelling, "_found", network)
    project = ProjectStore(data / "projects").create("Pets")
    hashes, breed, side = add_photos(project, 300)
    labels = [project.labels.create(name).id for name in BREEDS]
    settings = Settings.model_validate(
        {
            "data": data,
            "gateway": "http://127.0.0.1:8080",
            "keys": True,
            "socket": data / "socket",
            "bundles": {"pets": data},
        }
    )
    headers = {"x-shopcat-client": "ann", "x-shopcat-roles": "label"}
    with TestClient(create_app(settings), "http://127.0.0.1:8080", headers=headers) as client:
        yield Sample(client, project, hashes, breed, side, labels)
    project.close()
