"""The forecast page in Chromium, against a running service."""

import csv
import io
import json
import re
import subprocess
import urllib.request
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.integration.console.conftest import OpenPage, violations

pytestmark = pytest.mark.integration

PROMOTED = "/console/forecast?store=5&start=2015-08-01&days=14&history=4&promo=2015-08-03..2015-08-07"


def ask(address: str, path: str, body: Any) -> Any:
    request = urllib.request.Request(address + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)


def number(text: str) -> int:
    """Return the first number of a text as the page writes it."""
    found = re.search(r"[\d,]+", text)
    assert found, text
    return int(found[0].replace(",", ""))


def wait_for_forecast(page: Page) -> None:
    expect(page.locator(".figure.main b")).not_to_have_text("–")
    expect(page.locator(".chart-card")).to_have_attribute("aria-busy", "false")


def test_the_first_page_forecasts_the_first_store(open_page: OpenPage, console_service: str) -> None:
    page = open_page("/").page
    wait_for_forecast(page)
    assert page.url.endswith("/console/forecast")
    answer = ask(
        console_service, "/predictions/sales", {"store": 1, "start": "2015-08-01", "days": 42, "levels": [80, 90]}
    )
    main = page.locator(".figure.main").inner_text()
    assert number(page.locator(".figure.main b").inner_text()) == round(answer["total"]["sales"])
    low, high = (answer["total"]["intervals"][1][end] for end in ("low", "high"))
    assert f"{low:,.0f} to {high:,.0f}" in main
    assert page.locator(".line.forecast").count() == page.locator(".line.past").count() == 1
    assert page.locator(".band").count() == 2
    assert page.locator(".point.forecast").count() == sum(item["sales"] > 0 for item in answer["items"])


def test_a_changed_plan_is_a_second_line_with_its_difference(open_page: OpenPage, console_service: str) -> None:
    watched = open_page("/console/forecast?store=5&start=2015-08-01&days=14")
    page = watched.page
    wait_for_forecast(page)
    assert page.locator(".line.changed").get_attribute("d") == ""
    page.get_by_label("Mon 3 Aug: no promotion").click()
    page.get_by_label("Tue 4 Aug: no promotion").click()
    expect(page.locator(".figure.changed b")).not_to_have_text("–")
    expect(page).to_have_url(re.compile(r"promo=2015-08-03\.\.2015-08-04$"))
    changes = [None, None, True, True, *[None] * 10]
    body = {"store": 5, "start": "2015-08-01", "days": 14, "what_if": {"promo": changes}}
    answer = ask(console_service, "/predictions/sales", body)["total"]["what_if"]
    expect(page.locator(".figure.changed b")).to_have_text(f"{answer['sales']:,.0f}")
    expect(page.locator(".figure.changed span")).to_contain_text(f"+{answer['difference']:,.0f}")
    assert page.locator(".line.changed").get_attribute("d") != ""
    page.get_by_role("button", name="Undo all changes").click()
    expect(page.locator(".figure.muted b")).to_have_text("–")
    expect(page).not_to_have_url(re.compile("promo="))
    page.get_by_label("Mon 3 Aug: open").click()
    expect(page.locator(".figure.changed span")).to_contain_text("−")  # a closed day sells nothing


def test_a_click_on_a_day_explains_it_under_the_changed_plan(open_page: OpenPage, console_service: str) -> None:
    page = open_page(PROMOTED).page
    wait_for_forecast(page)
    box = page.locator(".plot-cursor").bounding_box()
    assert box
    day = 28 + 6  # Friday 2015-08-07
    left, width = 56, box["width"] - 16 - 56
    page.mouse.click(box["x"] + left + (day + 0.5) / 42 * width, box["y"] + 100)
    expect(page.locator("#explained-title")).to_have_text("Why Friday, 7 August 2015?")
    expect(page.locator(".waterfall tbody tr")).to_have_count(10)
    items = [{"store": 5, "date": f"2015-08-{date:02}", "promo": True} for date in (7, 3, 4, 5, 6)]
    explained = ask(console_service, "/explanations/sales", {"items": items})["items"][0]
    rows = page.locator(".waterfall tbody tr")
    assert number(rows.first.locator("td").last.inner_text()) == round(explained["baseline"]["sales"])
    assert number(rows.last.locator("td").last.inner_text()) == pytest.approx(explained["sales"], abs=1)
    assert page.locator(".waterfall tbody th").all_inner_texts()[1:-1] == [
        {
            "history": "Past sales of the store", "date": "Weekday and season", "promotion": "Promotion",
            "holidays": "Holidays", "opening": "Closed days nearby", "weather": "Weather",
            "competition": "Competitors", "store": "Kind of store, place",
        }[group["group"]]
        for group in explained["groups"]
    ]  # fmt: skip
    assert "explain=2015-08-07" in page.url
    assert violations(page) == []


def test_a_view_that_is_sent_shows_the_same(open_page: OpenPage) -> None:
    first = open_page(PROMOTED).page
    wait_for_forecast(first)
    first.get_by_label("Explain Fri 7 Aug").click()
    expect(first.locator(".waterfall")).to_be_visible()
    first.get_by_role("button", name="Copy the link").click()
    link = first.evaluate("navigator.clipboard.readText()")
    assert link == first.url
    second = open_page(link.removeprefix(re.match(r"http://[^/]+", link)[0])).page  # type: ignore[index]
    expect(second.locator(".waterfall")).to_be_visible()
    for place in (".figures", ".waterfall", "section:has(#notes-title)"):
        assert second.locator(place).first.inner_text() == first.locator(place).first.inner_text()
    first.go_back()
    expect(first.locator(".waterfall")).to_have_count(0)


def test_the_calls_and_the_file_give_the_forecast_of_the_page(open_page: OpenPage, console_service: str) -> None:
    page = open_page(PROMOTED).page
    wait_for_forecast(page)
    total = number(page.locator(".figure.changed b").inner_text())
    for details in page.locator("details").all():
        details.locator("summary").click()
    command, program = (code.inner_text() for code in page.locator(".code pre").all())
    answer = json.loads(subprocess.run(["sh", "-c", command], capture_output=True, check=True).stdout)
    assert round(answer["total"]["what_if"]["sales"]) == total
    namespace: dict[str, Any] = {}
    exec(compile(program.replace("print(", "(lambda *_: None)("), "call", "exec"), namespace)
    assert round(namespace["days"].total.what_if.sales) == total
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    assert download.value.suggested_filename == "forecast-5-2015-08-01-14d.csv"
    rows = list(csv.DictReader(io.StringIO(download.value.path().read_text())))
    assert [float(row["sales_what_if"]) for row in rows] == [item["what_if"]["sales"] for item in answer["items"]]
    assert [row["promo"] for row in rows[2:7]] == ["false"] * 5


def test_warnings_and_assumptions_are_words(open_page: OpenPage) -> None:
    page = open_page("/console/forecast?store=1&start=2015-09-10&days=21").page
    wait_for_forecast(page)
    notes = page.locator("section:has(#notes-title)").inner_text()
    assert "later than the model was made for" in notes
    assert "whether the store is open" in notes
    assert "beyond_horizon" not in notes


def test_wrong_addresses_say_what_is_wrong(open_page: OpenPage) -> None:
    watched = open_page("/console/forecast?store=%3Cimg%20src=x%20onerror=alert(1)%3E&days=-3&start=nonsense")
    watched.expected = ["404"]
    alert = watched.page.get_by_role("alert")
    expect(alert).to_contain_text("does not know the store")
    expect(alert).to_contain_text("<img src=x onerror=alert(1)>")
    watched.page.get_by_role("combobox", name="Store").select_option("3")
    wait_for_forecast(watched.page)
    expect(alert).to_have_count(0)


def test_everything_works_by_keys_alone(open_page: OpenPage) -> None:
    page = open_page("/console/forecast?store=5&start=2015-08-01&days=14&history=4").page
    wait_for_forecast(page)
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    cursor = page.get_by_role("slider", name="Day of the chart")
    for _ in range(15):
        page.keyboard.press("Tab")
        if cursor.evaluate("element => element === document.activeElement"):
            break
    expect(cursor).to_be_focused()
    expect(cursor).to_have_attribute("aria-valuetext", re.compile("^Sat 1 Aug, forecast "))
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(cursor).to_have_attribute("aria-valuetext", re.compile("^Mon 3 Aug, forecast "))
    page.keyboard.press("Enter")
    expect(page.locator("#explained-title")).to_have_text("Why Monday, 3 August 2015?")
    page.keyboard.press("Tab")  # to the plan; "Undo" is off without changes
    focused = "document.activeElement.getAttribute('aria-label')"
    for key, label in (
        ("ArrowRight", "Sun 2 Aug: no promotion"),
        ("ArrowRight", "Mon 3 Aug: no promotion"),
        ("ArrowDown", "Mon 3 Aug: open"),
        ("ArrowUp", "Mon 3 Aug: no promotion"),
    ):
        page.keyboard.press(key)
        assert page.evaluate(focused) == label
    page.keyboard.press("Space")
    assert page.evaluate(focused) == "Mon 3 Aug: promotion, changed"
    expect(page.locator(".figure.changed b")).not_to_have_text("–")
    expect(page.locator("#live")).to_contain_text("With your changes")


def test_the_table_has_all_values(open_page: OpenPage) -> None:
    page = open_page(PROMOTED).page
    wait_for_forecast(page)
    button = page.get_by_role("button", name="Show as a table")
    button.click()
    assert page.locator("#day-table tbody tr").count() == 14
    assert violations(page) == []
    assert page.get_by_role("button", name="Hide the table").get_attribute("aria-expanded") == "true"
