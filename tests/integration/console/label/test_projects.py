"""The list of projects in Chromium: create, rename, copy, archive, delete, and the demonstration."""

import json

import httpx
import pytest
from playwright.sync_api import Page, Route, expect

from tests.integration.console.conftest import OpenPage, violations
from tests.integration.console.label.conftest import Project

pytestmark = pytest.mark.integration


def test_a_project_is_created_renamed_copied_archived_restored_and_deleted(
    open_page: OpenPage, vehicles: Project
) -> None:
    page = open_page("/console/label", vehicles.service).page
    expect(page.get_by_role("link", name="Vehicles", exact=True)).to_be_visible()
    page.get_by_label("Name", exact=True).fill("<b>Shoes & more</b>")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_role("heading", name="<b>Shoes & more</b>")).to_be_visible()
    expect(page.get_by_role("heading", name="Add photos")).to_be_visible()
    page.get_by_role("link", name="All projects").click()
    page.get_by_role("button", name="Rename <b>Shoes & more</b>").click()
    expect(page.get_by_label("New name")).to_be_focused()
    page.get_by_label("New name").fill("Shoes")
    page.keyboard.press("Enter")
    expect(page.locator("#live")).to_have_text("Renamed to Shoes.")
    page.get_by_role("button", name="Copy Shoes").click()
    page.get_by_label("Name of the copy").fill("Boots")
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Boots", exact=True)).to_be_visible()
    page.get_by_role("button", name="Archive Boots").click()
    expect(page.get_by_role("link", name="Boots", exact=True)).to_have_count(0)
    page.get_by_role("button", name="Show 1 archived project").click()
    page.get_by_role("button", name="Restore Boots").click()
    page.get_by_role("button", name="Back to the projects").click()
    for name in ("Boots", "Shoes"):
        page.get_by_role("button", name=f"Delete {name}").click()
        expect(page.get_by_text(f"Delete {name}?")).to_be_visible()
        expect(page.get_by_role("button", name="Cancel")).to_be_focused()  # nothing is deleted by Enter alone
        page.get_by_role("button", name="Delete for good").click()
        expect(page.get_by_role("link", name=name, exact=True)).to_have_count(0)
    expect(page.get_by_role("link", name="Vehicles", exact=True)).to_be_visible()


def test_escape_cancels_a_deletion(open_page: OpenPage, vehicles: Project) -> None:
    page = open_page("/console/label", vehicles.service).page
    page.get_by_role("button", name="Delete Vehicles").click()
    page.keyboard.press("Escape")
    expect(page.get_by_text("Delete Vehicles?")).to_have_count(0)
    expect(page.get_by_role("link", name="Vehicles", exact=True)).to_be_focused()


def test_a_name_that_the_service_refuses_stays_in_the_form(open_page: OpenPage, vehicles: Project) -> None:
    watched = open_page("/console/label", vehicles.service)
    watched.expected.append("422")
    page = watched.page
    page.get_by_label("Name", exact=True).fill("Sh\u2028oes")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_role("alert")).to_contain_text("can't be shown")
    expect(page.get_by_label("Name", exact=True)).not_to_be_empty()


def test_the_demonstration_opens_with_its_photos(open_page: OpenPage, vehicles: Project) -> None:
    page = open_page("/console/label", vehicles.service).page

    def draw_fewer(route: Route) -> None:
        body = json.loads(route.request.post_data or "{}")
        assert body == {"name": "Vehicles", "demonstration": True}
        route.continue_(post_data=json.dumps(body | {"photos": 6}))

    page.route("**/labels", lambda route: draw_fewer(route) if route.request.method == "POST" else route.continue_())
    page.get_by_role("button", name="Try the demonstration").click()
    expect(page.get_by_text("6 photos, 0 labelled.")).to_be_visible()
    expect(page.get_by_role("heading", name="Add photos")).to_have_count(0)
    page.goto(f"{vehicles.service}/console/label")
    found = httpx.get(f"{vehicles.service}/labels", timeout=60).json()["projects"]
    httpx.delete(f"{vehicles.service}/labels/{found[-1]['id']}", timeout=60)


def test_a_project_that_is_gone_says_so(open_page: OpenPage, vehicles: Project) -> None:
    watched = open_page("/console/label?project=gone", vehicles.service)
    watched.expected.append("404")
    expect(watched.page.get_by_role("alert")).to_contain_text("gone")
    expect(watched.page.get_by_role("link", name="All projects")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_list_is_accessible(open_page: OpenPage, vehicles: Project, scheme: str) -> None:
    page: Page = open_page("/console/label", vehicles.service, width=320, color_scheme=scheme).page
    page.get_by_role("button", name="Delete Vehicles").click()
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
