"""A second look in Chromium: doubtful labels, odd photos, and what labelling from there does."""

import pytest
from playwright.sync_api import expect

from tests.integration.console.conftest import violations
from tests.integration.console.label.conftest import OpenProject, Project, cells, message, rows_of

pytestmark = pytest.mark.integration

LIST = "Photos to look at again"


def test_doubtful_labels_are_those_of_the_service_and_can_be_changed(
    open_project: OpenProject, project: Project
) -> None:
    ids = project.label(one=[0, 2, 4, 6, 8, 10], two=[1, 3, 5, 7, 9, 11])
    noise = project.get("/checks")["noise"]
    assert noise  # the labels are random, so some are doubted
    page = open_project("tab=checks")
    expect(cells(page, LIST)).to_have_count(len(noise))
    hashes = project.hashes
    assert [hashes[row] for row in rows_of(page, LIST)] == [doubt["sha256"] for doubt in noise]
    expect(cells(page, LIST).first).to_contain_text("likely")
    assert violations(page) == []
    first = noise[0]
    other = "two" if first["label"] == ids["one"] else "one"
    cells(page, LIST).first.click()
    page.keyboard.press("2" if other == "two" else "1")
    message(page, f"1 photo, labelled {other}. Undo: Ctrl+Z")
    assert project.labels[first["sha256"]] == ids[other]


def test_odd_photos_are_shown_and_empty_lists_say_so(open_project: OpenProject, project: Project) -> None:
    page = open_project("tab=checks")
    expect(page.get_by_text("Nothing to look at")).to_be_visible()
    odd = [photo["sha256"] for photo in project.get("/checks")["odd"]]
    page.get_by_role("button", name=f"Odd photos {len(odd)}").click()
    expect(cells(page, LIST)).to_have_count(len(odd))
    hashes = project.hashes
    assert [hashes[row] for row in rows_of(page, LIST)] == odd
