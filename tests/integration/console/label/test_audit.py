"""The audit and the agreement of people in Chromium: blind answers, the figure, fresh photos."""

import re
from decimal import ROUND_HALF_UP, Decimal

import pytest
from playwright.sync_api import expect

from tests.integration.console.conftest import violations
from tests.integration.console.label.conftest import OpenProject, Project, message

pytestmark = pytest.mark.integration


def test_the_figure_is_unknown_until_thirty_answers_and_then_has_an_interval(
    open_project: OpenProject, project: Project
) -> None:
    ids = project.label(one=[0, 2, 4, 6], two=[1, 3, 5, 7])
    for index in range(29):
        photo = project.post("/audit/next")["photo"]["sha256"]
        project.post("/audit", {"photo": photo, "label": ids["one" if index % 2 else "two"]})
    page = open_project("tab=audit")
    expect(page.get_by_text("Not yet known", exact=True)).to_be_visible()
    expect(page.get_by_text("29 of 50 random photos answered")).to_be_visible()
    assert not re.search(r"\d %", page.locator("main").inner_text())
    assert violations(page) == []
    page.get_by_role("button", name="Ask me").click()
    question = page.get_by_role("group", name="What is it?")
    expect(question).to_be_focused()
    assert violations(page) == []
    page.keyboard.press("1")
    message(page, "Answered: one. 20 photos left.")
    page.keyboard.press("Control+z")
    message(page, "Undone: 1 answer of the audit. Redo: Ctrl+Shift+Z")
    assert project.get("/audit")["answered"] == 29
    page.keyboard.press("Control+Shift+z")
    message(page, "Done again: 1 answer of the audit. Undo: Ctrl+Z")
    page.keyboard.press("Escape")
    expect(page.locator(".accuracy")).to_contain_text("accuracy, between")
    audit = project.get("/audit")
    assert audit["answered"] == 30
    figure = audit["figure"]
    shown = page.locator(".accuracy")
    expect(shown).to_have_text(re.compile(r"^\s*[\d.]+ % accuracy, between [\d.]+ % and [\d.]+ %\s*$"))
    percent = [float(number) for number in re.findall(r"[\d.]+", shown.inner_text())]
    assert percent == pytest.approx([100 * figure[name] for name in ("share", "low", "high")], abs=0.06)
    table, card = page.get_by_role("table"), page.get_by_role("region", name="How good is the model?")
    expect(table).to_be_visible()
    widths = [(element.bounding_box() or {})["width"] for element in (table, card)]
    assert widths[0] < 0.6 * widths[1]  # the columns are beside each other
    assert violations(page) == []


def percent(share: float) -> str:
    """Return a share as the page writes it: halves are rounded up."""
    return f"{(100 * Decimal(str(share))).quantize(Decimal('0.1'), ROUND_HALF_UP)} %"


def test_fresh_photos_begin_the_figure_again(open_project: OpenProject, project: Project) -> None:
    ids = project.label(one=[0, 2], two=[1, 3])
    photo = project.post("/audit/next")["photo"]["sha256"]
    project.post("/audit", {"photo": photo, "label": ids["one"]})
    page = open_project("tab=audit")
    expect(page.get_by_text("1 of 50 random photos answered")).to_be_visible()
    page.get_by_role("button", name="Draw fresh photos…").click()
    page.get_by_role("button", name="Draw fresh photos", exact=True).click()
    message(page, "Fresh photos are drawn. The ones from before join the others.")
    expect(page.get_by_text("draw 2")).to_be_visible()
    assert project.get("/audit")["answered"] == 0


def test_without_two_people_no_agreement_is_claimed(open_project: OpenProject, project: Project) -> None:
    project.label(one=[0, 2], two=[1, 3])
    page = open_project("tab=audit")
    expect(page.get_by_text("No photo has labels of two people yet.")).to_be_visible()
    expect(page.get_by_role("button", name="Give a second opinion")).to_be_disabled()
