"""Two people with keys label one project in two browsers: presence, labels, second opinions and blind answers."""

from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.integration.console.conftest import OpenPage, service
from tests.integration.console.label.conftest import cells, message
from tests.integration.waiting import until

pytestmark = pytest.mark.integration

KEYS = {"ann": "the-key-of-ann-who-labels", "bob": "the-key-of-bob-who-labels"}
PHOTOS = 150  # of which 50 are held back; of the others, a tenth waits for a second opinion


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a project on a service with keys, in which ann has labelled all photos but one."""
    folder = tmp_path_factory.mktemp("keys")
    keys = folder / "keys.txt"
    keys.write_text("".join(f"{name}: {key} roles=predict,label\n" for name, key in KEYS.items()))
    with (
        service(folder, "--api-keys", str(keys)) as host,
        httpx.Client(base_url=host, headers={"X-API-Key": KEYS["ann"]}, timeout=120) as client,
    ):
        assert until(lambda: client.get("/labels").status_code == 200, 300)
        body = {"name": "Vehicles", "demonstration": True, "photos": PHOTOS}
        project = f"/labels/{client.post('/labels', json=body).json()['id']}"
        assert until(lambda: client.get(project).json()["progress"]["finished"], 240), client.get(project).text
        for name in ("left", "right"):
            client.post(f"{project}/labels", json={"name": name})
        photos = [photo["sha256"] for photo in client.get(f"{project}/photos").json()["photos"]]
        given = {"photos": photos[1:], "label": 1, "how": "lasso"}
        assert client.post(f"{project}/events", json=given).status_code == 200
        yield host + project


def test_two_people_see_each_other_label_and_give_blind_opinions(address: str, open_page: OpenPage) -> None:
    first, second = (opened(open_page, address, name) for name in ("ann", "bob"))
    for page in (first, second):
        expect(page.get_by_text("Here now: ann, bob.")).to_be_visible()
        expect(page.get_by_text(f"{PHOTOS} photos, 99 labelled.")).to_be_visible()
    cells(first).nth(0).click()
    first.get_by_role("button", name="Label left").click()
    message(first, "1 photo, labelled left. Undo: Ctrl+Z")
    expect(second.get_by_text(f"{PHOTOS} photos, 100 labelled.")).to_be_visible()
    expect(second.get_by_role("button", name="Label left: 100 photos")).to_be_visible()
    expect(cells(second).nth(0)).to_contain_text("left")

    for page in (first, second):
        page.get_by_role("link", name="How good is it?").first.click()
        expect(page.get_by_text("No photo has labels of two people yet.")).to_be_visible()
    expect(first.get_by_role("button", name="Give a second opinion")).to_be_disabled()  # all labels are hers
    second.get_by_role("button", name="Give a second opinion").click()
    question = second.get_by_role("group", name="What is it? Somebody has labelled this photo: you don't see how.")
    expect(question).to_be_focused()
    assert "left" not in question.inner_text()
    second.keyboard.press("1")
    message(second, "Answered: left.")
    second.keyboard.press("Escape")
    for page in (second, first):
        expect(page.get_by_text("Two people gave the same label to 1 of 1 photo")).to_be_visible()

    second.get_by_role("button", name="Ask me").click()
    expect(second.get_by_role("group", name="What is it?")).to_be_focused()
    second.keyboard.press("2")
    message(second, "Answered: right. 49 photos left.")
    expect(first.get_by_text("1 of 50 random photos answered")).to_be_visible()
    expect(first.get_by_text(f"{PHOTOS} photos, 101 labelled.")).to_be_visible()
    second.goto("about:blank")
    expect(first.get_by_text("Here now")).to_have_count(0)


def opened(open_page: OpenPage, address: str, name: str) -> Page:
    """Sign in with a person's key, and open the grid of the project in the order of arrival."""
    host, _, project = address.partition("/labels/")
    watched = open_page(f"/console/label?project={project}&show=grid", host)
    watched.expected = ["401"]  # before the sign-in
    page = watched.page
    page.evaluate("localStorage.setItem('shopcat.label.tour', 'seen')")
    page.locator("#key").fill(KEYS[name])
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Vehicles", level=1)).to_be_visible()
    page.get_by_label("Order").select_option("arrival")
    return page
