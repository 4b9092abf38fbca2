"""Labels in Chromium: keys, typing, undo and redo, names and colours, history, and two people at once."""

import pytest
from playwright.sync_api import expect

from tests.integration.console.conftest import OpenPage, violations
from tests.integration.console.label.conftest import OpenProject, Project, cells, message, rows_of

pytestmark = pytest.mark.integration


def test_a_label_is_typed_given_undone_and_done_again(open_project: OpenProject, project: Project) -> None:
    page = open_project()
    rows = rows_of(page)
    cells(page).nth(0).click()
    cells(page).nth(2).click(modifiers=["Shift"])
    page.get_by_label("New label").fill("side")
    page.keyboard.press("Enter")
    message(page, "3 photos, labelled side. Undo: Ctrl+Z")
    given = {project.hashes[row]: 1 for row in rows[:3]}
    assert project.labels == given
    expect(page.get_by_role("button", name="Label side: 3 photos")).to_be_visible()
    page.keyboard.press("Control+z")  # in the empty field, as the message says
    message(page, "Undone: 3 photos changed. Redo: Ctrl+Shift+Z")
    assert project.labels == {}
    page.get_by_role("heading", name="Copy", level=1).click()  # no element has the focus now
    page.keyboard.press("Control+Shift+Z")
    message(page, "Done again: 3 photos changed. Undo: Ctrl+Z")
    assert project.labels == given
    page.keyboard.press("Control+y")
    message(page, "Nothing to redo.")


def test_photos_that_got_a_label_leave_the_selection_until_it_is_undone(
    open_project: OpenProject, project: Project
) -> None:
    project.label(side=[10], front=[11])
    page = open_project()
    selected = page.locator("[role=option][aria-selected=true]")
    cells(page).nth(0).click()
    cells(page).nth(2).click(modifiers=["Shift"])
    expect(selected).to_have_count(3)
    page.get_by_role("button", name="Label side").click()
    message(page, "3 photos, labelled side. Undo: Ctrl+Z")
    expect(selected).to_have_count(0)
    expect(page.get_by_role("button", name="Review selection")).to_be_disabled()
    page.keyboard.press("Control+z")
    expect(selected).to_have_count(3)
    page.get_by_role("button", name="Label front").click()
    message(page, "3 photos, labelled front. Undo: Ctrl+Z")
    expect(selected).to_have_count(0)
    assert [project.labels[photo] for photo in project.hashes[:3]] == [2, 2, 2]
    page.get_by_role("button", name="Undo").click()
    expect(selected).to_have_count(3)
    page.get_by_role("link", name="Take it out").click()
    page.get_by_role("link", name="Photos", exact=True).click()
    expect(page.get_by_role("button", name="Review selection")).to_be_disabled()
    expect(cells(page).first).to_be_visible()
    expect(selected).to_have_count(0)


def test_digits_label_one_photo_after_the_other(open_project: OpenProject, project: Project) -> None:
    ids = project.label(side=[0], front=[1])
    page = open_project("show=grid&space=final-what&projection=pca-1-2")
    page.get_by_role("combobox", name="Show").select_option("unlabelled")
    expect(cells(page)).to_have_count(48)
    rows = rows_of(page)
    cells(page).nth(0).click()
    for place, digit in enumerate("120"):
        page.keyboard.press(digit)
        expect(page.locator("[role=option][aria-selected=true]")).to_have_id(f"grid-{rows[place + 1]}")
    hashes = project.hashes
    expected = dict(zip((hashes[row] for row in rows[:3]), (ids["side"], ids["front"], 0), strict=True))
    assert project.labels == expected | {hashes[0]: ids["side"], hashes[1]: ids["front"]}
    assert [event["how"] for event in project.get("/events")["events"]] == ["click"] * 5


def test_digits_do_nothing_where_one_types_and_can_be_switched_off(open_project: OpenProject, project: Project) -> None:
    project.label(side=[0])
    page = open_project()
    cells(page).nth(1).click()
    page.get_by_label("New label").press_sequentially("1?")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.get_by_label("New label").fill("")
    page.get_by_role("button", name="Help").click()
    page.get_by_label("Use keys of a single letter or digit").uncheck()
    page.keyboard.press("Escape")
    cells(page).nth(1).click()
    page.keyboard.press("1")
    page.keyboard.press("?")
    page.keyboard.press("Control+z")  # no single key: it still works
    message(page, "Undone: 1 photo changed. Redo: Ctrl+Shift+Z")
    assert project.labels == {}
    page.reload()
    expect(cells(page).first).to_be_visible()
    assert page.locator(".chip kbd").count() == 0


def test_labels_are_renamed_coloured_merged_and_retired(open_project: OpenProject, project: Project) -> None:
    ids = project.label(side=[0, 1], sid=[2], empty=[])
    page = open_project()
    page.get_by_role("button", name="Edit labels").click()
    assert violations(page) == []
    expect(page.get_by_role("button", name="Retire side")).to_be_disabled()
    page.get_by_label("Name of sid", exact=True).fill("sides")
    page.keyboard.press("Tab")
    message(page, "sid is now called sides.")
    page.get_by_label("Colour of sides").select_option("green")
    message(page, "sides has another colour.")
    page.get_by_label("Merge sides into").select_option("side")
    message(page, "1 photo of sides are now side. Undo: Ctrl+Z")
    page.get_by_role("button", name="Retire empty").click()
    message(page, "empty can't be given any more. A new label of that name brings it back.")
    expect(page.get_by_role("button", name="Label side: 3 photos")).to_be_visible()
    assert set(project.labels.values()) == {ids["side"]}
    assert [(label["name"], label["retired"]) for label in project.get()["labels"]] == [
        ("side", False),
        ("sides", True),
        ("empty", True),
    ]


def test_a_name_that_the_service_refuses_is_told(project: Project, open_page: OpenPage) -> None:
    watched = open_page(f"/console/label?project={project.id}&show=grid", project.service)
    watched.expected.append("422")
    watched.page.get_by_label("New label").fill("train")
    watched.page.keyboard.press("Enter")
    expect(watched.page.locator(".message.bad")).to_contain_text("train")
    assert project.get()["labels"] == []


def test_the_history_says_who_and_how(open_project: OpenProject, project: Project) -> None:
    project.label(side=[0, 1, 2])
    page = open_project()
    page.get_by_role("button", name="Undo").click()
    page.get_by_role("button", name="History").click()
    steps = page.get_by_role("region", name="History").get_by_role("listitem")
    expect(steps).to_have_count(2)
    expect(steps.first).to_contain_text("local: 3 photos, no label by undo")
    expect(steps.last).to_contain_text("local: 3 photos, side one by one")
    assert violations(page) == []


def test_the_other_person_sees_a_label_at_once(open_project: OpenProject, project: Project) -> None:
    first, second = open_project(), open_project()
    row = rows_of(second)[4]
    cells(first).nth(4).click()
    first.get_by_label("New label").fill("roof")
    first.keyboard.press("Enter")
    expect(second.get_by_role("button", name="Label roof: 1 photo")).to_be_visible()
    expect(second.locator(f"#grid-{row}")).to_contain_text("roof")
    first.get_by_role("button", name="Undo").click()
    expect(second.get_by_role("button", name="Label roof: 0 photos")).to_be_visible()
    assert project.labels == {}
