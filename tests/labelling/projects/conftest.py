"""A project with some small photos."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from labelling.projects import store as projects
from labelling.projects.store import Project, ProjectStore
from tests.labelling.projects.pictures import save_photos


@pytest.fixture(autouse=True)
def fixed_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same photos are held back in each run of a test."""
    monkeypatch.setattr(projects, "new_seed", lambda: "seed")


@pytest.fixture
def store(tmp_path: Path) -> ProjectStore:
    return ProjectStore(tmp_path / "store")


@pytest.fixture
def project(store: ProjectStore) -> Iterator[Project]:
    """A project without photos."""
    opened = store.create("Cats")
    yield opened
    opened.close()


@pytest.fixture
def photos(project: Project, tmp_path: Path) -> list[str]:
    """Hashes of the eight photos of sixteen that the project does not hold back for the audit."""
    added = project.photos.add_folder(save_photos(tmp_path / "photos", 16)).new
    return [photo for photo in added if photo not in project.audits.current().held]
