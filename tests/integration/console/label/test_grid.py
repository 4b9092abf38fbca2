"""The grid of photos in Chromium: keys, ranges, order, filters, the large preview, and very many photos."""

import pytest
from playwright.sync_api import Route, expect

from tests.integration.console.conftest import violations
from tests.integration.console.label.conftest import OpenProject, Project, cells, message, rows_of

pytestmark = pytest.mark.integration

SELECTED = "[role=option][aria-selected=true]"


def test_keys_move_select_ranges_and_add_single_photos(open_project: OpenProject) -> None:
    page = open_project()
    rows = rows_of(page)
    grid = page.get_by_role("listbox", name="Photos", exact=True)
    cells(page).nth(0).click()
    assert grid.get_attribute("aria-multiselectable") == "true"
    expect(page.locator(".counts")).to_contain_text("50 further photos are kept for the check How good is it?")
    page.keyboard.press("ArrowRight")
    expect(grid).to_have_attribute("aria-activedescendant", f"grid-{rows[1]}")
    for _ in range(3):
        page.keyboard.press("Shift+ArrowRight")
    expect(page.locator(SELECTED)).to_have_count(4)
    page.keyboard.press("Control+ArrowRight")
    page.keyboard.press("Control+ArrowRight")
    page.keyboard.press("Enter")
    expect(page.locator(SELECTED)).to_have_count(5)
    page.keyboard.press("Enter")
    expect(page.locator(SELECTED)).to_have_count(4)
    page.keyboard.press("Home")
    expect(page.locator(SELECTED)).to_have_attribute("id", f"grid-{rows[0]}")
    page.keyboard.press("Control+a")
    expect(page.get_by_text("50 photos,")).to_contain_text("50 selected.")
    assert page.evaluate("document.querySelectorAll('#grid [tabindex=\"0\"]').length") == 1  # one tab stop


def test_clicks_select_as_in_a_file_manager(open_project: OpenProject) -> None:
    page = open_project()
    photos = cells(page)
    photos.nth(2).click()
    photos.nth(5).click(modifiers=["Shift"])
    expect(page.locator(SELECTED)).to_have_count(4)
    photos.nth(3).click(modifiers=["Control"])
    expect(page.locator(SELECTED)).to_have_count(3)
    photos.nth(8).locator(".mark").click(force=True)  # on a phone, the circle adds a photo
    expect(page.locator(SELECTED)).to_have_count(4)
    photos.nth(0).click()
    expect(page.locator(SELECTED)).to_have_count(1)
    page.get_by_role("button", name="Clear").click()
    expect(page.locator(SELECTED)).to_have_count(0)


def test_the_order_follows_the_map_and_differs_between_spaces(open_project: OpenProject, project: Project) -> None:
    page = open_project("show=grid&space=final-what&projection=pca-1-2")
    expect(cells(page).nth(40)).to_be_attached()
    kinds = rows_of(page)
    page.get_by_label("Order").select_option("arrival")
    expect(cells(page).first).to_have_id("grid-0")
    page.goto(f"{project.service}/console/label?project={project.id}&show=grid&space=early-what&projection=pca-1-2")
    expect(cells(page).nth(40)).to_be_attached()
    expect(cells(page).first).not_to_have_id("grid-0")
    colours = rows_of(page)
    assert sorted(kinds) == sorted(colours)
    assert kinds != colours


def test_filters_show_unlabelled_photos_and_those_of_a_label(open_project: OpenProject, project: Project) -> None:
    project.label(side=[0, 1, 2])
    page = open_project()
    show = page.get_by_role("combobox", name="Show")
    show.select_option("side")
    expect(cells(page)).to_have_count(3)
    expect(cells(page).first).to_have_accessible_name(name_of(project, rows_of(page)[0], "side"))
    show.select_option("unlabelled")
    expect(page.get_by_text("47 of 50 photos,")).to_be_visible()
    assert not {0, 1, 2} & set(rows_of(page))
    show.select_option("Can't tell")
    expect(page.get_by_text("No photo fits this choice.")).to_be_visible()
    assert violations(page) == []


def name_of(project: Project, row: int, label: str) -> str:
    """Return the name of a photo for screen readers."""
    return f"{project.get('/photos')['photos'][row]['name']}, {label}"


def test_the_preview_zooms_goes_on_labels_and_gives_the_focus_back(open_project: OpenProject, project: Project) -> None:
    project.label(side=[0])
    page = open_project()
    rows = rows_of(page)
    cells(page).nth(3).click()
    page.keyboard.press("Space")
    dialog = page.get_by_role("dialog", name="Large photo")
    image = dialog.locator("img")
    expect(image).to_have_attribute("src", f"/labels/{project.id}/thumbs/1024/{project.hashes[rows[3]]}.webp")
    assert violations(page) == []
    width = image.evaluate("image => image.getBoundingClientRect().width")
    page.keyboard.press("+")
    expect(image).to_have_css("width", f"{width * 1.5:g}px")
    page.keyboard.press("-")
    page.keyboard.press("ArrowRight")
    expect(image).to_have_attribute("src", f"/labels/{project.id}/thumbs/1024/{project.hashes[rows[4]]}.webp")
    page.keyboard.press("1")
    message(page, "1 photo, labelled side. Undo: Ctrl+Z")
    assert set(project.labels) == {project.hashes[row] for row in (0, rows[4])}
    dialog.get_by_role("button", name="Can't tell").click()
    message(page, "1 photo, labelled can't tell. Undo: Ctrl+Z")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("0")
    expect(dialog.get_by_text("can't tell.")).to_be_visible()
    assert {photo for photo, label in project.labels.items() if label == 0} == {
        project.hashes[row] for row in rows[4:6]
    }
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(page.get_by_role("listbox", name="Photos", exact=True)).to_be_focused()


def test_fifty_thousand_photos_are_a_few_elements(open_project: OpenProject, project: Project) -> None:
    """The service answers with so many photos; the real one is asked for all else."""
    number = 50_000
    known = project.hashes[0]

    def answer(route: Route) -> None:
        photo = {"width": 4, "height": 3}
        photos = [{**photo, "sha256": f"{row:064x}", "name": f"{row}.jpg", "group": row} for row in range(number)]
        route.fulfill(json={"rows_version": "many", "photos": photos, "waiting": 0, "broken": [], "copies": []})

    page = open_project("tab=audit")
    page.route("**/photos", answer)
    page.route(
        "**/maps/**", lambda route: route.fulfill(body=bytes(8 * number), content_type="application/octet-stream")
    )
    page.route("**/predictions", lambda route: route.fulfill(json={"rows_version": "other"}))
    page.route("**/thumbs/**", lambda route: route.fulfill(body=b"", content_type="image/webp"))
    page.goto(f"{project.service}/console/label?project={project.id}&show=grid")
    expect(page.get_by_text("50,000 photos,")).to_be_visible()
    assert known not in page.content()
    page.get_by_role("listbox", name="Photos", exact=True).focus()
    page.keyboard.press("End")
    expect(cells(page).last).to_have_attribute("aria-posinset", str(number))
    expect(cells(page).last).to_have_attribute("aria-setsize", str(number))
    assert cells(page).count() < 250
    page.keyboard.press("Control+a")
    expect(page.get_by_text("50,000 selected.")).to_be_visible()
