"""Addresses of appeals: for senders without a key, and for reviewers."""

import pytest
from starlette.testclient import TestClient

from console.settings import Settings
from console.storage import Database
from runtime.receipts import sign
from schemas.feedback.claims import PetsClaims
from tests.console.contents import contents
from tests.console.review.cases import KEY, claims, fresh, keep_photo
from tests.console.review.conftest import Connect
from tests.console.review.test_api import kind, waits_for

CLAIM = "<img src=x onerror=alert(1)> It is a Savannah, '; DROP TABLE appeals; --"


def receipt(found: PetsClaims, key: bytes = KEY) -> str:
    return sign(found.to_sign(), key)


def file(client: TestClient, found: PetsClaims) -> tuple[str, dict[str, str]]:
    """File an appeal; return its address, and the header with its token."""
    response = client.post("/appeals", json={"receipt": receipt(found), "claim": CLAIM})
    assert response.status_code == 201, response.text
    return f"/appeals/{response.json()['case']}", {"x-appeal-token": response.json()["token"]}


def test_an_appeal_without_a_key_is_decided_by_a_reviewer(connect: Connect, settings: Settings) -> None:
    found = fresh(None, retain="appeal")
    keep_photo(settings.data, found)
    anyone, ann = connect(), connect("ann", "review")
    address, token = file(anyone, found)
    seen = anyone.get(address, headers=token).json()
    assert (seen["state"], seen["claim"], seen["prediction"]["breed"]) == ("open", CLAIM, "Bengal")
    (listed,) = ann.get("/appeals").json()["appeals"]
    assert (f"/appeals/{listed['case']}", listed["may_decide"], listed["overdue"]) == (address, True, False)
    assert ann.post(address, json={"action": "assign"}).json()["assigned_to"] == "ann"
    decision = {"action": "decide", "decision": "changed", "breed": "siamese", "reason": "Blue eyes & points."}
    assert ann.post(address, json=decision).json()["state"] == "changed"
    seen = anyone.get(address, headers=token).json()
    assert (seen["state"], seen["decided_breed"], seen["reason"]) == ("changed", "Siamese", "Blue eyes & points.")
    assert [step["who"] for step in seen["steps"]] == ["sender", "reviewer", "reviewer"]


def test_the_photo_is_for_the_reviewer_who_has_the_appeal(connect: Connect, settings: Settings) -> None:
    found = fresh(retain="review")
    kept = keep_photo(settings.data, found).read_bytes()
    ann, bob = connect("ann", "review"), connect("bob", "review")
    waits_for(ann, 1)
    address, token = file(connect(), found)
    assert ann.post(address, json={"action": "assign"}).json()["photo"] == f"{address}/photo"
    assert kept.endswith(ann.get(f"{address}/photo").content)
    assert kind(bob.get(f"{address}/photo")) == "not-found"
    assert kind(connect().get(f"{address}/photo", headers=token)) == "unauthorized"


def test_an_answer_without_a_photo_can_be_doubted_too(connect: Connect) -> None:
    ann = connect("ann", "review")
    address, _ = file(connect(), fresh(None, retain="none"))
    assert ann.post(address, json={"action": "assign"}).json()["photo"] is None
    assert "no photo is kept" in ann.get(f"{address}/photo").json()["detail"]
    decision = {"action": "decide", "decision": "declined", "reason": "Please send the photo again."}
    assert ann.post(address, json=decision).json()["state"] == "declined"


@pytest.mark.parametrize("token", ["", "0" * 64, "f" * 63, "é", " "])
def test_a_wrong_token_looks_like_a_wrong_number(connect: Connect, token: str) -> None:
    anyone = connect()
    address, _ = file(anyone, fresh())
    headers = {"x-appeal-token": token.encode()}
    theirs, none = (anyone.get(path, headers=headers) for path in (address, "/appeals/a-0000-0000"))
    assert (kind(theirs), theirs.text) == ("not-found", none.text)
    assert kind(anyone.post(address, json={"action": "withdraw"}, headers=headers)) == "not-found"


def test_the_token_of_one_appeal_opens_no_other(connect: Connect) -> None:
    anyone = connect()
    first, token = file(anyone, fresh())
    second, _ = file(anyone, fresh())
    assert anyone.get(first, headers=token).status_code == 200
    assert kind(anyone.get(second, headers=token)) == "not-found"


def test_a_sender_may_do_nothing_but_withdraw(connect: Connect) -> None:
    anyone = connect()
    address, token = file(anyone, fresh())
    decision = {"action": "decide", "decision": "changed", "reason": "I say so."}
    for step in ({"action": "assign"}, {"action": "release"}, decision):
        assert kind(anyone.post(address, json=step, headers=token)) == "unauthorized"
        assert kind(connect("shop", "predict").post(address, json=step, headers=token)) == "forbidden"
    assert anyone.post(address, json={"action": "withdraw"}, headers=token).json()["state"] == "withdrawn"
    assert kind(connect("ann", "review").post(address, json={"action": "assign"})) == "conflict"


def test_a_reviewer_who_sent_the_appeal_does_not_decide_it_with_the_token_either(connect: Connect) -> None:
    ann = connect("ann", "review")
    address, token = file(ann, fresh())
    assert kind(ann.post(address, json={"action": "assign"})) == "forbidden"
    assert kind(ann.post(address, json={"action": "assign"}, headers=token)) == "forbidden"


def test_the_list_is_for_reviewers(connect: Connect) -> None:
    assert kind(connect().get("/appeals")) == "unauthorized"
    assert kind(connect("shop", "predict").get("/appeals")) == "forbidden"


def altered(text: str) -> str:
    body, _, signature = text.partition(".")
    return f"{body[:-1]}{'A' if body[-1] != 'A' else 'B'}.{signature}"


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (receipt(claims(), KEY[::-1]), "invalid-receipt"),
        (altered(receipt(claims())), "invalid-receipt"),
        (sign({"id": "receipt-1", "time": 1, "model": "sales", "version": "1"}, KEY), "invalid-receipt"),
        (receipt(claims(time=1_500_000_000)), "expired-receipt"),
        ("<script>", "invalid-receipt"),
        ("", "invalid-request"),
        ("x" * 4_001, "invalid-request"),
    ],
)
def test_a_wrong_receipt_files_nothing(connect: Connect, shared: Database, sent: str, expected: str) -> None:
    response = connect().post("/appeals", json={"receipt": sent, "claim": CLAIM})
    assert kind(response) == expected
    with shared.reading() as connection:
        assert connection.execute("SELECT * FROM appeals").fetchall() == []


def test_the_same_appeal_again_gets_the_same_number_and_token(connect: Connect) -> None:
    body = {"receipt": receipt(fresh()), "claim": CLAIM}
    first, again = (connect().post("/appeals", json=body) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 200)
    assert (first.json()["case"], first.json()["token"]) == (again.json()["case"], again.json()["token"])
    assert kind(connect().post("/appeals", json=body | {"claim": "Another."})) == "conflict"


def test_the_database_has_no_token(connect: Connect, shared: Database) -> None:
    address, token = file(connect(), fresh())
    stored = contents(shared)
    assert address.rpartition("/")[2] in stored
    assert token["x-appeal-token"] not in stored
