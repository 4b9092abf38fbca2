"""console.review.truths: answers and decisions become true values with their source, and are erased with it."""

import pytest
from starlette.testclient import TestClient

from console.storage import Database, Row
from runtime.receipts import sign
from schemas.feedback.claims import PetsClaims
from tests.console.review.cases import KEY, fresh, receive
from tests.console.review.conftest import Connect


def truths(shared: Database) -> list[Row]:
    with shared.reading() as connection:
        return connection.execute("SELECT * FROM feedback_pets").fetchall()


def answer(client: TestClient, content: dict[str, str]) -> str:
    """Answer about the next case; return its id."""
    case_id = str(client.post("/review", json={}).json()["id"])
    assert client.post(f"/review/{case_id}", json=content).status_code in (200, 204)
    return case_id


@pytest.mark.parametrize(
    ("content", "truth"),
    [
        ({"verdict": "breed", "breed": "bengal"}, ("breed", "Bengal", 1)),
        ({"verdict": "breed", "breed": "maine coon"}, ("breed", "Maine_Coon", 0)),
        ({"verdict": "other_breed"}, ("other_breed", "", 0)),
        ({"verdict": "not_a_pet"}, ("not_a_pet", "", 0)),
        ({"verdict": "cant_tell"}, ("unknown", "", None)),
    ],
)
def test_every_answer_becomes_a_truth(
    connect: Connect, shared: Database, content: dict[str, str], truth: tuple[str, str, int | None]
) -> None:
    receive(shared, found := fresh("random_check"))
    answer(connect("ann", "review"), content)
    (row,) = truths(shared)
    assert (row["id"], row["truth"], row["true_breed"], row["is_right"]) == (found.id, *truth)
    assert (row["why"], row["client"], row["review_reason"]) == ("reviewer", "ann", "random_check")
    assert row["review_share"] == 0.02  # the propensity, from the receipt


def test_a_skip_is_no_truth(connect: Connect, shared: Database) -> None:
    receive(shared, fresh())
    answer(connect("ann", "review"), {"verdict": "skip", "reason": "other"})
    assert truths(shared) == []


def test_the_third_opinion_replaces_the_truth_and_the_second_does_not(connect: Connect, shared: Database) -> None:
    receive(shared, fresh(), wants_second=True)
    breeds = []
    for who, breed in (("ann", "Bengal"), ("bob", "Siamese"), ("cem", "Siamese")):
        answer(connect(who, "review"), {"verdict": "breed", "breed": breed})
        breeds.append([(row["true_breed"], row["revision"]) for row in truths(shared)])
    assert breeds == [[("Bengal", 1)], [("Bengal", 1)], [("Siamese", 2)]]


def appeal(client: TestClient, found: PetsClaims) -> str:
    receipt = sign(found.to_sign(), KEY)
    return f"/appeals/{client.post('/appeals', json={'receipt': receipt, 'claim': 'No.'}).json()['case']}"


@pytest.mark.parametrize(
    ("decision", "truth"),
    [
        ({"decision": "upheld"}, [("breed", "Bengal", 1)]),
        ({"decision": "changed", "breed": "siamese"}, [("breed", "Siamese", 0)]),
        ({"decision": "changed"}, [("other_breed", "", 0)]),
        ({"decision": "declined"}, []),
    ],
)
def test_a_decision_counts_as_the_word_of_the_owner(
    connect: Connect, shared: Database, decision: dict[str, str], truth: list[tuple[str, str, int]]
) -> None:
    """Doubts are no random sample, so that they must not count as the word of a reviewer."""
    address, ann = appeal(connect(), fresh(None)), connect("ann", "review")
    ann.post(address, json={"action": "assign"})
    assert ann.post(address, json={"action": "decide", "reason": "See.", **decision}).status_code == 200
    rows = truths(shared)
    assert [(row["truth"], row["true_breed"], row["is_right"]) for row in rows] == truth
    assert all((row["why"], row["note"]) == ("owner", f"appeal {address.rpartition('/')[2]}") for row in rows)


def test_an_erasure_takes_the_truth_too(connect: Connect, shared: Database) -> None:
    receive(shared, found := fresh())
    answer(connect("ann", "review"), {"verdict": "not_a_pet"})
    assert len(truths(shared)) == 1
    assert connect("root", "admin").delete(f"/review/{found.id}").status_code == 204
    assert truths(shared) == []
