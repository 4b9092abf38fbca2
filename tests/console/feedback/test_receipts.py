"""console.feedback.receipts: a receipt is rejected in the same words wherever a client sends it."""

import pytest

from runtime.receipts import sign
from tests.console.feedback.conftest import Console, long_ago, photo_receipt


def sent(kind: str, key: bytes) -> str:
    """Return a receipt that nothing may be counted for."""
    photo = photo_receipt(key)
    return {
        "no receipt": "<script>",
        "altered": photo[:20] + ("A" if photo[20] != "A" else "B") + photo[21:],
        "forged": photo_receipt(bytes(32)),
        "expired": photo_receipt(key, time=long_ago()),
        "of another version": sign({"model": "pets", "id": "x"}, key),
    }[kind]


@pytest.mark.parametrize("kind", ["no receipt", "altered", "forged", "expired", "of another version"])
def test_feedback_appeals_and_erasure_reject_a_receipt_alike(console: Console, key: bytes, kind: str) -> None:
    receipt = sent(kind, key)
    answers = [
        console.post("/feedback/pets", json={"items": [{"receipt": receipt, "breed": "Bengal"}]}),
        console.post("/appeals", json={"receipt": receipt, "claim": "It is a Birman."}),
        console.delete("/review/x", headers={"x-receipt": receipt}),
    ]
    assert {answer.status_code for answer in answers} == {410 if kind == "expired" else 400}
    assert len({(answer.json()["type"], answer.json()["detail"]) for answer in answers}) == 1, answers[0].json()


def test_an_appeal_about_sales_says_that_it_needs_a_photo(console: Console, key: bytes) -> None:
    receipt = sign({"id": "x", "time": 1_796_000_000, "model": "sales", "version": "1"}, key)
    answer = console.post("/appeals", json={"receipt": receipt, "claim": "Too low."})
    assert answer.status_code == 400
    assert "not about a photo" in answer.json()["detail"]
