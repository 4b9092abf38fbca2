"""All pages in Chromium: sign-in, accessibility in every scheme and width, weight and speed."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from serving.ports import HOST
from tests.integration.console.conftest import ROOT, OpenPage, service, violations

pytestmark = pytest.mark.integration

KEY = "k-9f3b1c7d5e2a4b6c8d0e"
READY = {  # a place that each page shows when it is complete
    "/console/forecast?store=5&promo=2015-08-03..2015-08-07&explain=2015-08-07": ".waterfall",
    "/console/breed": ".drop",
    "/console/about": ".model .text p, .model .text li",
    "/console/sign-in": "#key",
}
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "narrow": {"width": 390, "color_scheme": "light"},
    "narrow and dark": {"width": 320, "color_scheme": "dark"},
    "without motion": {"reduced_motion": "reduce"},
    "forced colours": {"forced_colors": "active"},
}


def show(page: Page, path: str) -> None:
    page.locator(READY[path]).first.wait_for()
    expect(page.locator("[aria-busy=true]")).to_have_count(0)


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("path", READY)
def test_no_page_violates_wcag_and_none_scrolls_sideways(open_page: OpenPage, path: str, look: str) -> None:
    page = open_page(path, **LOOKS[look]).page
    show(page, path)
    if path == "/console/breed":
        page.get_by_role("button", name="Try a sample").click()
        expect(page.locator(".verdict")).to_be_visible()
    for details in page.locator("details").all():
        details.locator("summary").first.click()
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.parametrize("path", READY)
def test_a_page_hardly_shifts_while_it_loads_on_a_slow_processor(open_page: OpenPage, path: str) -> None:
    watched = open_page("/console/nothing-yet")
    watched.expected = ["404"]
    session = watched.page.context.new_cdp_session(watched.page)
    session.send("Emulation.setCPUThrottlingRate", {"rate": 4})
    watched.page.goto(watched.host + path)
    show(watched.page, path)
    assert watched.seen("shift") < 0.05


def test_links_change_the_page_and_its_title_and_the_back_button_returns(open_page: OpenPage) -> None:
    page = open_page("/console/forecast").page
    expect(page).to_have_title("Sales forecast – Shopcat")
    page.get_by_role("link", name="Breed", exact=True).click()
    expect(page).to_have_title("Pet breed – Shopcat")
    expect(page.locator("#main")).to_be_focused()
    expect(page.get_by_role("link", name="Breed", exact=True)).to_have_attribute("aria-current", "page")
    page.go_back()
    expect(page.locator("h1")).to_have_text("Sales forecast")


def test_the_about_page_has_versions_limits_health_and_who_is_missing(open_page: OpenPage) -> None:
    page = open_page("/console/about").page
    expect(page.locator(".state.good")).to_have_count(2)
    text = page.locator("main").inner_text()
    for words in ("Who is missing", "any mixed breed", "20 stores, sales up to 31 Jul 2015", "Not for", "37 breeds"):
        assert words in text
    for version in re.findall(r'"version": "([^"]+)"', (ROOT / "model_store/demo/bundle.json").read_text()):
        assert version in text
    page.get_by_text("Quantitative analyses").first.click()
    assert "RMSPE" in page.locator("main").inner_text()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a service that asks for keys."""
    folder = tmp_path_factory.mktemp("guarded")
    with service(folder, "--api-keys", write_keys(folder)) as address:
        yield address


def write_keys(folder: Path) -> str:
    """Write a file with one key, and return its path."""
    keys = folder / "keys"
    keys.write_text(f"anna: {KEY} roles=predict\n")
    keys.chmod(0o600)
    return str(keys)


def test_a_key_signs_in_leads_back_and_signs_out(open_page: OpenPage, guarded: str) -> None:
    watched = open_page("/console/forecast?store=3&days=7", host=guarded)
    watched.expected = ["401"]
    page = watched.page
    expect(page.locator("h1")).to_have_text("Sign in")
    assert page.url.endswith("/console/sign-in?next=%2Fconsole%2Fforecast%3Fstore%3D3%26days%3D7")
    page.get_by_label("Your key").fill("a-wrong-key-1234567890")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("does not know this key")
    assert violations(page) == []
    page.get_by_label("Your key").fill(KEY)
    page.get_by_label("Your key").press("Enter")
    expect(page.locator(".figure.main b")).to_have_text(re.compile(r"\d"))
    assert "store=3&days=7" in page.url
    expect(page.locator(".who")).to_contain_text("anna")
    (cookie,) = page.context.cookies()
    assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"]) == ("shopcat-key", True, "Strict")
    assert KEY not in page.evaluate("document.cookie + JSON.stringify({...localStorage, ...sessionStorage})")
    page.get_by_text("The same with curl").click()
    expect(page.locator(".code pre").first).to_contain_text('-H "x-api-key: $SHOPCAT_KEY"')
    page.get_by_role("button", name="Sign out").click()
    expect(page.locator("h1")).to_have_text("Sign in")
    assert page.context.cookies() == []


def test_an_answer_from_before_the_sign_in_does_not_ask_for_the_key_again(open_page: OpenPage, guarded: str) -> None:
    watched = open_page("/console/about", host=guarded)
    watched.expected = ["401"]
    page, late = watched.page, list[Route]()
    expect(page.get_by_label("Your key")).to_be_visible()
    page.route("**/console/session", lambda route: late.append(route), times=1)
    with page.expect_request("**/console/session"):
        page.evaluate("window.dispatchEvent(new Event('shopcat:unauthorized'))")  # a request met a 401
    unknown = page.context.request.get(f"{guarded}/console/session")
    page.get_by_label("Your key").fill(KEY)
    page.get_by_label("Your key").press("Enter")
    expect(page.locator(".who")).to_contain_text("anna")
    with page.expect_response("**/console/session"):
        late[0].fulfill(response=unknown)
    expect(page.locator(".model .text p, .model .text li").first).to_be_visible()
    page.get_by_role("link", name="Forecast").click()
    expect(page.locator(".figure.main b")).to_have_text(re.compile(r"\d"))
    assert page.url.startswith(f"{guarded}/console/forecast")


def test_over_tls_the_cookie_belongs_to_this_host_alone(
    open_page: OpenPage, tmp_path: Path, certificate: tuple[Path, Path]
) -> None:
    tls = ("--tls-cert", str(certificate[0]), "--tls-key", str(certificate[1]))
    with service(tmp_path, "--api-keys", write_keys(tmp_path), *tls) as address:
        watched = open_page("/console/forecast", host=address, ignore_https_errors=True)  # it signed itself
        watched.expected = ["401"]
        page = watched.page
        page.get_by_label("Your key").fill(KEY)
        page.get_by_label("Your key").press("Enter")
        expect(page.locator(".figure.main b")).to_have_text(re.compile(r"\d"))
        (cookie,) = page.context.cookies()
        assert (cookie["name"], cookie["secure"], cookie["path"]) == ("__Host-shopcat-key", True, "/")
        assert (cookie["httpOnly"], cookie["sameSite"], cookie["domain"]) == (True, "Strict", HOST)
        page.get_by_role("combobox", name="Length").select_option("7")  # a write, which needs the page's origin
        expect(page.locator(".lead")).to_contain_text("1 Aug 2015 to 7 Aug 2015")
        expect(page.locator("[aria-busy=true]")).to_have_count(0)
        page.get_by_role("button", name="Sign out").click()
        expect(page.locator("h1")).to_have_text("Sign in")
        assert page.context.cookies() == []


def test_the_sign_in_page_leads_to_no_other_host(open_page: OpenPage, guarded: str) -> None:
    for address in ("https://example.org/", "//example.org/console/", "javascript:alert(1)", "/\\example.org/console/"):
        watched = open_page(f"/console/sign-in?next={address}", host=guarded)
        watched.expected = ["401"]
        watched.page.get_by_label("Your key").fill(KEY)
        watched.page.get_by_label("Your key").press("Enter")
        expect(watched.page.locator(".who")).to_contain_text("anna")
        expect(watched.page.locator("h1")).to_have_text("Sales forecast")
        assert watched.page.url.startswith(f"{guarded}/console/")


def test_a_service_that_stops_is_told_in_words(browser: Browser, tmp_path: Path) -> None:
    with service(tmp_path) as address:
        page = browser.new_page()
        page.goto(f"{address}/console/forecast")
        expect(page.locator(".figure.main b")).to_have_text(re.compile(r"\d"))
    page.get_by_role("combobox", name="Length").select_option("7")
    expect(page.get_by_role("alert")).to_contain_text("can't be reached")
    page.close()
