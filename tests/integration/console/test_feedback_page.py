"""The page about true values in Chromium: from a receipt to a figure, an upload with rejected rows, and its metric."""

import json
import random
import re
import urllib.request
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.integration.console.conftest import OpenPage, violations

pytestmark = pytest.mark.integration


def post(address: str, path: str, body: Any) -> Any:
    request = urllib.request.Request(address + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)


def test_a_true_value_that_comes_back_is_a_figure_with_its_range(open_page: OpenPage, console_service: str) -> None:
    page = open_page("/console/feedback").page
    expect(page.get_by_text("No true value has come back yet.")).to_have_count(2)
    rng = random.Random(1)
    for store in range(1, 6):
        answer = post(
            console_service, "/predictions/sales", {"store": store, "start": "2015-08-03", "days": 14, "receipt": True}
        )
        sales = [item["sales"] * rng.lognormvariate(0, 0.1) for item in answer["items"]]
        sent = post(console_service, "/feedback/sales", {"items": [{"receipt": answer["receipt"], "sales": sales}]})
        assert sent["counted"] == 14
    with urllib.request.urlopen(f"{console_service}/feedback/sales", timeout=60) as response:
        found = json.load(response)["figures"][0]["wape"]
    page.reload()
    row = page.locator("table.measures tbody tr").first
    expect(row).to_contain_text(f"{100 * found['point']:.1f} %")
    expect(row).to_contain_text(f"{100 * found['low']:.1f} % to {100 * found['high']:.1f} %")
    expect(row).to_contain_text("its card says 8.4 %")
    page.locator("summary", has_text="By week after the last known sales").click()
    expect(page.get_by_role("rowheader", name="Week 2")).to_be_visible()
    assert violations(page) == []


def test_a_table_is_taken_and_rejected_rows_have_their_reasons(open_page: OpenPage) -> None:
    page = open_page("/console/feedback", width=390).page
    upload = page.locator("shopcat-upload").first
    upload.get_by_text("Send true values as a table").click()
    table = "store,date,sales\n6,2015-08-04,5000\n6,2015-07-01,5000\n777,2015-08-04,<b>1</b>\n"
    file = {"name": "sales.csv", "mimeType": "text/csv", "buffer": table.encode()}
    upload.get_by_label(re.compile("A CSV file")).set_input_files(file)  # type: ignore[arg-type]
    upload.get_by_role("button", name="Send").click()
    expect(upload.get_by_text("1 value counted, 2 rows rejected.")).to_be_visible()
    expect(upload.get_by_role("row", name=re.compile("^2 .*trained on the sales until 2015-07-31"))).to_be_visible()
    expect(upload.get_by_role("row", name=re.compile("^3 .*must be a number"))).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert violations(page) == []


def test_the_period_is_in_the_address(open_page: OpenPage) -> None:
    page = open_page("/console/feedback?days=90", color_scheme="dark").page
    expect(page.get_by_label("True values of the last")).to_have_value("90")
    page.get_by_label("True values of the last").select_option("7")
    expect(page).to_have_url(re.compile(r"days=7$"))
    assert violations(page) == []
