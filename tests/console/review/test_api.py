"""Addresses of the review, as clients with different roles see them."""

import csv
import io
import time
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from console.settings import Settings
from console.storage import Database
from runtime.receipts import sign
from schemas.feedback.claims import PetsClaims
from tests.console.review.cases import KEY, claims, fresh, keep_photo, receive
from tests.console.review.conftest import Connect


def waits_for(client: TestClient, number: int) -> None:
    """Wait until the console has taken in some photos."""
    end = time.monotonic() + 60
    while client.get("/review").json()["waiting"] != number:
        assert time.monotonic() < end, "the photos were not taken in"
        time.sleep(0.05)


def kind(response: object) -> str:
    assert hasattr(response, "json")
    return str(response.json()["type"].rpartition(":")[2])


def test_a_photo_goes_from_the_worker_to_the_answer(connect: Connect, settings: Settings) -> None:
    found = fresh("random_check")
    kept = keep_photo(settings.data, found).read_bytes()
    ann = connect("ann", "review")
    waits_for(ann, 1)
    case = ann.post("/review", json={}).json()
    assert (case["id"], case["blind"], case["prediction"]) == (found.id, True, None)
    assert (case["propensity"], len(case["classes"])) == (0.02, 37)
    photo = ann.get(case["photo"])
    assert (photo.headers["content-type"], photo.headers["cache-control"]) == ("image/jpeg", "no-store")
    assert kept.endswith(photo.content)
    answered = ann.post(f"/review/{found.id}", json={"verdict": "breed", "breed": " maine coon"}).json()
    assert (answered["state"], answered["prediction"]["breed"]) == ("settled", "Bengal")
    assert [(given["who"], given["breed"], given["how"]) for given in answered["opinions"]] == [
        ("ann", "Maine_Coon", "blind")
    ]
    assert ann.post("/review", json={}).status_code == 204


def test_the_reason_of_a_skip_is_stored(connect: Connect, shared: Database) -> None:
    receive(shared, found := fresh())
    ann = connect("ann", "review")
    ann.post("/review", json={})
    answer = {"verdict": "skip", "reason": "private_content", "note": "a face"}
    assert ann.post(f"/review/{found.id}", json=answer).status_code == 204
    with shared.reading() as connection:
        assert connection.execute("SELECT detail FROM review_events WHERE action = 'skip'").fetchone() == {
            "detail": "private_content a face"
        }


@pytest.mark.parametrize("address", ["/review", "/review/export", "/review/receipt-1", "/review/receipt-1/photo"])
def test_reviews_need_the_role(connect: Connect, address: str) -> None:
    assert kind(connect().get(address)) == "unauthorized"
    for roles in ("predict", "label,predict"):
        assert kind(connect("shop", roles).get(address)) == "forbidden"
    assert kind(connect("shop", "predict").post("/review", json={})) == "forbidden"
    assert kind(connect("shop", "predict").post("/review/x", json={"verdict": "cant_tell"})) == "forbidden"


def test_a_look_changes_nothing(connect: Connect, shared: Database) -> None:
    receive(shared, fresh())
    ann = connect("ann", "review")
    for address in ("/review", "/review?reason=low_probability&waiting_for=first", "/review/export"):
        assert ann.get(address).status_code == 200
    with shared.reading() as connection:
        assert connection.execute("SELECT COUNT(*) AS n FROM review_events").fetchone() == {"n": 1}


def test_the_photo_of_another_person_looks_like_none(connect: Connect, shared: Database) -> None:
    receive(shared, found := fresh())
    connect("ann", "review").post("/review", json={})
    eve = connect("eve", "review")
    theirs = [eve.get(f"/review/{found.id}{part}").text for part in ("", "/photo")]
    none = [eve.get(f"/review/no-such-case{part}").text for part in ("", "/photo")]
    assert theirs == none
    answer = {"verdict": "breed", "breed": "Bengal"}
    assert kind(eve.post(f"/review/{found.id}", json=answer)) == "not-found"
    with shared.reading() as connection:
        assert connection.execute("SELECT * FROM review_answers").fetchall() == []


@pytest.mark.parametrize("case", ["..%2f..%2freceipt.key", "%2e%2e", "receipt.key", "a%00b", "%f0%28"])
def test_an_id_names_no_path(connect: Connect, case: str) -> None:
    assert kind(connect("ann", "review").get(f"/review/{case}/photo")) == "not-found"


@pytest.mark.parametrize(
    ("body", "content_type", "expected"),
    [
        (b'{"verdict": "cant_tell"}', "text/plain", "unsupported-media-type"),
        (b"verdict=cant_tell", "application/x-www-form-urlencoded", "unsupported-media-type"),
        (b"{", "application/json", "malformed-request"),
        (b"[]", "application/json", "malformed-request"),
        (b'{"verdict": "breed"}', "application/json", "invalid-request"),
        (b'{"verdict": "breed", "breed": "Bengali"}', "application/json", "unknown-class"),
        (b'{"verdict": "cant_tell", "who": "bob"}', "application/json", "invalid-request"),
        (b'{"note": "' + b"x" * 70_000 + b'"}', "application/json", "too-large"),
    ],
)
def test_a_wrong_body_is_a_problem(
    connect: Connect, shared: Database, body: bytes, content_type: str, expected: str
) -> None:
    receive(shared, found := fresh())
    ann = connect("ann", "review")
    ann.post("/review", json={})
    response = ann.post(f"/review/{found.id}", content=body, headers={"content-type": content_type})
    assert kind(response) == expected


def test_a_write_from_another_site_is_refused(connect: Connect) -> None:
    response = connect("ann", "review").post("/review", json={}, headers={"origin": "https://evil.example"})
    assert kind(response) == "forbidden"


def test_the_export_says_how_each_answer_came_about(connect: Connect, shared: Database) -> None:
    receive(shared, low := claims(), random := claims("random_check"))
    ann = connect("ann", "review")
    answers = {low.id: ("Siamese", '=HYPERLINK("http://evil")'), random.id: ("Bengal", "<b>sure</b>, really\n2")}
    for _ in answers:
        case_id = ann.post("/review", json={}).json()["id"]
        breed, note = answers[case_id]
        ann.post(f"/review/{case_id}", json={"verdict": "breed", "breed": breed, "note": note})
    response = ann.get("/review/export")
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    rows = {row["case"]: row for row in csv.DictReader(io.StringIO(response.text))}
    first, second = rows[low.id], rows[random.id]
    assert (first["how"], first["reason"], first["propensity"]) == ("prediction_shown", "low_probability", "1.0")
    assert (first["prediction"], first["breed"], first["right"]) == ("Bengal", "Siamese", "0")
    assert (second["how"], second["propensity"], second["right"]) == ("blind", "0.02", "1")
    assert first["note"] == '\'=HYPERLINK("http://evil")'
    assert second["note"] == "<b>sure</b>, really\n2"
    assert list(csv.DictReader(io.StringIO(ann.get("/review/export?to=2000-01-01").text))) == []
    assert len(ann.get("/review/export?from=0001-01-01&to=9999-12-31").text.splitlines()) > 1
    assert kind(ann.get("/review/export?from=yesterday")) == "invalid-request"


def receipt_of(found: PetsClaims) -> dict[str, str]:
    return {"x-receipt": sign(found.to_sign(), KEY)}


def test_a_sender_can_erase_everything_with_the_receipt(
    connect: Connect, settings: Settings, shared: Database, tmp_path: Path
) -> None:
    found, other = fresh(), fresh()
    for one in (found, other):
        keep_photo(settings.data, one)
    ann, shop = connect("ann", "review"), connect("shop", "predict")
    waits_for(ann, 2)
    case_id = ann.post("/review", json={}).json()["id"]
    assert case_id == found.id
    ann.post(f"/review/{found.id}", json={"verdict": "cant_tell"})
    assert kind(shop.delete(f"/review/{found.id}")) == "forbidden"
    assert kind(shop.delete(f"/review/{found.id}", headers=receipt_of(other))) == "invalid-receipt"
    assert kind(shop.delete(f"/review/{found.id}", headers={"x-receipt": "forged"})) == "invalid-receipt"
    assert shop.delete(f"/review/{found.id}", headers=receipt_of(found)).status_code == 204
    assert not (tmp_path / "review" / "photos" / f"{found.id}.jpg").exists()
    with shared.reading() as connection:
        assert connection.execute("SELECT state FROM review_cases WHERE id = ?", (found.id,)).fetchone() == {
            "state": "erased"
        }
    assert connect("root", "admin,review").delete(f"/review/{other.id}").status_code == 204
    assert kind(connect("root", "admin,review").delete("/review/nothing")) == "not-found"


def test_metrics_count_what_waits(connect: Connect, settings: Settings, shared: Database) -> None:
    keep_photo(settings.data, fresh("random_check"))
    receive(shared, fresh(), wants_second=True)
    ann = connect("ann", "review")
    waits_for(ann, 2)
    for who in ("ann", "bob"):
        client = connect(who, "review")
        case_id = client.post("/review", json={"reason": "low_probability"}).json()["id"]
        client.post(f"/review/{case_id}", json={"verdict": "breed", "breed": "Bengal"})
    text = ann.get("/metrics").text
    assert 'shopcat_review_queue{model="pets",reason="random_check"} 1.0' in text
    assert 'shopcat_reviewer_agreement{measure="share"} 1.0' in text
    assert 'measure="kappa"' not in text  # undefined: all answers are the same
    assert "shopcat_kept_photos 1.0" in text
    assert "shopcat_kept_photos_overdue 0.0" in text
    assert 'shopcat_appeals{state="open"} 0.0' in text
