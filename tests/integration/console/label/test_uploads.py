"""Uploads in Chromium: files and folders, what is broken or twice, and an upload that goes on."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.integration.console.conftest import OpenPage, violations
from tests.integration.console.label.conftest import Project
from tests.integration.waiting import until

pytestmark = pytest.mark.integration

PHOTOS = "Choose photos"


@pytest.fixture
def empty(vehicles: Project) -> Iterator[Project]:
    """A project without photos."""
    response = httpx.post(f"{vehicles.service}/labels", json={"name": "Empty"}, timeout=60)
    yield Project(vehicles.service, response.json()["id"])
    httpx.delete(f"{vehicles.service}/labels/{response.json()['id']}", timeout=60)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six photos, one of them twice, a broken one, and a text."""
    found = tmp_path / "photos"
    (found / "more").mkdir(parents=True)
    for index in range(6):
        pixels = np.random.default_rng(index).integers(0, 256, (40, 60, 3), np.uint8)
        Image.fromarray(pixels).save(found / ("more" if index > 3 else ".") / f"{index}.png")
    (found / "again.png").write_bytes((found / "0.png").read_bytes())
    (found / "broken.png").write_bytes((found / "1.png").read_bytes()[:900])
    (found / "notes.txt").write_text("no photo")
    return found


def open_empty(open_page: OpenPage, project: Project) -> Page:
    watched = open_page("/console/label", project.service)
    watched.expected.append("404")  # HEAD asks for what an upload may have sent before
    watched.page.evaluate("localStorage.setItem('shopcat.label.tour', 'seen')")
    watched.page.goto(f"{project.service}/console/label?project={project.id}&show=grid")
    expect(watched.page.get_by_role("heading", name="Add photos")).to_be_visible()
    return watched.page


def test_a_folder_is_uploaded_with_its_folders_and_a_report(empty: Project, folder: Path, open_page: OpenPage) -> None:
    page = open_empty(open_page, empty)
    assert violations(page) == []
    page.get_by_label("Choose a folder").set_input_files(folder)
    expect(page.get_by_text("8 of 8 photos.")).to_contain_text("1 other file left out. Done.")
    report = page.get_by_role("region", name="Files that are broken or twice")
    expect(report).to_contain_text("The same photo as")
    assert until(lambda: empty.get()["progress"]["finished"], 300)
    expect(report.get_by_role("row").filter(has_text="broken.png")).to_be_visible()
    assert violations(page) == []
    sent = {hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*.png")}
    assert empty.get()["photos"] == len(sent) == 7
    expect(page.get_by_role("listbox", name="Photos", exact=True)).to_be_visible()


def test_an_upload_that_broke_off_sends_only_what_is_missing(empty: Project, folder: Path, open_page: OpenPage) -> None:
    page = open_empty(open_page, empty)
    files = sorted(folder.rglob("?.png"))
    page.get_by_label(PHOTOS).set_input_files(files[:4])
    expect(page.get_by_text("4 of 4 photos.")).to_contain_text("Done.")
    page.reload()
    page.get_by_role("button", name="Add photos").click()
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "PUT" else None)
    page.get_by_label(PHOTOS).set_input_files(files)
    expect(page.get_by_text("6 of 6 photos.")).to_contain_text("4 were there already. Done.")
    assert {url.split("?")[0][-64:] for url in sent} == {
        hashlib.sha256(path.read_bytes()).hexdigest() for path in files[4:]
    }


def test_dropped_files_are_uploaded(empty: Project, folder: Path, open_page: OpenPage) -> None:
    page = open_empty(open_page, empty)
    content = list((folder / "0.png").read_bytes())
    transfer = page.evaluate_handle(
        """content => {
          const transfer = new DataTransfer();
          transfer.items.add(new File([new Uint8Array(content)], "<i>dropped</i>.png", {type: "image/png"}));
          return transfer;
        }""",
        content,
    )
    page.locator(".upload").dispatch_event("drop", {"dataTransfer": transfer})
    expect(page.get_by_text("1 of 1 photo.")).to_contain_text("Done.")
    assert empty.get()["photos"] == 1


def test_without_a_hash_in_the_browser_the_service_makes_it(empty: Project, folder: Path, open_page: OpenPage) -> None:
    """On plain HTTP away from localhost, a browser has no `crypto.subtle`."""
    page = open_empty(open_page, empty)
    page.evaluate("Object.defineProperty(crypto, 'subtle', {value: undefined})")
    with page.expect_request("**/photos?name=0.png") as sent:
        page.get_by_label(PHOTOS).set_input_files(folder / "0.png")
    assert sent.value.method == "POST"
    expect(page.get_by_text("1 of 1 photo.")).to_contain_text("Done.")
    assert empty.get()["photos"] == 1


def test_files_without_a_photo_are_refused_in_words(empty: Project, folder: Path, open_page: OpenPage) -> None:
    page = open_empty(open_page, empty)
    page.get_by_label(PHOTOS).set_input_files(folder / "notes.txt")
    expect(page.locator(".message.bad")).to_have_text("There is no photo among these files.")
