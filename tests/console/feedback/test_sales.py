"""``POST /feedback/sales``: by receipt or by store and date, once each, with forged receipts refused."""

from typing import Any

import pytest

from runtime.receipts import sign
from sales.forecaster import Forecaster
from tests.console.feedback.conftest import RANGE, Console, Send, long_ago, photo_receipt, receipt_of

TUESDAY = {"store": 3, "date": "2015-08-04"}


def kind(problem: dict[str, Any]) -> str:
    return str(problem["type"]).rpartition(":")[2]


def test_true_sales_are_compared_with_the_served_forecast(demo: Forecaster, key: bytes, send: Send) -> None:
    receipt, answer = receipt_of(demo, key)
    content = send("sales", {"receipt": receipt, "item": 1, "sales": 5000})
    (result,) = content.pop("results")
    assert content == {"counted": 1, "replaced": 0, "unchanged": 0, "rejected": 0}
    assert (result["outcome"], result["revision"], result["source"]) == ("counted", 1, "receipt")
    assert (result["store"], result["date"], result["item"]) == (3, "2015-08-04", 1)
    assert (result["forecast"], result["sales"]) == (answer["items"][1]["sales"], 5000)


def test_one_receipt_takes_the_sales_of_all_items(demo: Forecaster, key: bytes, send: Send) -> None:
    receipt, _ = receipt_of(demo, key)
    sales = [None, 5000, *[6000] * 12]
    content = send("sales", {"receipt": receipt, "sales": sales})
    assert content["counted"] == 13
    assert [result["item"] for result in content["results"]] == [*range(1, 14)]
    assert len({result["id"] for result in content["results"]}) == 13


def test_a_value_counts_once_and_a_later_one_replaces_it(
    demo: Forecaster, key: bytes, send: Send, console: Any
) -> None:
    receipt, _ = receipt_of(demo, key)

    def outcome(sales: float) -> tuple[str, int]:
        (result,) = send("sales", {"receipt": receipt, "item": 2, "sales": sales})["results"]
        return result["outcome"], result["revision"]

    assert [outcome(sales) for sales in (5000, 5000, 5100, 5100, 5000)] == [
        ("counted", 1), ("unchanged", 1), ("replaced", 2), ("unchanged", 2), ("replaced", 3)
    ]  # fmt: skip
    with console.app.state.database.reading() as connection:
        rows = connection.execute("SELECT revision, value FROM feedback_revisions ORDER BY revision").fetchall()
        numbers = connection.execute("SELECT outcome, number FROM feedback_counts ORDER BY outcome").fetchall()
    assert [(row["revision"], float(row["value"])) for row in rows] == [(1, 5000), (2, 5100)]
    assert [(row["outcome"], row["number"]) for row in numbers] == [("counted", 1), ("replaced", 2), ("unchanged", 2)]


def test_a_value_that_a_request_has_twice_counts_once(demo: Forecaster, key: bytes, send: Send) -> None:
    receipt, _ = receipt_of(demo, key)
    entry = {"receipt": receipt, "item": 0, "sales": 10}
    content = send("sales", entry, entry, {**entry, "sales": 11})
    assert [result["outcome"] for result in content["results"]] == ["counted", "unchanged", "replaced"]


@pytest.mark.parametrize("change", ["altered", "cut", "forged", "photo", "nothing"])
def test_a_receipt_of_another_making_is_refused(demo: Forecaster, key: bytes, send: Send, change: str) -> None:
    receipt, _ = receipt_of(demo, key)
    refused = {
        "altered": receipt[:20] + ("A" if receipt[20] != "A" else "B") + receipt[21:],
        "cut": receipt[:-1],
        "forged": receipt_of(demo, bytes(32))[0],
        "photo": photo_receipt(key),
        "nothing": "nothing",
    }[change]
    problem = send("sales", {"receipt": refused, "sales": 1}, status=400)
    assert kind(problem) == "invalid-receipt"


def test_a_receipt_of_another_model_names_its_address(demo: Forecaster, key: bytes, send: Send) -> None:
    receipt, _ = receipt_of(demo, key, model="europe")
    assert "send it to /feedback/europe" in send("sales", {"receipt": receipt, "sales": 1}, status=400)["detail"]


def test_signed_claims_of_another_version_are_refused(key: bytes, send: Send) -> None:
    receipt = sign({"model": "sales", "id": "x"}, key)
    assert "another version" in send("sales", {"receipt": receipt, "sales": 1}, status=400)["detail"]


def test_an_old_receipt_is_refused(demo: Forecaster, key: bytes, send: Send) -> None:
    receipt, _ = receipt_of(demo, key, time=long_ago())
    assert kind(send("sales", {"receipt": receipt, "sales": 1}, status=410)) == "expired-receipt"


def test_a_wrong_value_affects_no_other(demo: Forecaster, key: bytes, send: Send) -> None:
    receipt, _ = receipt_of(demo, key, {"items": [TUESDAY, {"store": 999, "date": "2015-08-04"}]})
    content = send(
        "sales",
        {"receipt": receipt, "sales": 5000},
        {"receipt": receipt, "item": 1, "sales": 5000},
        {"receipt": receipt, "item": 2, "sales": 5000},
        {"receipt": receipt, "sales": [1, 2, 3]},
        {"receipt": receipt, "sales": -1},
        {"receipt": "x", "sales": 1},
        {"store": 999, "date": "2015-08-04", "sales": 1},
        {"store": 3, "date": "2015-07-31", "sales": 1},
        {"store": 3, "date": "2035-07-31", "sales": 1},
        {"sales": 1},
        7,
        {"store": 3, "date": "2015-08-05", "sales": 5000},
    )
    assert (content["counted"], content["rejected"]) == (2, 11 - 1)
    details = [result["problem"]["detail"] for result in content["results"] if "problem" in result]
    expected = [
        "item 1 of the answer has no forecast; it was rejected itself",
        "item 2 of the answer has no forecast; the answer had 2 items",
        "the list has 3 values, and the answer had 2 items",
        "/items/4/sales",
        "the receipt was altered, or was not signed by this service",
        "store 999 is not known to the model",
        "the model was trained on the sales until 2015-07-31",
        "the model's calendar does not reach 2035-07-31",
        "/items/9/receipt: required, but missing",
        "/items/10: must be a JSON object",
    ]
    assert len(details) == len(expected)
    for detail, part in zip(details, expected, strict=True):
        assert part in detail


def test_a_day_without_receipt_is_forecast_again_and_counted_apart(demo: Forecaster, send: Send) -> None:
    entry = {**TUESDAY, "sales": 5000}
    (result,) = send("sales", entry)["results"]
    assert (result["source"], result["item"], result["outcome"]) == ("recomputed", None, "counted")
    assert result["forecast"] == receipt_of(demo, bytes(32), TUESDAY)[1]["sales"]
    (again,) = send("sales", {**entry, "store": "3", "sales": 5001})["results"]
    assert (again["id"], again["outcome"]) == (result["id"], "replaced")


def test_a_table_may_have_the_sales(demo: Forecaster, key: bytes, console: Console) -> None:
    receipt, _ = receipt_of(demo, key)
    rows = ["Store;Date;Sales;Receipt;Item", "3;2015-08-04;5000;;", "", f";;6000;{receipt};3", "3;yesterday;1;;"]
    table = "\n".join([*rows, "3;2015-08-05;many;;", ""])
    answer = console.post("/feedback/sales", content=table.encode("utf-8-sig"), headers={"content-type": "text/csv"})
    content = answer.json()
    assert [result.get("source") for result in content["results"]] == ["recomputed", "receipt", None, None]
    details = [result["problem"]["detail"] for result in content["results"][2:]]
    assert "/items/2/date" in details[0]
    assert "'yesterday'" in details[0]
    assert "/items/3/sales: must be a number" in details[1]


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"", "application/json", 400),
        (b"[]", "application/json", 400),
        (b'{"items": []}', "application/json", 422),
        (b'{"items": {}}', "application/json", 400),
        (b'{"items": [1], "more": 1}', "application/json", 400),
        (b"", "text/csv", 400),
        (b"\xff", "text/csv", 400),
        (b"store,date,sales\n", "text/csv", 422),
        (b'a,"b\n', "text/csv", 400),
        (b"store,date,sales\n3,2015-08-04," + b"[" * 20_000, "text/csv", 422),
        (b"[" * 200_000, "application/json", 413),
    ],
)
def test_other_bodies_are_refused(console: Console, body: bytes, content_type: str, status: int) -> None:
    answer = console.post("/feedback/sales", content=body, headers={"content-type": content_type})
    assert (answer.status_code, answer.json()["status"]) == (status, status)


def test_only_served_models_take_feedback(send: Send) -> None:
    problem = send("weather", {"receipt": "x", "sales": 1}, status=404)
    assert "these do: sales, pets" in problem["detail"]


def test_feedback_needs_a_key_with_a_role(console: Console, send: Send) -> None:
    send("sales", {**TUESDAY, "sales": 1}, status=403, roles="label")
    del console.headers["x-shopcat-client"]
    assert console.post("/feedback/sales", json={"items": [RANGE]}).status_code == 401


def test_a_service_without_a_receipt_key_takes_stores_and_dates(
    demo: Forecaster, key: bytes, send: Send, console: Any
) -> None:
    receipt, _ = receipt_of(demo, key)
    console.app.state.settings = console.app.state.settings.model_copy(update={"receipt_key": None})
    assert "has no receipt key" in send("sales", {"receipt": receipt, "sales": 1}, status=400)["detail"]
    assert send("sales", {**TUESDAY, "sales": 1})["counted"] == 1
