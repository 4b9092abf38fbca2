"""Suggestions and the classifier in Chromium: blind questions among them, separation, fading and guesses."""

import re

import pytest
from playwright.sync_api import expect

from tests.integration.console.conftest import violations
from tests.integration.console.label.conftest import GRID, OpenProject, Project, cells, message

pytestmark = pytest.mark.integration


def test_suggested_photos_are_labelled_by_keys_one_after_the_other(open_project: OpenProject, project: Project) -> None:
    ids = project.label(left=[], right=[])
    page = open_project("tab=next")
    question = page.get_by_role("group", name="What is it?")
    expect(question.locator("img")).to_be_visible()
    assert violations(page) == []
    question.focus()
    given = {}
    for digit, name in (("1", "left"), ("2", "right"), ("1", "left")):
        source = question.locator("img").get_attribute("src") or ""
        given[source.split("/")[-1].removesuffix(".webp")] = ids[name]
        page.keyboard.press(digit)
        message(page, f"1 photo, labelled {name}. Undo: Ctrl+Z")
        expect(question.locator("img")).not_to_have_attribute("src", source)
        expect(question).to_be_focused()
    assert project.labels == given
    assert {event["how"] for event in project.get("/events")["events"]} == {"suggestion"}
    source = question.locator("img").get_attribute("src") or ""
    page.keyboard.press("s")
    expect(question.locator("img")).not_to_have_attribute("src", source)
    assert len(project.labels) == 3


def test_groups_are_confirmed_with_one_key_without_what_is_taken_out(
    open_project: OpenProject, project: Project
) -> None:
    """A page of two groups, as the service suggests them when it knows enough; all else is the service's."""
    ids, hashes = project.label(side=[0], front=[1]), project.hashes
    groups = [
        {"why": "The classifier takes these for side.", "photos": hashes[10:14], "labels": [ids["side"]]},
        {"why": "The classifier takes these for front.", "photos": hashes[20:23], "labels": [ids["front"]]},
    ]
    page = open_project("tab=audit")
    answer = {"kind": "group", "space": "final-what", "stage": {"labelled": 2, "of": 50}, "suggestions": groups}
    page.route("**/suggestions", lambda route: route.fulfill(json=answer))
    page.get_by_role("link", name="What next?").click()
    expect(page.get_by_role("heading", name="All side?")).to_be_visible()
    cells(page, "Photos to confirm as side").nth(1).click()
    message(page, "3 of 4 kept.")
    assert violations(page) == []
    page.keyboard.press("a")
    expect(page.get_by_role("heading", name="All front?")).to_be_visible()
    expect(page.get_by_role("listbox", name="Photos to confirm as front")).to_be_focused()
    page.keyboard.press("a")
    expect(page.get_by_role("heading", name="All side?")).to_be_visible()
    sides, fronts = [hashes[row] for row in (0, 10, 12, 13)], [hashes[row] for row in (1, 20, 21, 22)]
    assert project.labels == dict.fromkeys(sides, ids["side"]) | dict.fromkeys(fronts, ids["front"])
    assert [event["how"] for event in project.get("/events")["events"]][2:] == ["confirm"] * 6


def test_one_question_in_five_is_blind_and_the_bar_counts_each_answer(
    open_project: OpenProject, project: Project
) -> None:
    project.label(left=list(range(20)), right=list(range(20, 41)))
    shown = set(project.hashes)
    page = open_project("tab=next")
    question, bar = page.get_by_role("group", name="What is it?"), page.get_by_label("Labelled photos")
    kinds = []
    for done in range(41, 52):
        expect(bar).to_have_js_property("value", done)
        expect(page.get_by_text(f"{done} of 100 photos labelled")).to_be_visible()
        source = question.locator("img").get_attribute("src") or ""
        photo = source.split("/")[-1].removesuffix(".webp")
        is_blind = photo not in shown
        assert is_blind == question.get_by_text("A random check, without the model's guess.").is_visible()
        assert page.get_by_role("button", name="It is").count() == (0 if is_blind else 2)
        kinds.append(is_blind)
        page.get_by_role("button", name="Label left").click()
        message(page, "Answered: left." if is_blind else "1 photo, labelled left. Undo: Ctrl+Z")
        expect(page.locator(f'img[src="{source}"]')).to_have_count(0)
    expect(page.get_by_role("heading", name="Everything on the map has a label")).to_be_visible()
    expect(page.get_by_text("52 of 100 photos labelled")).to_be_visible()
    assert kinds == [False, False, False, False, True] * 2 + [False]
    assert project.get("/audit")["answered"] == 2
    page.get_by_role("link", name="How good is it?").last.click()
    expect(page.get_by_text("2 of 50 random photos answered")).to_be_visible()


def test_separation_says_how_well_it_works_and_warns(open_project: OpenProject, project: Project) -> None:
    project.label(one=[0, 2, 4, 6, 8, 10], two=[1, 3, 5, 7, 9, 11])
    page = open_project()
    page.get_by_role("button", name="Separate labels").click()
    expect(page.get_by_role("checkbox", name="one")).to_be_checked()
    page.get_by_role("checkbox", name="two").uncheck()
    expect(page.get_by_role("button", name="Show the best map for them")).to_be_disabled()
    page.get_by_role("checkbox", name="two").check()
    with page.expect_response("**/separation") as answered:
        page.get_by_role("button", name="Show the best map for them").click()
    result = answered.value.json()
    text = page.locator(".separate")
    expect(text).to_contain_text("; 0.50 is chance")
    shown = re.search(r"([\d.]+); 0.50 is chance", text.inner_text())
    assert shown
    assert float(shown[1]) == pytest.approx(result["score"], abs=0.0051)
    if result["warning"]:
        expect(text.locator(".notice")).to_contain_text(result["warning"][1:])
    expect(page).to_have_url(re.compile("projection=separate"))
    page.get_by_text("All spaces, the best first").click()
    assert text.locator(".ranking button").count() == len(result["ranking"])
    assert violations(page) == []


def test_photos_that_the_model_is_sure_of_are_faded_and_the_others_have_a_ring(
    open_project: OpenProject, project: Project
) -> None:
    """A page with made-up confidences, two of them at the threshold, which the classifier gives only by chance."""
    project.label(one=[0, 2, 4, 6, 8, 10], two=[1, 3, 5, 7, 9, 11])
    confidence = [0.95, 0.7] + [0.9499] * 3 + [0.9501] * 4 + [0.6999] * 41
    page = open_project("tab=audit")
    answer = project.get("/predictions") | {"confidence": confidence}
    page.route("**/predictions", lambda route: route.fulfill(json=answer))
    page.goto(f"{project.service}/console/label?project={project.id}&{GRID}")
    page.get_by_label("Order").select_option("arrival")
    page.get_by_label("Fade").select_option("confidence")
    expect(page.get_by_text("The model learned from 12 labels")).to_be_visible()
    for percent, faded in (("70", 9), ("95", 5)):
        page.get_by_role("slider", name="from").fill(percent)
        expect(page.locator(".cell.faded")).to_have_count(faded)
        expect(page.locator(".cell.unsure")).to_have_count(50 - faded)
    assert violations(page) == []
    page.get_by_label("Fade").select_option("labelled")
    expect(page.locator(".cell.faded")).to_have_count(12)
    assert page.locator(".cell.unsure").count() == 0


def test_the_guess_and_the_order_by_doubt_are_those_of_the_service(open_project: OpenProject, project: Project) -> None:
    project.label(one=[0, 2, 4, 6, 8, 10], two=[1, 3, 5, 7, 9, 11])
    page = open_project()
    predictions = project.get("/predictions")
    page.get_by_label("Order").select_option("unsure")
    doubtful = min(range(50), key=lambda row: predictions["margin"][row])
    expect(cells(page).first).to_have_id(f"grid-{doubtful}")
    page.get_by_role("combobox", name="Show").select_option("unlabelled")
    row = 20
    guess = next(label["name"] for label in project.get()["labels"] if label["id"] == predictions["labels"][row])
    expect(page.locator(f"#grid-{row}")).to_contain_text(f"{guess}?")
