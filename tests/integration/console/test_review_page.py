"""The pages of reviews and appeals in Chromium: two reviewers with keys, and somebody without one."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import psutil
import pytest
from playwright.sync_api import Page, Route, expect

from tests.console.review.cases import fresh, keep_photo
from tests.integration.console.conftest import OpenPage, choose, service, violations
from tests.integration.waiting import until

pytestmark = pytest.mark.integration

CAT = (Path(__file__).parents[3] / "docs" / "cat.jpg").read_bytes()
KEYS = {name: f"key-of-{name}-0123456789" for name in ("ann", "bob", "shop", "vet")}
CLAIM = "<img src=x onerror=\"document.title='run'\"> It is a <b>Savannah</b>."


class Reviewed(NamedTuple):
    """A service with reviewers.

    Attributes:
        address: address of the gateway.
        data: folder of its data.
    """

    address: str
    data: Path

    def classify(self, photo: bytes, retain: str) -> dict[str, Any]:
        """Send a photo as the shop does, and return the answer."""
        response = httpx.post(
            f"{self.address}/predictions/pets?retain={retain}",
            content=photo,
            headers={"content-type": "image/jpeg", "x-api-key": KEYS["shop"]},
            timeout=60,
        )
        assert response.status_code == 200, response.text
        return dict(response.json())

    def waits(self, reason: str) -> int | None:
        """Return the number of photos that wait for bob; None while the console starts."""
        headers = {"x-api-key": KEYS["bob"]}
        response = httpx.get(f"{self.address}/review?reason={reason}", headers=headers, timeout=30)
        return int(response.json()["waiting"]) if response.status_code == 200 else None

    def has_taken_all_photos_in(self) -> bool:
        """Return True if no photo waits for the console."""
        return not [*(self.data / "review" / "incoming").iterdir()]


@pytest.fixture(scope="module")
def reviewed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reviewed]:
    folder = tmp_path_factory.mktemp("reviewed")
    roles = {"ann": "predict,review", "bob": "predict,review", "shop": "predict", "vet": "review"}
    keys = folder / "keys"
    keys.write_text("".join(f"{name}: {key} roles={roles[name]}\n" for name, key in KEYS.items()))
    keys.chmod(0o600)
    with service(folder, "--api-keys", str(keys), "--keep-for-review", "--second-opinions", "1") as address:
        yield Reviewed(address, folder / "data")


OpenAs = Callable[[str], Page]


@pytest.fixture
def open_as(open_page: OpenPage, reviewed: Reviewed) -> OpenAs:
    """Open the review page as somebody who signs in."""

    def open_review(name: str) -> Page:
        watched = open_page("/console/sign-in?next=/console/review", reviewed.address)
        watched.expected.append("401")  # before the sign-in
        watched.page.get_by_label("Your key").fill(KEYS[name])
        watched.page.keyboard.press("Enter")
        expect(watched.page.get_by_role("heading", name="Review photos")).to_be_visible()
        # A photo that is still on its way when another is asked for is no longer the reviewer's: 404.
        expect(watched.page.get_by_text("Asking…")).to_have_count(0)
        watched.page.evaluate("document.querySelector('.case img')?.decode().catch(() => null)")
        return watched.page

    return open_review


@pytest.fixture
def console_service(reviewed: Reviewed) -> str:
    """The service of this module, in place of the one without keys."""
    return reviewed.address


def answer_first_guess(page: Page) -> None:
    """Choose the model's first guess and save it, by keys alone."""
    expect(page.locator(".case[aria-busy=false] img")).to_be_visible()
    page.locator(".case").focus()
    page.keyboard.press("1")
    expect(page.locator("#save")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#next")).to_be_focused()


def test_two_reviewers_answer_a_photo_by_keys_alone(reviewed: Reviewed, open_as: OpenAs) -> None:
    answer = reviewed.classify(CAT, "review")
    assert (answer["decision"], answer["retained"]) == ("review", True)
    assert until(lambda: reviewed.waits("low_probability") == 1, 60)
    ann = open_as("ann")
    expect(ann.locator("main").get_by_text("The model was not sure.")).to_be_visible()
    assert ann.evaluate("document.querySelector('.case img').naturalWidth") == 451
    assert violations(ann) == []
    answer_first_guess(ann)
    expect(ann.locator("main").get_by_text("The model said Bengal")).to_be_visible()
    ann.keyboard.press("Enter")
    expect(ann.get_by_role("heading", name="No photo waits for you")).to_be_visible()

    bob = open_as("bob")
    expect(bob.locator(".case")).to_be_visible()
    assert "Other reviewers" not in bob.locator("main").inner_text()
    answer_first_guess(bob)
    expect(bob.locator("main").get_by_text("Other reviewers: Bengal")).to_be_visible()
    assert violations(bob) == []
    bob.keyboard.press("Enter")
    expect(bob.get_by_text("Reviewers agree on 100.0 % of 1 photo")).to_be_visible()


def test_a_random_check_hides_the_prediction_until_the_answer(
    reviewed: Reviewed, open_as: OpenAs, open_page: OpenPage
) -> None:
    keep_photo(reviewed.data, fresh("random_check"), (reviewed.data / "receipt.key").read_bytes())
    assert until(lambda: reviewed.waits("random_check") == 1, 60)
    page = open_as("bob")
    page.get_by_label("Reason").select_option("random_check")
    expect(page.locator("main").get_by_text("The model's answer is hidden until you have answered")).to_be_visible()
    assert "Bengal" not in page.content()
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 390, "height": 844})
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.locator(".case").focus()
    page.keyboard.press("1")  # no guesses to choose from
    expect(page.get_by_text("Nothing chosen yet.")).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("maine")
    expect(page.get_by_role("option", name="Maine Coon")).to_be_visible()
    assert violations(page) == []
    page.keyboard.press("Enter")
    expect(page.get_by_text("Your answer: Maine Coon")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.locator("main").get_by_text("The model said Bengal (60.0 %): not the same.")).to_be_visible()


def test_single_keys_can_be_switched_off(reviewed: Reviewed, open_as: OpenAs) -> None:
    keep_photo(reviewed.data, fresh("unlike_training"), (reviewed.data / "receipt.key").read_bytes())
    assert until(lambda: reviewed.waits("unlike_training") == 1, 60)
    page = open_as("bob")
    page.get_by_label("Reason").select_option("unlike_training")
    expect(page.locator("main").get_by_text("unlike all that the model learned from")).to_be_visible()
    page.locator(".case").focus()
    page.keyboard.press("?")
    page.get_by_label("Use these single keys").uncheck()
    page.locator(".case").focus()
    page.keyboard.press("c")
    expect(page.get_by_text("Nothing chosen yet.")).to_be_visible()
    page.get_by_label("Use these single keys").check()
    page.locator(".case").focus()
    page.keyboard.press("s")
    page.get_by_role("button", name="It shows people or something private").press("Enter")
    expect(page.get_by_role("heading", name="No photo waits for you")).to_be_visible()


def test_an_appeal_is_decided_by_somebody_who_did_not_answer(
    reviewed: Reviewed, open_as: OpenAs, open_page: OpenPage
) -> None:
    answer = reviewed.classify(CAT + b"\0", "review")  # another file, and so another case
    assert until(lambda: reviewed.waits("low_probability") == 1, 60)
    ann = open_as("ann")
    ann.get_by_label("Reason").select_option("low_probability")
    expect(ann.locator("main").get_by_text("The model was not sure.")).to_be_visible()
    answer_first_guess(ann)

    watched = open_page("/console/appeal", reviewed.address)
    watched.expected.append("401")  # the shell asks for the models, which need a key
    sender = watched.page
    expect(sender.get_by_role("heading", name="Doubt an answer")).to_be_visible()
    assert violations(sender) == []
    sender.get_by_label("Receipt of the answer").fill(answer["receipt"])
    sender.get_by_label("Why do you doubt the answer?").fill(CLAIM)
    sender.get_by_role("button", name="Send").press("Enter")
    expect(sender.locator("#token")).to_be_visible()
    number = sender.locator("#appeal-title").inner_text().removeprefix("Case ")
    assert violations(sender) == []

    ann.reload()
    expect(ann.get_by_text("Not for you: you answered about this photo")).to_be_visible()
    bob = open_as("bob")
    bob.get_by_role("button", name=f"Take {number}").press("Enter")
    appeal = bob.locator(".appeal")
    expect(appeal.locator("img")).to_be_visible()
    expect(appeal.locator(".claim")).to_have_text(CLAIM)
    bob.get_by_label("The photo shows something else").check()
    bob.get_by_label("Search for the right breed").fill("siam")
    bob.get_by_label("Search for the right breed").press("Enter")
    expect(appeal.get_by_text("Right answer: Siamese")).to_be_visible()
    bob.get_by_label("Reason, which the sender reads").fill("Look at its <i>eyes</i>.")
    assert violations(bob) == []
    bob.get_by_role("button", name="Decide").press("Enter")
    expect(bob.get_by_text("No appeal waits for a decision.")).to_be_visible()

    sender.reload()  # the address has the number and the token
    expect(sender.locator("main").get_by_text("The answer was changed")).to_be_visible()
    expect(sender.get_by_text("Look at its <i>eyes</i>.")).to_be_visible()
    text = sender.locator("main").inner_text()
    assert "Siamese" in text
    assert "bob" not in text
    assert [page.title() for page in (sender, bob)] == ["Doubt an answer – Shopcat", "Review photos – Shopcat"]


@pytest.mark.parametrize("agrees", [True, False])
def test_the_person_who_decides_sees_the_photo_if_its_sender_agrees(
    reviewed: Reviewed, open_as: OpenAs, open_page: OpenPage, agrees: bool
) -> None:
    watched = open_page("/console/sign-in?next=/console/breed", reviewed.address)
    watched.expected.append("401")
    sender, sent = watched.page, list[str]()
    sender.on("request", lambda request: sent.append(request.url))
    sender.get_by_label("Your key").fill(KEYS["shop"])
    sender.keyboard.press("Enter")
    photo = CAT + (b"\1" if agrees else b"\2")  # another file than those that other tests keep
    choose(sender, {"name": "cat.jpg", "mimeType": "image/jpeg", "buffer": photo})
    sender.get_by_text("Is this wrong?").click()
    form = sender.locator(".wrong")
    form.get_by_role("combobox").select_option("breed Egyptian_Mau")
    box = form.get_by_label("Keep the photo for 30 days, so that the person who decides sees it")
    expect(box).not_to_be_checked()
    assert violations(sender) == []
    box.set_checked(agrees)
    form.get_by_role("button", name="Ask a person to decide").click()
    expect(form.locator(".notice.good")).to_contain_text("Sent. Your case number is")
    case = form.locator(".notice.good").inner_text().removesuffix(".").rpartition(" ")[2]
    assert ["retain=appeal" in url for url in sent if "/predictions/" in url] == [False, True][: 1 + agrees]
    assert until(reviewed.has_taken_all_photos_in, 60)

    bob = open_as("bob")
    bob.get_by_role("button", name=f"Take {case}").press("Enter")
    expect(bob.locator(".appeal img")).to_have_count(int(agrees))
    if agrees:
        expect(bob.locator(".appeal img")).to_have_js_property("naturalWidth", 451)
    else:
        expect(bob.locator(".appeal")).to_contain_text("No photo is kept for this answer.")
    bob.get_by_label("It can't be decided").check()
    bob.get_by_label("Reason, which the sender reads").fill("It is too dark.")
    bob.get_by_role("button", name="Decide").press("Enter")
    expect(bob.get_by_text("No appeal waits for a decision.")).to_be_visible()


def test_a_wrong_token_opens_nothing(reviewed: Reviewed, open_page: OpenPage) -> None:
    watched = open_page("/console/appeal", reviewed.address)
    watched.expected += ["401", "404"]
    page = watched.page
    page.get_by_label("Case number").fill("a-0000-0000")
    page.get_by_label("Token").fill("0" * 64)
    page.get_by_role("button", name="Open").press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("no appeal has this case number and this token")


def test_the_page_is_not_for_clients_without_the_role(reviewed: Reviewed, open_page: OpenPage) -> None:
    watched = open_page("/console/sign-in?next=/console/about", reviewed.address)
    watched.expected.append("401")
    watched.page.get_by_label("Your key").fill(KEYS["shop"])
    watched.page.keyboard.press("Enter")
    expect(watched.page.get_by_role("link", name="Appeal")).to_be_visible()
    expect(watched.page.get_by_role("link", name="Review")).to_have_count(0)


def test_a_key_sees_the_pages_that_its_roles_can_use(reviewed: Reviewed, open_page: OpenPage) -> None:
    for name, pages in {
        "vet": ["Review", "Appeal"],
        "shop": ["Forecast", "Breed", "Appeal", "How good it is", "About"],
    }.items():
        watched = open_page("/console/sign-in", reviewed.address)
        watched.expected += ["401", "403"]  # the shell asks for the models
        watched.page.get_by_label("Your key").fill(KEYS[name])
        watched.page.keyboard.press("Enter")
        expect(watched.page.locator(".who")).to_contain_text(name)
        expect(watched.page.get_by_role("navigation").get_by_role("link")).to_have_text(pages)
        expect(watched.page.get_by_role("link", name=pages[0], exact=True)).to_have_attribute("aria-current", "page")


def test_an_answer_from_before_the_sign_in_does_not_lead_back_to_it(reviewed: Reviewed, open_page: OpenPage) -> None:
    watched = open_page("/console/appeal", reviewed.address)
    watched.expected.append("401")
    page, held = watched.page, list[Route]()
    page.route("**/console/api/models", lambda route: held.append(route) if not held else route.continue_())
    page.goto(f"{reviewed.address}/console/sign-in?next=/console/review", wait_until="commit")
    page.get_by_label("Your key").fill(KEYS["ann"])
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Review photos")).to_be_visible()
    with page.expect_response("**/console/session"):
        held[0].fulfill(status=401)
    expect(page.get_by_role("heading", name="Review photos")).to_be_visible()


def test_a_killed_console_keeps_the_lease_and_the_queue(reviewed: Reviewed) -> None:
    """SIGKILL the console's process; the service starts it again, and the case is still the reviewer's."""
    keep_photo(reviewed.data, fresh("unlike_training"), (reviewed.data / "receipt.key").read_bytes())
    headers = {"x-api-key": KEYS["ann"]}
    body = {"reason": "unlike_training"}

    def case() -> Any:
        response = httpx.post(f"{reviewed.address}/review", json=body, headers=headers, timeout=30)
        return response.json() if response.status_code == 200 else None

    assert until(case, 60)
    found = case()
    kill_console(reviewed.data)
    assert until(case, 60)
    assert case()["id"] == found["id"]
    answered = httpx.post(
        f"{reviewed.address}/review/{found['id']}", json={"verdict": "cant_tell"}, headers=headers, timeout=30
    )
    assert answered.json()["state"] == "second"


def kill_console(data: Path) -> None:
    """Send SIGKILL to the console that uses a data folder."""
    for process in psutil.process_iter(["cmdline", "open_files"]):
        command = process.info["cmdline"] or []
        if "console" in command and any(str(data) in file.path for file in process.info["open_files"] or []):
            process.kill()
            return
    raise AssertionError("no console runs")
