"""The page for breeds in Chromium, against a running service."""

import base64
import io
import json
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, Request, Route, expect

from tests.integration.console.conftest import ROOT, OpenPage, choose, violations
from tests.pets.hostile import hostile_inputs

pytestmark = pytest.mark.integration

CAT = ROOT / "docs" / "cat.jpg"


def classify(address: str, **options: str) -> Any:
    query = "&".join(f"{name}={value}" for name, value in options.items())
    request = urllib.request.Request(
        f"{address}/predictions/pets?{query}", CAT.read_bytes(), {"Content-Type": "image/jpeg"}
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)


def requests_of(page: Page) -> list[str]:
    """Return the list of predictions that the page asks for, as it grows."""
    sent: list[str] = []

    def note(request: Request) -> None:
        if "/predictions/" in request.url:
            sent.append(request.url)

    page.on("request", note)
    return sent


def test_a_photo_gets_its_breeds_and_the_reason_for_a_review(open_page: OpenPage, console_service: str) -> None:
    page = open_page("/console/breed").page
    choose(page, CAT)
    answer = classify(console_service)
    assert (answer["decision"], answer["review_reason"]) == ("review", "low_probability")
    expect(page.locator(".verdict")).to_contain_text("A person should look. The model is not sure: 48.8 %")
    shares = page.locator(".breeds-table tbody .number").all_inner_texts()
    assert shares == [f"{100 * breed['probability']:.1f} %" for breed in answer["top"]]
    bars = page.locator(".share .value").evaluate_all("bars => bars.map((bar) => Number(bar.getAttribute('width')))")
    assert bars == pytest.approx([max(0.6, 100 * breed["probability"]) for breed in answer["top"]])
    assert violations(page) == []


def test_a_photo_that_comes_before_the_models_are_known_gets_an_answer(open_page: OpenPage) -> None:
    page = open_page("/console/breed").page
    held: list[Route] = []
    page.route("**/console/api/models", lambda route: held.append(route))
    page.reload()
    choose(page, CAT)
    expect(page.locator(".verdict")).to_have_count(0)
    for route in held:
        route.continue_()
    expect(page.locator(".verdict")).to_be_visible()


def test_a_contrast_heatmap_is_asked_for_once_and_its_strength_never(open_page: OpenPage) -> None:
    page = open_page("/console/breed").page
    sent = requests_of(page)
    choose(page, CAT)
    expect(page.locator(".verdict")).to_be_visible()
    page.get_by_label("One breed against another").check()
    page.get_by_role("combobox", name="Against").select_option("Maine_Coon")
    expect(page.locator("canvas.photo")).to_have_attribute(
        "aria-label", "Your photo with a heatmap: Bengal rather than Maine Coon"
    )
    assert violations(page) == []
    asked = len(sent)
    assert "heatmap=contrast&overlay=none&versus=Maine_Coon" in sent[-1]
    page.get_by_role("slider").fill("20")
    page.get_by_label("For a breed").check()
    expect(page.locator("canvas.photo")).to_have_attribute("aria-label", "Your photo with a heatmap: Bengal")
    page.get_by_label("One breed against another").check()
    expect(page.locator("canvas.photo")).to_have_attribute(
        "aria-label", "Your photo with a heatmap: Bengal rather than Maine Coon"
    )
    assert len(sent) == asked


@pytest.mark.parametrize("options", [{"heatmap": "contrast", "versus": "Maine_Coon"}, {"heatmap": "activation"}])
def test_the_browser_paints_what_the_service_paints(
    open_page: OpenPage, console_service: str, options: dict[str, str]
) -> None:
    page = open_page("/console/breed").page
    choose(page, CAT)
    expect(page.locator(".verdict")).to_be_visible()
    page.locator(f"input[value={options['heatmap']}]").check()
    if "versus" in options:
        page.get_by_role("combobox", name="Against").select_option(options["versus"])
    label = "rather than Maine Coon" if "versus" in options else "where the network looked"
    expect(page.locator("canvas.photo")).to_have_attribute(
        "aria-label",
        f"Your photo with a heatmap: Bengal {label}" if "versus" in options else f"Your photo with a heatmap: {label}",
    )
    data = page.locator("canvas.photo").evaluate("canvas => canvas.toDataURL('image/png')")
    painted = np.asarray(Image.open(io.BytesIO(base64.b64decode(data.partition(",")[2]))).convert("RGB"), np.float32)
    answer = classify(console_service, overlay="png", **options)
    overlay = Image.open(io.BytesIO(base64.b64decode(answer["heatmap"]["overlay"]))).convert("RGB")
    expected = np.asarray(overlay, np.float32)
    assert painted.shape == expected.shape  # docs/cat.jpg is smaller than both limits
    inside = np.zeros(painted.shape[:2], bool)
    box = answer["heatmap"]["box"]
    inside[round(box["top"]) + 2 : round(box["bottom"]) - 2, round(box["left"]) + 2 : round(box["right"]) - 2] = True
    difference = np.abs(painted - expected)
    assert difference[inside].mean() < 2  # of 255; the decoders of JPEG differ by a little
    plain = np.asarray(Image.open(CAT).convert("RGB"), np.float32)
    assert np.abs(expected - plain)[inside].mean() > 20


@pytest.mark.parametrize(
    "hostile", [item for item in hostile_inputs() if len(item.content) < 2_000_000][::40], ids=lambda item: item.name
)
def test_a_hostile_file_gets_a_sentence_and_the_next_photo_an_answer(open_page: OpenPage, hostile: Any) -> None:
    watched = open_page("/console/breed")
    watched.expected = ["the server responded with a status of"]
    page = watched.page
    choose(
        page, {"name": "<img src=x onerror=alert(1)>.jpg", "mimeType": hostile.content_type, "buffer": hostile.content}
    )
    alert = page.get_by_role("alert")
    expect(alert).to_be_visible()
    assert len(alert.inner_text()) > 20
    choose(page, CAT)
    expect(page.locator(".verdict")).to_be_visible()
    expect(alert).to_have_count(0)


def test_a_photo_can_be_dropped_and_pasted(open_page: OpenPage) -> None:
    page = open_page("/console/breed").page
    content = base64.b64encode(CAT.read_bytes()).decode()
    transfer = """async (content) => {
        const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
        const transfer = new DataTransfer();
        transfer.items.add(new File([bytes], "cat.jpg", {type: "image/jpeg"}));
        return transfer;
    }"""
    page.locator(".drop").wait_for()
    expect(page.locator(".lead")).to_contain_text("37 breeds")
    page.dispatch_event(".drop", "drop", {"dataTransfer": page.evaluate_handle(transfer, content)})
    expect(page.locator(".verdict")).to_contain_text("Bengal")
    page.reload()
    expect(page.locator(".lead")).to_contain_text("37 breeds")
    page.evaluate(
        f"""async (content) => document.dispatchEvent(
            new ClipboardEvent("paste", {{clipboardData: await ({transfer})(content)}}))""",
        content,
    )
    expect(page.locator(".verdict")).to_contain_text("Bengal")


def test_a_sideways_photo_stands_upright_below_its_heatmap(open_page: OpenPage, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned
    Image.open(CAT).rotate(90, expand=True).save(tmp_path / "turned.jpg", exif=exif, quality=95)
    page = open_page("/console/breed").page
    choose(page, tmp_path / "turned.jpg")
    expect(page.locator(".verdict")).to_contain_text("Bengal")
    width, height = Image.open(CAT).size
    canvas = page.locator("canvas.photo")
    assert [canvas.evaluate("canvas => [canvas.width, canvas.height]")] == [[width, height]]


def test_the_sample_shows_a_first_answer(open_page: OpenPage) -> None:
    page = open_page("/console/breed").page
    page.get_by_role("button", name="Try a sample").click()
    expect(page.locator(".verdict")).to_contain_text("Bengal")
    page.get_by_label("Look closer at the animal, if it is small").check()
    expect(page.locator("section[aria-busy=false] .verdict")).to_be_visible()


def test_a_wrong_answer_is_told_and_counts_once(open_page: OpenPage) -> None:
    page = open_page("/console/breed").page
    page.get_by_role("button", name="Try a sample").click()
    page.get_by_text("Is this wrong?").click()
    form = page.locator(".wrong")
    form.get_by_role("combobox").select_option("breed Egyptian_Mau")
    form.get_by_role("textbox").fill("<b>Her papers</b> say so.")
    form.get_by_role("button", name="Send", exact=True).click()
    expect(form.locator(".notice.good")).to_have_text("Thank you. It is stored.")
    assert violations(page) == []
    form.get_by_role("combobox").select_option("other_breed")
    form.get_by_role("button", name="Send", exact=True).click()
    expect(form.locator(".notice.good")).to_have_text("Thank you. It replaces what you said before.")


def test_a_doubt_is_a_case_that_its_sender_can_follow(open_page: OpenPage) -> None:
    page = open_page("/console/breed").page
    page.get_by_role("button", name="Try a sample").click()
    page.get_by_text("Is this wrong?").click()
    form = page.locator(".wrong")
    form.get_by_role("combobox").select_option("breed Egyptian_Mau")
    expect(form.get_by_role("checkbox")).to_have_count(0)  # this service keeps no photos
    form.get_by_role("button", name="Ask a person to decide").click()
    expect(form.locator(".notice.good")).to_contain_text("Your case number is")
    case = form.locator(".notice.good").inner_text().removesuffix(".").rpartition(" ")[2]
    form.get_by_role("link").click()
    expect(page.locator("h1")).to_have_text("Doubt an answer")
    expect(page.locator("main")).to_contain_text(case)
    expect(page.locator("main")).to_contain_text("The photo shows: Egyptian Mau.")
