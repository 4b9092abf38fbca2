"""Help, tour and small or special screens in Chromium."""

import pytest
from playwright.sync_api import expect

from tests.integration.console.conftest import violations
from tests.integration.console.label.conftest import OpenProject, Project, cells

pytestmark = pytest.mark.integration

PARTS = ["show=grid", "tab=next", "tab=checks", "tab=audit"]


def test_the_tour_has_five_steps_and_comes_once(open_project: OpenProject) -> None:
    page = open_project(tour=True)
    for step, title in enumerate(("Look", "Select", "Label", "Let it help", "Check"), 1):
        expect(page.get_by_role("heading", name=f"{step} of 5: {title}")).to_be_visible()
        page.get_by_role("button", name="Next" if step < 5 else "Done", exact=True).click()
    expect(page.locator(".tour")).to_have_count(0)
    page.reload()
    expect(cells(page).first).to_be_visible()
    expect(page.locator(".tour")).to_have_count(0)


def test_the_tour_can_be_skipped_and_shown_again(open_project: OpenProject) -> None:
    page = open_project(tour=True)
    assert violations(page) == []
    page.get_by_role("button", name="Skip the tour").click()
    expect(page.locator(".tour")).to_have_count(0)
    help_ = page.get_by_role("dialog", name="Help")
    page.keyboard.press("?")
    expect(help_).to_contain_text("not made for photos that need a very close look")
    parts = ["Everywhere", "On the map", "In the grid", "In a review, and in groups to confirm"]
    expect(help_.get_by_role("heading", level=4)).to_have_text(parts)
    on_the_map = help_.locator("section").filter(has=page.get_by_role("heading", name="On the map"))
    expect(on_the_map).to_contain_text("show another layer")
    expect(on_the_map).to_contain_text("grow the selection by the nearest photos")
    assert violations(page) == []
    page.keyboard.press("Escape")
    expect(help_).to_have_count(0)
    page.get_by_role("button", name="Help").click()
    page.get_by_role("button", name="Show the tour").click()
    expect(page.get_by_role("heading", name="1 of 5: Look")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("part", PARTS)
def test_every_part_fits_a_small_screen_and_is_accessible(
    open_project: OpenProject, project: Project, part: str, scheme: str
) -> None:
    project.label(side=[0, 1, 2], front=[3, 4, 5])
    page = open_project(part, width=320, color_scheme=scheme, reduced_motion="reduce", forced_colors="none")
    page.get_by_role("button", name="Label side: 3 photos").wait_for()
    expect(page.locator(".waiting")).to_have_count(0)
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 320


def test_forced_colours_keep_selection_and_labels_apart(open_project: OpenProject, project: Project) -> None:
    project.label(side=[0])
    page = open_project(forced_colors="active")
    cells(page).nth(2).click()
    expect(page.locator("[aria-selected=true]")).to_have_css("outline-style", "solid")
    assert violations(page) == []
