"""Taking labels out on the page: downloads, an import, a training that is cancelled, and a bundle that is served."""

import csv
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from labelling.demonstration import vehicles as truth
from tests.integration.console.conftest import BUNDLES, OpenPage, Watched, service, violations
from tests.integration.waiting import until

pytestmark = pytest.mark.integration

PHOTOS = 40
VERSION = "20270101-vehicles"


class Out:
    """A running service with a project, and its folder.

    Attributes:
        address: address of the service.
        project: address of the project.
        folder: folder of the project.
    """

    def __init__(self, address: str, folder: Path) -> None:
        self.address = address
        assert until(lambda: httpx.get(f"{address}/labels", timeout=60).status_code == 200, 300)
        body = {"name": "Vehicles", "demonstration": True, "photos": PHOTOS}
        made = httpx.post(f"{address}/labels", json=body, timeout=120).json()
        self.project, self.folder = f"{address}/labels/{made['id']}", folder / "data" / "projects" / made["id"]

    def get(self, path: str) -> Any:
        response = httpx.get(f"{self.project}{path}", timeout=60)
        assert response.status_code == 200, response.text
        return response.json()

    def add_bundle(self) -> None:
        """Add a bundle that a job has made: the shipped one, as another version."""
        folder = self.folder / "bundles" / "1"
        shutil.copytree(BUNDLES[1], folder / "model")
        manifest = json.loads((folder / "model" / "bundle.json").read_text())
        (folder / "model" / "bundle.json").write_text(json.dumps(manifest | {"version": VERSION}))
        (folder / "job.json").write_text(
            json.dumps({"state": "done", "who": "local", "name": "pets", "started": 1.0, "ended": 2.0})
        )


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Out]:
    """A project of drawn vehicles without labels."""
    folder = tmp_path_factory.mktemp("out")
    with service(folder) as address:
        yield Out(address, folder)


@pytest.fixture
def watched(out: Out, open_page: OpenPage) -> Watched:
    found = open_page(f"/console/label?project={out.project.rpartition('/')[2]}&tab=out", out.address)
    expect(found.page.get_by_role("heading", name="Train a model on the labels")).to_be_visible()
    return found


@pytest.fixture
def page(watched: Watched) -> Page:
    return watched.page


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Labels of all photos, as a file."""
    file = tmp_path / "labels.csv"
    with file.open("w", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(["name", "label"])
        writer.writerows((vehicle.name, vehicle.view) for vehicle in truth(PHOTOS))
        writer.writerow(["elsewhere.jpg", "left"])
    return file


def test_the_page_says_what_is_missing_and_takes_labels_in(page: Page, out: Out, table: Path) -> None:
    button = page.get_by_role("button", name="Make a bundle")
    expect(button).to_be_disabled()
    expect(page.get_by_text("give at least two labels")).to_be_visible()
    assert violations(page) == []
    page.get_by_label("File").set_input_files(table)
    page.get_by_role("button", name="Import").click()
    outcome = page.locator("shopcat-label-imports [role=status]")
    words = f"{PHOTOS} photos got another label. Undo: Ctrl+Z. New labels: back, front, left, right."
    expect(outcome).to_contain_text(words)
    expect(outcome).to_contain_text("1 line found no photo: elsewhere.jpg.")
    expect(button).to_be_enabled()
    expect(page.get_by_text("20 photos of 4 labels to train on")).to_be_visible()
    expect(page.get_by_text("imported labels, which are no blind answers")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="Labels", exact=True).click()
    rows = list(csv.DictReader(download.value.path().read_text().splitlines()))
    assert {row["name"]: row["label"] for row in rows} == {vehicle.name: vehicle.view for vehicle in truth(PHOTOS)}
    page.get_by_label("File").set_input_files(download.value.path())
    page.get_by_role("button", name="Import").click()
    expect(outcome).to_have_text(f"Nothing has changed. {PHOTOS} photos had the same label already.")
    assert violations(page) == []


def test_a_wrong_file_is_explained(watched: Watched, page: Page, tmp_path: Path) -> None:
    watched.expected.append("422")  # the browser reports the status of the answer
    wrong = tmp_path / "wrong.csv"
    wrong.write_text("photo,kind\na,b\n")
    page.get_by_label("File").set_input_files(wrong)
    with page.expect_response(lambda response: response.status == 422):
        page.get_by_role("button", name="Import").click()
    expect(page.get_by_role("alert")).to_contain_text("give label, and sha256 or name")


def test_predictions_of_another_model_stand_beside_ours(page: Page, out: Out, tmp_path: Path) -> None:
    file = tmp_path / "predictions.csv"
    rows = "".join(f"{vehicle.name},{vehicle.view},0.9\n" for vehicle in truth(PHOTOS))
    file.write_text(f"name,label,probability\n{rows}")
    page.get_by_label("Content").select_option("predictions")
    page.get_by_label("Name of the model").fill("resnet")
    page.get_by_label("File").set_input_files(file)
    page.get_by_role("button", name="Import").click()
    row = page.get_by_role("row").filter(has_text="resnet")
    expect(row).to_contain_text("40")
    expect(row).to_contain_text("not yet known")
    assert violations(page) == []
    page.get_by_role("button", name="Forget resnet").click()
    expect(row).to_have_count(0)


def test_a_training_is_started_followed_and_cancelled(page: Page, out: Out) -> None:
    page.get_by_label("Network").select_option("quick")
    page.get_by_role("button", name="Make a bundle").click()
    expect(page.get_by_role("progressbar")).to_be_visible()
    expect(page.locator("#job-stage")).to_contain_text("Begun by local")
    assert violations(page) == []
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("No bundle: somebody has cancelled it.")).to_be_visible()
    assert out.get("/bundle")["job"]["state"] == "cancelled"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_bundle_is_served_after_a_question_and_taken_back(out: Out, open_page: OpenPage, scheme: str) -> None:
    if not (out.folder / "bundles" / "1" / "model").exists():
        shutil.rmtree(out.folder / "bundles", ignore_errors=True)
        out.add_bundle()
    address = f"/console/label?project={out.project.rpartition('/')[2]}&tab=out"
    page: Page = open_page(address, out.address, width=390, color_scheme=scheme).page
    expect(page.get_by_role("heading", name=f"Bundle pets {VERSION}")).to_be_visible()
    page.get_by_role("button", name=f"Serve version {VERSION}…").click()
    expect(page.get_by_text("Everybody who asks pets gets the new labels")).to_be_visible()
    assert violations(page) == []
    page.get_by_role("button", name="Serve it", exact=True).click()
    back = page.get_by_role("button", name="Serve the former one again")
    expect(back).to_be_visible()
    served = out.get("/bundle")["serving"]
    assert (served["state"], served["version"], served["chosen_by"]) == ("served", VERSION, "local")
    assert violations(page) == []
    back.click()
    expect(page.get_by_role("button", name=f"Serve version {VERSION}…")).to_be_visible()
    assert out.get("/bundle")["serving"]["state"] == "none"
