"""Feedback that is stored: what exactly, for how long, who may export and delete it."""

import csv
import io
from typing import Any

import pytest

from sales.forecaster import Forecaster
from tests.console.contents import contents
from tests.console.feedback.conftest import Console, Send, photo_receipt, receipt_of

ADMIN, REVIEW = {"x-shopcat-roles": "predict,review,label,admin"}, {"x-shopcat-roles": "review"}


def test_nothing_is_stored_that_nobody_sent(demo: Forecaster, key: bytes, send: Send, console: Any) -> None:
    """A receipt of 14 forecasts comes back with one value: the other 13 forecasts are not stored."""
    receipt, answer = receipt_of(demo, key)
    send("sales", {"receipt": receipt, "item": 4, "sales": 5000})
    send("sales", {"receipt": "forged", "sales": 1}, status=400)
    database = console.app.state.database
    with database.reading() as connection:
        rows = connection.execute("SELECT date, forecast, sales, client FROM feedback_sales").fetchall()
    assert [(*row.values(),) for row in rows] == [("2015-08-07", answer["items"][4]["sales"], 5000, "shop")]
    stored = contents(database)
    assert receipt not in stored
    assert "forged" not in stored
    others = [item["sales"] for item in answer["items"] if item["sales"] and item is not answer["items"][4]]
    assert not any(str(sales) in stored for sales in others)


def test_export_is_a_table_of_what_was_learnt(demo: Forecaster, key: bytes, send: Send, console: Console) -> None:
    receipt, answer = receipt_of(demo, key)
    send("sales", {"receipt": receipt, "item": 1, "sales": 5000}, {"store": 4, "date": "2015-08-05", "sales": 1})
    exported = console.get("/feedback/export?model=sales", headers=REVIEW)
    assert exported.headers["content-type"] == "text/csv; charset=utf-8"
    assert "attachment" in exported.headers["content-disposition"]
    rows = [*csv.DictReader(io.StringIO(exported.text))]
    assert sorted((row["store"], row["date"], row["source"]) for row in rows) == [
        ("3", "2015-08-04", "receipt"),
        ("4", "2015-08-05", "recomputed"),
    ]
    (served,) = [row for row in rows if row["source"] == "receipt"]
    assert (float(served["forecast"]), float(served["sales"])) == (answer["items"][1]["sales"], 5000)


def test_an_export_has_a_range_of_days(key: bytes, send: Send, console: Console) -> None:
    send("pets", {"receipt": photo_receipt(key), "breed": "Bengal"})

    def n_rows(query: str) -> int:
        exported = console.get(f"/feedback/export?model=pets{query}", headers=REVIEW)
        assert exported.status_code == 200
        return len(exported.text.splitlines()) - 1

    assert [n_rows(query) for query in ("", "&from=2020-01-01", "&to=2020-01-01", "&from=9000-01-01")] == [1, 1, 0, 0]
    assert n_rows("&from=0001-01-01&to=9999-12-31") == 1
    assert console.get("/feedback/export?model=pets&from=today", headers=REVIEW).status_code == 422
    assert console.get("/feedback/export", headers=REVIEW).status_code == 404


def test_no_cell_of_an_export_is_a_formula(key: bytes, send: Send, console: Console) -> None:
    send("pets", {"receipt": photo_receipt(key), "breed": "Bengal", "note": '=HYPERLINK("http://x")'})
    (row,) = csv.DictReader(io.StringIO(console.get("/feedback/export?model=pets", headers=REVIEW).text))
    assert row["note"] == '\'=HYPERLINK("http://x")'


@pytest.mark.parametrize("note", ["a;=1+1", "a;-1", "a\n=1+1", "a;\t@x", "\uff1d1+1", "a,=1+1", " =1+1"])
def test_no_part_of_a_cell_is_a_formula(key: bytes, send: Send, console: Console, note: str) -> None:
    """A spreadsheet that splits lines at semicolons, or ignores quotes, makes cells of the parts."""
    send("pets", {"receipt": photo_receipt(key), "breed": "Bengal", "note": note})
    text = console.get("/feedback/export?model=pets", headers=REVIEW).text
    for delimiter in ",;\t":
        cells = [cell.strip() for row in csv.reader(io.StringIO(text), delimiter=delimiter) for cell in row]
        assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\uff1d"))]
    assert note.strip() in text.replace("'", "")


def test_a_value_that_a_request_sends_twice_is_replaced_once(send: Send, console: Any) -> None:
    value = {"store": 4, "date": "2015-08-05"}
    results = send("sales", *(value | {"sales": sales} for sales in (1, 2, 2)))["results"]
    assert [(result["outcome"], result["revision"]) for result in results] == [
        ("counted", 1),
        ("replaced", 2),
        ("unchanged", 2),
    ]
    with console.app.state.database.reading() as connection:
        (row,) = connection.execute("SELECT sales, revision FROM feedback_sales").fetchall()
        (earlier,) = connection.execute("SELECT value, revision FROM feedback_revisions").fetchall()
    assert (row, earlier) == ({"sales": 2, "revision": 2}, {"value": "1.0", "revision": 1})


def test_an_export_needs_the_role_review(console: Console) -> None:
    assert console.get("/feedback/export?model=sales").status_code == 403


def test_a_replaced_value_of_another_client_stays(send: Send, console: Console) -> None:
    """Otherwise a client could delete what another sent: it would replace the value first."""
    value = {"store": 4, "date": "2015-08-05", "sales": 1}
    (result,) = send("sales", value)["results"]
    send("sales", value | {"sales": 9}, client="eve")
    for client in ("eve", "shop"):
        assert console.delete(f"/feedback/{result['id']}", headers={"x-shopcat-client": client}).status_code == 404
    assert console.delete(f"/feedback/{result['id']}", headers=ADMIN).status_code == 204


def test_a_client_deletes_its_own_values(demo: Forecaster, key: bytes, send: Send, console: Any) -> None:
    receipt, _ = receipt_of(demo, key)
    (first, second) = send("sales", {"receipt": receipt, "sales": [1, 2, *[None] * 12]})["results"]
    send("sales", {"receipt": receipt, "item": 0, "sales": 9})
    assert console.delete(f"/feedback/{first['id']}", headers={"x-shopcat-client": "other"}).status_code == 404
    assert console.delete(f"/feedback/{first['id']}").status_code == 204
    assert console.delete(f"/feedback/{first['id']}").status_code == 404
    with console.app.state.database.reading() as connection:
        assert [row["id"] for row in connection.execute("SELECT id FROM feedback_sales")] == [second["id"]]
        assert connection.execute("SELECT * FROM feedback_revisions").fetchall() == []
        counts = connection.execute("SELECT SUM(number) AS number FROM feedback_counts").fetchone()
    assert counts["number"] == 3


def test_the_id_of_a_receipt_deletes_all_of_its_values(key: bytes, send: Send, console: Console) -> None:
    receipt = photo_receipt(key)
    send("pets", {"receipt": receipt, "breed": "Bengal"})
    (reviewed,) = send(
        "pets", {"receipt": receipt, "breed": "Bengal", "why": "reviewer"}, roles="review,predict", client="vet"
    )["results"]
    assert console.delete(f"/feedback/{reviewed['id']}", headers=ADMIN).status_code == 204
    assert len(console.get("/feedback/export?model=pets", headers=REVIEW).text.splitlines()) == 1


def test_no_id_deletes_everything(send: Send, console: Console) -> None:
    send("sales", {"store": 3, "date": "2015-08-04", "sales": 1})
    for name in ("%20", "''", "%25", "*", "sale"):
        assert console.delete(f"/feedback/{name}", headers=ADMIN).status_code == 404
    for name in ("sales", "pets", "export"):
        assert console.delete(f"/feedback/{name}", headers=ADMIN).status_code == 405
    assert len(console.get("/feedback/export?model=sales", headers=REVIEW).text.splitlines()) == 2
