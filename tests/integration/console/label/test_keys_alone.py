"""Labelling from the first look to the download without a mouse: each element is reached by the Tab key."""

import csv
import re

import pytest
from playwright.sync_api import Page, expect

from tests.integration.console.conftest import violations
from tests.integration.console.label.conftest import OpenProject, Project
from tests.integration.waiting import until

pytestmark = pytest.mark.integration

NAME = "(element) => element?.ariaLabel ?? element?.labels?.[0]?.textContent ?? element?.textContent ?? ''"


def go_to(page: Page, name: str, key: str = "Tab") -> None:
    """Press Tab until the focus is on an element whose name begins with some words."""
    for _ in range(150):
        page.keyboard.press(key)
        if str(page.evaluate(f"({NAME})(document.activeElement)")).strip().startswith(name):
            return
    pytest.fail(f"the Tab key does not reach {name!r}")


def test_the_whole_way_needs_no_mouse(open_project: OpenProject, project: Project) -> None:
    page = open_project("space=final-what&projection=pca-1-2")
    assert violations(page) == []
    # Look around, and choose a group on the map.
    go_to(page, "Map of 50 photos")
    page.keyboard.press("ArrowLeft")
    expect(page).to_have_url(re.compile("space=last-what"))
    page.keyboard.press("ArrowDown")
    expect(page).to_have_url(re.compile("projection=pca-3-4"))
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("x")
    for _ in range(3):
        page.keyboard.press("]")
    expect(page.locator(".message")).to_have_text(re.compile(r"\d+ photos selected\.$"))
    # Review it, take one photo out, and label the others.
    page.keyboard.press("Enter")
    kept = page.locator("shopcat-label-review .counts")
    expect(page.get_by_role("listbox", name="Photos to review")).to_be_focused()
    page.keyboard.press("Enter")
    expect(kept).to_have_text(re.compile(r"^(\d+) of (\d+) kept$"))
    left, of_all = (int(number) for number in re.findall(r"\d+", kept.inner_text()))
    assert left == of_all - 1 > 1
    assert violations(page) == []
    go_to(page, "New label", "Shift+Tab")
    page.keyboard.type("side")
    page.keyboard.press("Enter")
    assert until(lambda: len(project.labels) == left)
    page.keyboard.press("Tab")
    page.keyboard.press("Control+z")
    assert until(lambda: project.labels == {})
    page.keyboard.press("Control+Shift+z")
    assert until(lambda: len(project.labels) == left)
    # Find photos that are alike, and give them the label by its number.
    go_to(page, "Photos")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("f")
    expect(page.get_by_role("heading", name="Like the ones that you chose")).to_be_visible()
    expect(page.get_by_role("listbox", name="Photos to review").get_by_role("option").first).to_be_visible()
    assert violations(page) == []
    page.get_by_role("listbox", name="Photos to review").press("1")
    assert until(lambda: len(project.labels) > left)
    # Answer a suggestion, then a blind question.
    go_to(page, "What next?")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="What is it?")).to_be_visible()
    assert violations(page) == []
    go_to(page, "How good is it?", "Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Not yet known", exact=True)).to_be_visible()
    assert violations(page) == []
    go_to(page, "Ask me")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="What is it?")).to_be_visible()
    page.keyboard.press("1")
    assert until(lambda: project.get("/audit")["answered"] == 1)
    page.keyboard.press("Escape")
    # Take the labels out.
    go_to(page, "Take it out", "Shift+Tab")
    page.keyboard.press("Enter")
    go_to(page, "Labels")
    assert violations(page) == []
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    rows = list(csv.DictReader(download.value.path().read_text(encoding="utf-8").splitlines()))
    assert sum(row["label"] == "side" for row in rows) == len(project.labels) + 1
