"""The review of a group in Chromium: odd photos first, deselected ones become negatives, and the search for more."""

import httpx
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.integration.console.conftest import violations
from tests.integration.console.label.conftest import OpenProject, Project, cells, message, rows_of

pytestmark = pytest.mark.integration

REVIEW = "Photos to review"


def positions(project: Project, space: str) -> np.ndarray:
    """Return the map that the page shows, read by another program."""
    version = project.get()["rows_version"]
    address = f"{project.service}/labels/{project.id}/maps/{space}/pca-1-2?rows_version={version}"
    return np.frombuffer(httpx.get(address, timeout=60).content, "<f4").reshape(-1, 2)


def open_review(page: Page, number: int) -> None:
    """Select the first photos of the grid, and review them."""
    cells(page).nth(0).click()
    cells(page).nth(number - 1).click(modifiers=["Shift"])
    page.keyboard.press("r")
    expect(cells(page, REVIEW)).to_have_count(number)


def test_the_photo_farthest_from_the_middle_of_the_group_comes_first(
    open_project: OpenProject, project: Project
) -> None:
    page = open_project("show=grid&space=final-what&projection=pca-1-2")
    page.get_by_label("Order").select_option("arrival")
    expect(cells(page).first).to_have_id("grid-0")
    open_review(page, 12)
    group = positions(project, "final-what")[:12]
    distances = np.linalg.norm(group - np.sort(group, axis=0)[6], axis=1)
    expect(cells(page, REVIEW).first).to_have_id(f"review-{distances.argmax()}")
    assert rows_of(page, REVIEW) == np.argsort(-distances, kind="stable").tolist()
    assert violations(page) == []


def test_photos_that_are_taken_out_get_no_label_and_are_remembered(open_project: OpenProject, project: Project) -> None:
    ids = project.label(side=[])
    page = open_project()
    open_review(page, 6)
    rows = rows_of(page, REVIEW)
    cells(page, REVIEW).nth(0).click()
    message(page, "5 of 6 kept.")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    message(page, "4 of 6 kept.")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    expect(cells(page, REVIEW).nth(1)).to_have_accessible_name(name_taken_out(project, rows[1]))
    with page.expect_request("**/events") as sent:
        page.keyboard.press("1")
    message(page, "4 of 6 kept, labelled side. Undo: Ctrl+Z")
    hashes = project.hashes
    assert sent.value.post_data_json["negatives"] == [hashes[rows[0]], hashes[rows[1]]]
    assert project.labels == {hashes[row]: ids["side"] for row in rows[2:]}
    expect(page.get_by_role("listbox", name="Photos", exact=True)).to_be_focused()
    expect(page.locator("[role=option][aria-selected=true]")).to_have_count(0)
    with page.expect_request("**/similar") as asked:
        page.keyboard.press("f")  # like the photos that got the label, and unlike those that were taken out
    body = asked.value.post_data_json
    assert sorted(body["positives"]) == sorted(hashes[row] for row in rows[2:])
    assert sorted(body["negatives"]) == sorted(hashes[row] for row in rows[:2])


def name_taken_out(project: Project, row: int) -> str:
    """Return the name of a photo that is taken out, for screen readers."""
    return f"{project.get('/photos')['photos'][row]['name']}, no label, taken out"


def test_escape_goes_back_and_keeps_the_selection(open_project: OpenProject) -> None:
    page = open_project()
    open_review(page, 5)
    cells(page, REVIEW).nth(2).click()
    page.keyboard.press("Escape")
    expect(cells(page, REVIEW)).to_have_count(0)
    expect(page.locator("[role=option][aria-selected=true]")).to_have_count(4)


def test_similar_photos_are_those_of_the_service_and_follow_the_cut(
    open_project: OpenProject, project: Project
) -> None:
    project.label(side=[])
    page = open_project("show=grid&space=final-what&projection=pca-1-2")
    expect(cells(page).nth(10)).to_be_visible()
    row = rows_of(page)[3]
    cells(page).nth(3).click()
    page.keyboard.press("f")
    expect(cells(page, REVIEW)).to_have_count(25)
    hashes = project.hashes
    body = {"space": "final-what", "positives": [hashes[row]]}
    found = [photo["sha256"] for photo in project.post("/similar", body)["photos"]]
    assert [hashes[place] for place in rows_of(page, REVIEW)] == [hashes[row], *found[:24]]
    assert violations(page) == []
    page.get_by_label("Number of photos").fill("5")
    expect(cells(page, REVIEW)).to_have_count(6)
    cells(page, REVIEW).nth(2).click()
    page.get_by_label("Number of photos").fill("1")
    expect(cells(page, REVIEW)).to_have_count(2)
    page.get_by_label("Number of photos").fill("5")
    page.get_by_role("button", name="More").click()
    expect(cells(page, REVIEW)).to_have_count(30)
    expect(page.locator("shopcat-label-review .counts")).to_have_text("29 of 30 kept")
    with page.expect_request("**/similar") as sent:
        page.get_by_role("button", name="Find similar to what is kept").click()
    assert sent.value.post_data_json["negatives"] == [found[1]]
    assert found[1] not in sent.value.post_data_json["positives"]


def test_found_photos_get_the_label_as_similar_ones(open_project: OpenProject, project: Project) -> None:
    project.label(side=[])
    page = open_project()
    cells(page).nth(3).click()
    page.keyboard.press("f")
    expect(cells(page, REVIEW)).to_have_count(25)
    page.get_by_label("Number of photos").fill("3")
    page.get_by_role("button", name="Label side: 0 photos").click()
    message(page, "4 photos, labelled side. Undo: Ctrl+Z")
    assert {event["how"] for event in project.get("/events")["events"]} == {"similar"}


def test_kept_photos_stay_in_the_review_through_searches_and_get_the_label(
    open_project: OpenProject, project: Project
) -> None:
    ids = project.label(side=[])
    page = open_project()
    open_review(page, 5)
    rows = rows_of(page, REVIEW)
    cells(page, REVIEW).nth(0).click()
    page.get_by_role("button", name="Find similar to what is kept").click()
    expect(cells(page, REVIEW)).to_have_count(28)
    assert rows_of(page, REVIEW)[:4] == rows[1:]
    expect(cells(page, REVIEW).first).to_contain_text("chosen")
    assert violations(page) == []
    wrong, right = rows_of(page, REVIEW)[4:6]
    cells(page, REVIEW).nth(4).click()
    page.get_by_role("button", name="Find similar to what is kept").click()
    expect(cells(page, REVIEW)).to_have_count(27 + project_rest(project, 29))
    kept = rows_of(page, REVIEW)
    assert kept[:5] == [*rows[1:], right]
    assert not {rows[0], wrong} & {*kept}
    with page.expect_request("**/events") as sent:
        page.get_by_role("button", name="Label side: 0 photos").click()
    hashes = project.hashes
    expect(page.locator("shopcat-label-review")).to_have_count(0)
    assert project.labels == dict.fromkeys((hashes[row] for row in kept), ids["side"])
    assert sent.value.post_data_json["negatives"] == [hashes[rows[0]], hashes[wrong]]


def project_rest(project: Project, used: int) -> int:
    """Return the number of photos that a search can still find, at most a page."""
    return min(24, len(project.hashes) - used)


def test_labelled_photos_are_left_out_until_they_are_included(open_project: OpenProject, project: Project) -> None:
    project.label(side=list(range(10, 22)))
    page = open_project()
    find = page.get_by_role("button", name="Find similar")
    expect(find).to_be_disabled()
    expect(find).to_have_attribute("title", "Select photos first.")
    page.get_by_role("listbox", name="Photos", exact=True).focus()
    page.keyboard.press("f")
    message(page, "Select photos first.")
    cells(page).nth(0).click()
    find.click()
    expect(page.get_by_text("12 labelled photos are left out.")).to_be_visible()
    number = page.get_by_label("Number of photos")
    expect(number).to_have_attribute("max", "37")  # the search has ended
    number.fill("37")
    expect(cells(page, REVIEW)).to_have_count(38)
    assert not set(range(10, 22)) & {*rows_of(page, REVIEW)}
    include = page.get_by_role("button", name="Include labelled photos")
    include.click()
    expect(page.get_by_text("12 labelled photos are searched too.")).to_be_visible()
    expect(include).to_have_attribute("aria-pressed", "true")
    expect(number).to_have_attribute("max", "49")
    number.fill("49")
    expect(cells(page, REVIEW)).to_have_count(50)
    assert violations(page) == []
    include.click()
    expect(cells(page, REVIEW)).to_have_count(38)
