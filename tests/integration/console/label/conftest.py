"""A service with a small project of drawn vehicles, and copies of it, which tests label as they like."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.integration.console.conftest import OpenPage, Watched, service
from tests.integration.waiting import until

GRID = "show=grid"  # part of the page that tests open first
PHOTOS = 100  # of which half are held back for the audit
_NUMBERS = count(1)


@dataclass(frozen=True)
class Project:
    """A labelling project of the running service.

    Attributes:
        service: address of the service.
        id: id of the project.
    """

    service: str
    id: str

    def get(self, path: str = "") -> Any:
        """Return the JSON of an address below the project's."""
        response = httpx.get(f"{self.service}/labels/{self.id}{path}", timeout=60)
        assert response.status_code == 200, response.text
        return response.json()

    def post(self, path: str, body: object = None) -> Any:
        """Post JSON and return that of the answer."""
        response = httpx.post(f"{self.service}/labels/{self.id}{path}", json=body or {}, timeout=60)
        assert response.status_code in (200, 201), response.text
        return response.json()

    @property
    def hashes(self) -> list[str]:
        """Hashes of the photos by row."""
        return [photo["sha256"] for photo in self.get("/photos")["photos"]]

    @property
    def labels(self) -> dict[str, int]:
        """Current labels by hash."""
        return dict(self.get("/state")["labels"])

    def label(self, **groups: list[int]) -> dict[str, int]:
        """Create labels, give them to rows over HTTP, and return their ids."""
        hashes, ids = self.hashes, {}
        for name, rows in groups.items():
            ids[name] = int(self.post("/labels", {"name": name})["id"])
            if rows:
                self.post("/events", {"photos": [hashes[row] for row in rows], "label": ids[name], "how": "click"})
        return ids


@pytest.fixture(scope="package")
def vehicles(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project whose photos have their features and maps."""
    with service(tmp_path_factory.mktemp("label")) as address:
        body = {"name": "Vehicles", "demonstration": True, "photos": PHOTOS}
        assert until(lambda: httpx.get(f"{address}/labels", timeout=60).status_code == 200, 300)
        response = httpx.post(f"{address}/labels", json=body, timeout=120)
        assert response.status_code == 201, response.text
        project = Project(address, response.json()["id"])
        assert until(lambda: project.get()["progress"]["finished"], 180), project.get()
        yield project


@pytest.fixture
def project(vehicles: Project) -> Iterator[Project]:
    """A fresh copy of the project, without labels."""
    copy = Project(vehicles.service, vehicles.post("/copy", {"name": f"Copy {next(_NUMBERS)}"})["id"])
    assert until(lambda: copy.get()["progress"]["finished"], 300), copy.get()
    yield copy
    httpx.delete(f"{copy.service}/labels/{copy.id}", timeout=60)


OpenProject = Callable[..., Page]


@pytest.fixture
def open_project(project: Project, open_page: OpenPage) -> OpenProject:
    """Open a project's page, without the tour. The page is closed before the project is deleted.

    Without a part, it is the grid in the order of arrival, which no map changes later.
    """

    def open_part(part: str = GRID, *, tour: bool = False, **options: Any) -> Page:
        watched: Watched = open_page("/console/label", project.service, **options)
        if not tour:
            watched.page.evaluate("localStorage.setItem('shopcat.label.tour', 'seen')")
        watched.page.goto(f"{project.service}/console/label?project={project.id}&{part}")
        expect(watched.page.get_by_role("heading", name="Copy", level=1)).to_be_visible()
        if part == GRID:
            watched.page.get_by_label("Order").select_option("arrival")
        return watched.page

    return open_part


def cells(page: Page, name: str = "Photos") -> Locator:
    """Return the photos of a list that are in the page."""
    return page.get_by_role("listbox", name=name, exact=True).get_by_role("option")


def message(page: Page, text: str) -> None:
    """Wait for a message, which the live region has too."""
    expect(page.locator(".message")).to_have_text(text)
    expect(page.locator("#live")).to_have_text(text)


def rows_of(page: Page, name: str = "Photos") -> list[int]:
    """Return the rows of the photos that are in the page, in their order."""
    found = cells(page, name).evaluate_all("cells => cells.map(cell => Number(cell.id.split('-').at(-1)))")
    return [int(row) for row in found]
