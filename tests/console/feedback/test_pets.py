"""``POST /feedback/pets``: truth about photos, by reviewers and by owners."""

from typing import Any

import pytest

from tests.console.feedback.conftest import Console, Send, long_ago, photo_receipt
from tests.console.feedback.test_sales import kind


def test_a_breed_is_right_in_any_spelling(key: bytes, send: Send) -> None:
    (result,) = send("pets", {"receipt": photo_receipt(key, "Maine_Coon"), "breed": " maine coon "})["results"]
    assert (result["outcome"], result["breed"], result["truth"], result["right"]) == (
        *("counted", "Maine_Coon", "Maine_Coon"),
        True,
    )


@pytest.mark.parametrize(
    ("truth", "known", "right"),
    [
        ({"breed": "Birman"}, True, False),
        ({"breed": "Bengal"}, False, True),
        ({"not_a_pet": True}, True, False),
        ({"not_a_pet": True}, False, True),
        ({"other_breed": True}, False, True),
        ({"unknown": True}, True, None),
    ],
)
def test_an_answer_is_right_or_wrong_by_the_truth(
    key: bytes, send: Send, truth: dict[str, Any], known: bool, right: bool | None
) -> None:
    receipt = photo_receipt(key, reason=None if known else "unlike_training", known=known)
    (result,) = send("pets", {"receipt": receipt, **truth})["results"]
    assert result["right"] is right


def test_an_unknown_breed_has_near_names(key: bytes, send: Send) -> None:
    problem = send("pets", {"receipt": photo_receipt(key), "breed": "Bengali"}, status=404)
    assert kind(problem) == "unknown-class"
    assert problem["detail"].startswith("/items/0/breed: not one of the model's 37 classes; is it Bengal")


def test_the_word_of_an_owner_does_not_replace_that_of_a_reviewer(key: bytes, send: Send) -> None:
    receipt = photo_receipt(key)
    (reviewed,) = send("pets", {"receipt": receipt, "breed": "Bengal", "why": "reviewer"}, roles="review,predict")[
        "results"
    ]
    (owned,) = send("pets", {"receipt": receipt, "breed": "Birman"})["results"]
    assert (reviewed["outcome"], owned["outcome"]) == ("counted", "counted")
    assert reviewed["id"] != owned["id"]
    (papers,) = send("pets", {"receipt": receipt, "breed": "Birman", "why": "papers", "note": "FIFe"})["results"]
    assert (papers["id"], papers["outcome"], papers["revision"]) == (owned["id"], "replaced", 2)


def test_only_a_reviewer_can_say_that_a_reviewer_looked(key: bytes, send: Send) -> None:
    entry = {"receipt": photo_receipt(key), "breed": "Bengal", "why": "reviewer"}
    assert "needs a key with the role review" in send("pets", entry, status=403)["detail"]


@pytest.mark.parametrize(
    "truth",
    [
        {},
        {"breed": "Bengal", "unknown": True},
        {"breed": ""},
        {"breed": 7},
        {"unknown": "yes"},
        {"breed": "Bengal", "why": "me"},
        {"breed": "Bengal", "note": "x" * 501},
        {"breed": "Bengal", "note": "a\u202eb"},
        {"breed": "Bengal", "note": "a\0b"},
        {"breed": "Bengal", "colour": "red"},
    ],
)
def test_a_truth_says_one_thing(key: bytes, send: Send, truth: dict[str, Any]) -> None:
    problem = send("pets", {"receipt": photo_receipt(key), **truth}, status=422)
    assert kind(problem) == "invalid-request"
    assert problem["errors"][0]["path"].startswith("/items/0")


def test_a_forged_or_old_receipt_is_refused(key: bytes, send: Send) -> None:
    forged, old = photo_receipt(bytes(32)), photo_receipt(key, time=long_ago())
    assert kind(send("pets", {"receipt": forged, "breed": "Bengal"}, status=400)) == "invalid-receipt"
    assert kind(send("pets", {"receipt": old, "breed": "Bengal"}, status=410)) == "expired-receipt"
    content = send("pets", *({"receipt": receipt, "unknown": True} for receipt in (forged, photo_receipt(key), old)))
    assert (content["counted"], content["rejected"]) == (1, 2)


def test_a_table_may_have_the_breeds(key: bytes, console: Console) -> None:
    table = f"receipt,breed,not_a_pet,note\n{photo_receipt(key)},Bengal,,\n{photo_receipt(key)},,TRUE,a sofa\n"
    answer = console.post("/feedback/pets", content=table, headers={"content-type": "text/csv; charset=utf-8"})
    assert [result["truth"] for result in answer.json()["results"]] == ["Bengal", "not_a_pet"]
